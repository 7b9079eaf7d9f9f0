"""A folder that did not exist before: complete, or not at all."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patina_resources.artifacts import TEMPORARY_PREFIX
from patina_resources.errors import PatinaError


def check_new_folder(folder: Path) -> None:
    """Return if a folder may be made at `folder`.

    Raises:
        PatinaError: There is something at that place already.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise PatinaError(f"{folder}: there is something already: expected a new or an empty folder")


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside `folder` to write to, which becomes `folder` at the end; an error removes it.

    Args:
        folder: A place where nothing is, or an empty folder.

    Raises:
        PatinaError: The place is taken, or cannot be written to.
    """
    check_new_folder(folder)
    folder = folder.absolute()
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=TEMPORARY_PREFIX, dir=folder.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise PatinaError(f"{folder}: cannot be written ({error.strerror or error})") from error
