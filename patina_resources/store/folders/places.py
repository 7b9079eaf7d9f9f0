"""What may lie below `.patina`: plain files and folders.

A repository may hold a link or a special file in the place of a file that this program reads or writes. It could lead
anywhere, so it is refused.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.store.files import irregular, unusual

FOLDER = "a folder"


def refuse_irregular(patina: Path, data: Path, not_read: Path) -> None:
    """Return if everything that is opened below `.patina` and in the data folder is a plain file or a folder.

    Args:
        patina: The `.patina` folder.
        data: The data folder, wherever it is.
        not_read: A folder in it that is never opened.

    Raises:
        PatinaError: Something is a link, has a second name, or is a special file.
    """
    older = patina / "local" / "data"
    for folder in (patina, patina / "local", older, data):
        _expect(folder, FOLDER, data)
    for file in (patina / "config.toml", patina / "oxidize.yaml", *(older / name for name in _eventlog_names())):
        _expect(file, "", data)
    for entry in _below(os.fspath(data), os.fspath(not_read)):
        _expect(entry, FOLDER, data)


def _eventlog_names() -> tuple[str, ...]:
    return tuple(f"patina.db{suffix}" for suffix in ("", "-wal", "-shm", "-journal"))


def _expect(place: Path | os.DirEntry[str], other: str, data: Path) -> None:
    """Raise where there is something at a place that is neither a plain file nor of the kind `other`."""
    try:
        kind = unusual(place.stat(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise PatinaError(
            f"{os.fspath(place)}: cannot be looked at ({error.strerror or error}): give yourself permission"
        ) from error
    if kind and kind != other:
        path = Path(place)
        raise PatinaError(_data_is_link(path) if path == data and path.is_symlink() else irregular(path, kind))


def _data_is_link(path: Path) -> str:
    return (
        f"{path}: is a symbolic link: links below .patina are not followed: name the folder yourself, "
        f'with `[projects."{path.parent.parent}"]` and `data = "{path.resolve()}"` in config.toml of ~/.patina'
    )


def _below(folder: str, not_read: str) -> Iterator[os.DirEntry[str]]:
    """Yield everything below a folder; links are yielded, not followed."""
    try:
        with os.scandir(folder) as entries:
            found = list(entries)
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise PatinaError(f"{folder}: cannot be read ({error.strerror or error}): give yourself permission") from error
    for entry in found:
        is_folder = entry.is_dir(follow_symlinks=False)
        if is_folder and entry.path == not_read:
            continue
        yield entry
        if is_folder:
            yield from _below(entry.path, not_read)
