"""Small text files: read whole, refused where they are something else."""

import stat
from pathlib import Path

from patina_resources.documents.document import Format
from patina_resources.errors import PatinaError

MAX_BYTES = 1 << 20


def read_small_text(path: Path, format_name: Format, most_bytes: int = MAX_BYTES) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Args:
        path: The file.
        format_name: What it should be, for messages.
        most_bytes: The largest file that is read.

    Raises:
        FileNotFoundError: There is no such file; what to do about that is for the caller to say.
        PatinaError: It is unreadable, not a regular file, larger than `most_bytes`, or not UTF-8.
    """
    try:
        # Asked before opening, because opening a named pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise PatinaError(f"{path}: not a regular file: expected a {format_name} file")
        with path.open("rb") as file:
            content = file.read(most_bytes + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror}): expected a {format_name} file") from error
    if len(content) > most_bytes:
        raise PatinaError(f"{path}: larger than {most_bytes} bytes: expected a small {format_name} file")
    return utf8_text(content, str(path))


def utf8_text(content: bytes, name: str) -> str:
    """Return what bytes say, without a byte order mark.

    Args:
        content: UTF-8.
        name: What it is called, for messages.

    Raises:
        PatinaError: It is not UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PatinaError(f"{name}:{line}: not UTF-8 text: save the file with UTF-8 encoding") from error
