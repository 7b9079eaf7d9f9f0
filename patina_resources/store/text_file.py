"""Small text files that people write: read whole, refused where they are something else. TOML in particular."""

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError, shown

MAX_BYTES = 1 << 20
LONGEST_PLAIN_KEY = 80
# Python's reader of TOML takes the square of a dotted key's parts. No key of ours has more than four.
MOST_KEY_PARTS = 16
# Every token of a TOML text; a string without an end is one, too, so that no character is looked at twice.
_TOML_TOKEN = re.compile(
    r'''(?P<part>"""(?:[^"\\]++|\\.|"(?!""))*+(?:""")?|"(?:[^"\\\n]++|\\.)*+"?'''
    r"""|'''(?:[^']++|'(?!''))*+(?:''')?|'[^'\n]*+'?|[A-Za-z0-9_-]++)|(?P<dot>\.)|(?P<blank>[ \t]++)"""
    r"|(?P<other>#[^\n]*+|.)",
    re.DOTALL,
)


def read_small_text(path: Path, format_name: str) -> str:
    """Return the text of a UTF-8 file, without a byte order mark.

    Args:
        path: The file.
        format_name: What it should be, for messages: `YAML` or `TOML`.

    Raises:
        FileNotFoundError: There is no such file; what to do about that is for the caller to say.
        PatinaError: It is unreadable, not a regular file, larger than MAX_BYTES, or not UTF-8.
    """
    try:
        # Asked before opening, because opening a named pipe waits for a writer.
        if not stat.S_ISREG(path.stat().st_mode):
            raise PatinaError(f"{path}: not a regular file: expected a {format_name} file")
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror}): expected a {format_name} file") from error
    if len(content) > MAX_BYTES:
        raise PatinaError(f"{path}: larger than {MAX_BYTES} bytes: expected a small, hand-written {format_name} file")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise PatinaError(f"{path}:{line}: not UTF-8 text: save the file with UTF-8 encoding") from error


def read_toml(path: Path) -> dict[str, Any]:
    """Return the tables of a TOML file.

    Raises:
        FileNotFoundError: There is no such file.
        PatinaError: It cannot be read (see `read_small_text`), or is not TOML.
    """
    text = read_small_text(path, "TOML")
    if line := _line_of_long_key(text):
        raise PatinaError(f"{path}:{line}: a key has more than {MOST_KEY_PARTS} parts (a.b.c): expected a flatter file")
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PatinaError(f"{path}: not valid TOML: {error}") from error
    except RecursionError as error:
        raise PatinaError(f"{path}: not valid TOML: nested too deeply: expected a flatter file") from error
    except ValueError as error:  # a decimal number of over 4,300 digits
        raise PatinaError(f"{path}: not valid TOML: a number is too long: expected at most 18 digits") from error


def _line_of_long_key(text: str) -> int | None:
    """Return the line of the first dotted key with more than MOST_KEY_PARTS parts, or None."""
    dots = 0
    for token in _TOML_TOKEN.finditer(text):
        if token.lastgroup == "dot":
            dots += 1
            if dots >= MOST_KEY_PARTS:
                return text.count("\n", 0, token.start()) + 1
        elif token.lastgroup == "other":
            dots = 0
    return None


def key_name(key: str) -> str:
    """Return a TOML key for a message: as it is where it is short and printable, else quoted."""
    return key if key and key.isprintable() and len(key) <= LONGEST_PLAIN_KEY else shown(key)
