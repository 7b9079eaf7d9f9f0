"""Documents with odd changes, and how TOML is written."""

import json
import math
from typing import Any

from hypothesis import strategies as st

# Values that are of another type, too large, or no numbers; keys that are no words.
ODD_TEXTS = st.one_of(
    st.sampled_from(["", " ", "\n", "a\nb", "\0", "\x1b[2J", "\u2028", "\x85", "\ufeff", "../../x", "~", "a" * 3000]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=20),
)


ODD_VALUES = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.sampled_from([0, -1, 2**31, 2**63, 10**400, 10**4299, math.nan, math.inf, -math.inf, 1e308, -0.0]),
        st.integers(),
        st.floats(),
        ODD_TEXTS,
    ),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(ODD_TEXTS, inner, max_size=4),
    max_leaves=8,
)


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """Return a valid document with one to three places changed: another value, another key, a key less or more."""
    changed: dict[str, Any] = json.loads(json.dumps(document))
    for _ in range(draw(st.integers(1, 3))):
        place: Any = changed
        while True:
            keys = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            action = draw(st.sampled_from(["value", "delete", "rename", "add"]))
            if action == "value":
                place[key] = draw(ODD_VALUES)
            elif action == "delete":
                del place[key]
            elif isinstance(place, dict):
                place[draw(ODD_TEXTS)] = place.pop(key) if action == "rename" else draw(ODD_VALUES)
            break
    return changed


def toml_text(document: dict[str, Any]) -> str:
    """Return a document as one TOML line for each key; what TOML cannot say (null) is left out."""
    return "".join(f"{_toml_key(key)} = {_toml_value(value)}\n" for key, value in document.items() if value is not None)


def _toml_key(key: object) -> str:
    return json.dumps(str(key)).replace("\x7f", "\\u007f")


def _toml_value(value: object) -> str:
    if isinstance(value, dict):
        pairs = (f"{_toml_key(key)} = {_toml_value(entry)}" for key, entry in value.items() if entry is not None)
        return "{" + ", ".join(pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml_value(entry) for entry in value if entry is not None) + "]"
    if isinstance(value, float):
        return repr(value)
    return json.dumps(value).replace("\x7f", "\\u007f")
