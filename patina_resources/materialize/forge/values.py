"""Reads JSON values one after the other: an array, pages of arrays, or a value a line; every fault has its line."""

import json
import re
import sys
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from patina_resources.documents.text_file import utf8_text
from patina_resources.errors import PatinaError, shown

STDIN = Path("-")
MOST_BYTES = 256 << 20
# No forge counts further.
MOST_DIGITS = 20
_SPACE = re.compile(r"[ \t\r\n]*+")


class WrongValueError(ValueError):
    """What is wrong with a value; who reads the file knows on which line it stands.

    Attributes:
        at: The position in the text where the value begins, where that is known.
    """

    def __init__(self, message: str, at: int | None = None) -> None:
        super().__init__(message)
        self.at = at


@dataclass(frozen=True)
class JsonObject:
    """An object of a file.

    Attributes:
        place: Name of the file and the line on which it begins, for messages.
        fields: The object.
    """

    place: str
    fields: dict[str, Any]


def read_entries(path: Path) -> Iterator[JsonObject]:
    """Yield the objects of a file; `-` is standard input.

    Raises:
        PatinaError: It cannot be read, is too large, no UTF-8 text, no JSON, or holds something else than objects.
    """
    name = "standard input" if path == STDIN else str(path)
    text = _text(path, name)
    line, counted, start = 1, 0, 0
    try:
        for start, value in _values(text):
            line, counted = line + text.count("\n", counted, start), start
            if not isinstance(value, dict):
                raise WrongValueError(f"expected an object, got {shown(value)}")
            yield JsonObject(f"{name}:{line}", value)
    except json.JSONDecodeError as error:
        raise PatinaError(f"{name}:{error.lineno}: not valid JSON: {error.msg[:1].lower()}{error.msg[1:]}") from error
    except WrongValueError as error:
        line = 1 + text.count("\n", 0, start if error.at is None else error.at)
        raise PatinaError(f"{name}:{line}: {error}") from error


def _text(path: Path, name: str) -> str:
    try:
        if path == STDIN:
            content = sys.stdin.buffer.read(MOST_BYTES + 1)
        else:
            with path.open("rb") as file:
                content = file.read(MOST_BYTES + 1)
    except OSError as error:
        expected = "expected a JSON file with issues or pull requests"
        raise PatinaError(f"{name}: cannot be read ({error.strerror}): {expected}") from error
    if len(content) > MOST_BYTES:
        raise PatinaError(f"{name}: larger than {MOST_BYTES >> 20} MiB: split it into several files")
    return utf8_text(content, name)


def _values(text: str) -> Iterator[tuple[int, Any]]:
    """Yield the values of all arrays, and those that stand in none, each with the position where it begins."""
    at = _after_space(text, 0)
    while at < len(text):
        if text[at] == "[":
            at = yield from _array(text, at)
        else:
            start = at
            value, at = _decoded(text, at)
            yield start, value
        at = _after_space(text, at)


def _array(text: str, at: int) -> Generator[tuple[int, Any], None, int]:
    """Yield the values of the array that begins at a position, those of arrays in it one by one; return its end."""
    at = _after_space(text, at + 1)
    if text[at : at + 1] == "]":
        return at + 1
    while True:
        start = at
        value, at = _decoded(text, at)
        for entry in value if isinstance(value, list) else (value,):
            yield start, entry
        at = _after_space(text, at)
        if text[at : at + 1] == "]":
            return at + 1
        if text[at : at + 1] != ",":
            raise json.JSONDecodeError("Expecting ',' or ']'", text, at)
        at = _after_space(text, at + 1)


def _decoded(text: str, at: int) -> tuple[Any, int]:
    try:
        return _DECODER.raw_decode(text, at)
    except RecursionError as error:
        raise WrongValueError("nested too deep", at) from error
    except WrongValueError as error:
        raise WrongValueError(str(error), at) from error


def _after_space(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise WrongValueError(f"the key {shown(key)} stands twice in one object")
        found[key] = value
    return found


def _whole_number(digits: str) -> int:
    if len(digits) > MOST_DIGITS:
        raise WrongValueError(f"a number of {len(digits)} digits")
    return int(digits)


def _no_number(word: str) -> None:
    raise WrongValueError(f"{word} is no JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole_number, parse_constant=_no_number)
