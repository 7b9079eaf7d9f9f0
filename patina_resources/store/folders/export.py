"""A folder that did not exist before: complete, or not at all."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import TEMPORARY_PREFIX, cannot_write


def check_new_folder(folder: Path) -> None:
    """Return if a folder may be made at `folder`.

    Raises:
        PatinaError: There is something at that place already.
    """
    if folder.is_symlink() or (folder.exists() and (not folder.is_dir() or any(folder.iterdir()))):
        raise PatinaError(f"{folder}: is not empty, or not a folder: expected a new or an empty folder")


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
        temporary = folder.parent / f"{TEMPORARY_PREFIX}{secrets.token_hex(8)}"
        temporary.mkdir()
        try:
            yield temporary
            temporary.replace(folder)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        raise cannot_write(folder, error) from error
