"""Removes derived files, and tells how large they are. Links are never followed."""

import shutil
from collections.abc import Iterable
from pathlib import Path

from patina_resources.errors import PatinaError


def bytes_of(path: Path) -> int:
    """Return the size of a file, or of all files below a folder."""
    if path.is_symlink() or not path.is_dir():
        return path.lstat().st_size if path.exists() else 0
    return sum(file.lstat().st_size for file in path.rglob("*") if file.is_file() and not file.is_symlink())


def remove(paths: Iterable[Path], inside: Path) -> None:
    """Delete files and folders below a folder.

    Args:
        paths: What is deleted; what is gone already is left out.
        inside: They all lie below it.

    Raises:
        PatinaError: One lies elsewhere, or cannot be deleted.
    """
    for path in paths:
        if inside not in path.parents or ".." in path.parts:
            raise PatinaError(f"{path}: is not below {inside}: nothing of it was removed")
        try:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise PatinaError(f"{path}: cannot be removed ({error.strerror or error})") from error
