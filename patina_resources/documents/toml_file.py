"""Reads a TOML file."""

import re
import tomllib
from collections import Counter
from pathlib import Path

from patina_resources.documents.document import Document, Location
from patina_resources.documents.text_file import read_small_text
from patina_resources.errors import PatinaError

# Python's reader of TOML takes the square of a dotted key's parts. No key of ours has more than four.
MOST_KEY_PARTS = 16
# Every token of a TOML text; a string without an end is one, too, so that no character is looked at twice.
_TOML_TOKEN = re.compile(
    r'''(?P<part>"""(?:[^"\\]++|\\.|"(?!""))*+(?:""")?|"(?:[^"\\\n]++|\\.)*+"?'''
    r"""|'''(?:[^']++|'(?!''))*+(?:''')?|'[^'\n]*+'?|[A-Za-z0-9_-]++)|(?P<dot>\.)|(?P<blank>[ \t]++)"""
    r"|(?P<other>#[^\n]*+|.)",
    re.DOTALL,
)
_TOML_PLACE = re.compile(r" \((?:at line (?P<line>\d+), column \d+|at end of document)\)$")


def read_toml(path: Path) -> Document:
    """Return what a TOML file says.

    Raises:
        FileNotFoundError: There is no such file.
        PatinaError: It cannot be read (see `read_small_text`), or is not TOML.
    """
    text = read_small_text(path, "TOML")
    if line := _line_of_long_key(text):
        raise PatinaError(f"{path}:{line}: a key has more than {MOST_KEY_PARTS} parts (a.b.c): expected a flatter file")
    try:
        return Document(path, "TOML", tomllib.loads(text), lambda: _lines(text))
    except tomllib.TOMLDecodeError as error:
        raise PatinaError(_not_toml(path, text, str(error))) from error
    except RecursionError as error:
        raise PatinaError(f"{path}: not valid TOML: nested too deeply: expected a flatter file") from error
    except ValueError as error:  # a decimal number of over 4,300 digits
        raise PatinaError(f"{path}: not valid TOML: a number is too long: expected at most 18 digits") from error


def _not_toml(path: Path, text: str, problem: str) -> str:
    """Return the sentence for what the parser says, with the line where all other sentences have it."""
    if found := _TOML_PLACE.search(problem):
        line = found["line"] or text.rstrip("\n").count("\n") + 1
        return f"{path}:{line}: not valid TOML: {problem[: found.start()]}"
    return f"{path}: not valid TOML: {problem}"


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


def _lines(text: str) -> dict[Location, int]:
    """Return the line of every table and key of a text that is TOML; of a key in an inline table, that of the table."""
    lines: dict[Location, int] = {}
    table: Location = ()
    keys: list[str] = []
    tables_of_list: Counter[Location] = Counter()
    line, depth, in_value = 1, 0, False
    for token in _TOML_TOKEN.finditer(text):
        written = token.group()
        if in_value:
            depth += (written in "[{") - (written in "]}")
            in_value = depth > 0 or written != "\n"
        elif token.lastgroup == "part":
            keys.append(tomllib.loads(f"key = {written}")["key"] if written[0] in "\"'" else written)
        elif written == "[":
            depth += 1
        elif written in "=]" and keys:
            place = (*table, *keys) if written == "=" else tuple(keys)
            if depth > 1:  # [[list]]
                tables_of_list[place] += 1
                place = (*place, tables_of_list[place] - 1)
            for length in range(1, len(place) + 1):
                lines.setdefault(place[:length], line)
            table = table if written == "=" else place
            keys, in_value, depth = [], True, max(depth - 1, 0)
        line += written.count("\n")
    return lines
