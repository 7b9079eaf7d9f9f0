"""JSON that anybody may have written: how deep it is nested is counted before Python's reader sees it.

That reader gives up near the limit of Python's stack. Up there the garbage collector may run the finalizers of other
objects, and these fail for want of stack.
"""

import json
import re
from typing import Any

# Python's reader gives up at about 1,000 levels, less what the call stack already holds.
MAX_DEPTH = 200

# A string without an end is taken, too: it would be looked for again from each quotation mark in it.
_STRING_OR_BRACKET = re.compile(rb'"(?:[^"\\]|\\.)*+("?)|[\[{\]}]', re.DOTALL)


def json_value(content: str | bytes) -> Any:  # noqa: ANN401 - JSON of any type
    """Return what JSON says (bytes are UTF-8).

    Raises:
        ValueError: It is no JSON, no UTF-8, or nested more than MAX_DEPTH levels deep.
    """
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    refuse_deep_json(text)
    return json.loads(text)


def refuse_deep_json(text: str) -> None:
    """Refuse what Python's reader should not see.

    Raises:
        ValueError: JSON is nested more than MAX_DEPTH levels deep.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH and not is_shallow_json(text.encode("utf-8", "replace")):
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep, or a string has no end")


def is_shallow_json(data: bytes) -> bool:
    """Return whether JSON (UTF-8) has ends to all of its strings, and is nested at most MAX_DEPTH levels."""
    depth = 0
    for found in _STRING_OR_BRACKET.finditer(data):
        if found[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return False
        elif found[0] in b"]}":
            depth -= 1
        elif not found[1]:
            return False
    return True
