"""JSON as editors keep it: with comments and trailing commas. One entry is added, and every other byte stays. Pure."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from patina_resources.documents.json_value import json_value

INDENT = "  "
# Every token of a text; one without an end is one, too, so that no character is looked at twice.
_TOKEN = re.compile(
    r'(?P<string>"(?:[^"\\\n]++|\\.)*+"?)|(?P<comment>//[^\n]*+|/\*(?:[^*]++|\*(?!/))*+(?:\*/)?)|(?P<space>\s++)'
    r"|(?P<mark>[{}\[\],:])|(?P<word>[^\s{}\[\],:\"/]++|/)",
    re.DOTALL,
)


def read_jsonc(text: str) -> Any:  # noqa: ANN401 - whatever JSON says
    """Return what a text says.

    Raises:
        ValueError: It is not JSON with comments, or nested too deeply.
    """
    tokens = [found for found in _TOKEN.finditer(text) if found.lastgroup not in ("space", "comment")]
    kept = [
        found[0]
        for found, following in zip(tokens, [*tokens[1:], None], strict=True)
        if not (found[0] == "," and following is not None and following[0] in ("}", "]"))
    ]
    return json_value(" ".join(kept))


def with_entry(text: str, path: Sequence[str], value: object) -> str:
    """Return a text with one more entry in an object, and with the objects around it where they are missing.

    Args:
        text: JSON with comments, an object; an empty text stands for an empty one.
        path: The keys that lead to the entry; its own is the last.
        value: Its value.

    Raises:
        ValueError: The text is not JSON with comments, something on the way is no object, the entry is there already,
            or a key stands twice.
    """
    before = read_jsonc(text) if text.strip() else {}
    _put(expected := json.loads(json.dumps(before)), path, value)
    if not text.strip():
        return json.dumps(expected, indent=len(INDENT)) + "\n"
    depth, place, is_empty = _deepest(text, path)
    for key in reversed(path[depth + 1 :]):
        value = {key: value}
    lines = json.dumps({path[depth]: value}, indent=len(INDENT)).splitlines()[1:-1]
    entry = "\n".join(f"{INDENT * depth}{line}" for line in lines)
    after = f"\n{INDENT * depth}" if is_empty else ","
    result = f"{text[:place]}\n{entry}{after}{text[place:]}"
    if read_jsonc(result) != expected:
        raise ValueError("a key stands twice")
    return result


def _put(document: object, path: Sequence[str], value: object) -> None:
    for key in path[:-1]:
        if not isinstance(document, dict):
            break
        document = document.setdefault(key, {})
    if not isinstance(document, dict):
        raise ValueError("expected an object")
    if path[-1] in document:
        raise ValueError(f"{path[-1]} is there already")
    document[path[-1]] = value


def _deepest(text: str, path: Sequence[str]) -> tuple[int, int, bool]:
    """Return how many keys of a path are there, where the object of the last begins, and whether it is empty."""
    found = (0, text.index("{") + 1, False)
    for keys, place, following in _objects(text):
        if len(keys) >= found[0] and list(keys) == list(path[: len(keys)]) and len(keys) < len(path):
            found = (len(keys), place, following == "}")
            if len(keys) == len(path) - 1:
                break
    return found


def _objects(text: str) -> Iterator[tuple[list[str], int, str]]:
    """Yield for each object that is reached through objects alone: its keys, where it begins, and the next token."""
    tokens = [found for found in _TOKEN.finditer(text) if found.lastgroup not in ("space", "comment")]
    keys: list[str | None] = []  # of an array, None
    key: str | None = None
    for found, following in zip(tokens, [*tokens[1:], None], strict=True):
        mark = found[0]
        if mark in "{[":
            keys.append(key if mark == "{" else None)
            if None not in keys[1:] and mark == "{":
                yield [name for name in keys[1:] if name is not None], found.end(), following[0] if following else ""
            key = None
        elif mark in "}]":
            keys.pop()
        elif found.lastgroup == "string" and following is not None and following[0] == ":":
            key = json.loads(mark)
