"""Reads a JSON file that another tool wrote."""

import json
import re
from pathlib import Path

from patina_resources.documents.document import Document, Location
from patina_resources.documents.json_value import json_value
from patina_resources.documents.text_file import read_small_text
from patina_resources.errors import PatinaError

MAX_BYTES = 4_000_000
MOST_STEPS = 16
_TOKEN = re.compile(r'"(?:[^"\\]++|\\.)*+"|[^\s\[\]{},:"]++|[\[\]{},\n]')


def read_json(path: Path) -> Document:
    """Return what a JSON file says.

    Raises:
        FileNotFoundError: There is no such file.
        PatinaError: It cannot be read (see `read_small_text`), or is not JSON.
    """
    text = read_small_text(path, "JSON", MAX_BYTES)
    try:
        return Document(path, "JSON", json_value(text), lambda: _lines(text))
    except ValueError as error:
        raise PatinaError(f"{path}: not valid JSON: {error}") from error


def _lines(text: str) -> dict[Location, int]:
    """Return the line of every key and entry of a text that is JSON, down to MOST_STEPS below the top."""
    lines: dict[Location, int] = {}
    place: list[str | int | None] = []  # of an object, None until its next key is read
    line = 1
    for token in _TOKEN.finditer(text):
        written = token.group()
        if written == "\n":
            line += 1
        elif written == ",":
            place[-1] = place[-1] + 1 if isinstance(place[-1], int) else None
        elif written in "]}":
            place.pop()
        else:
            if place and place[-1] is None:
                place[-1] = json.loads(written)
            if len(place) <= MOST_STEPS:
                lines.setdefault(tuple(step for step in place if step is not None), line)
            if written in "[{":
                place.append(0 if written == "[" else None)
    return lines
