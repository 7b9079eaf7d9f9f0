"""Which rows of an eventlog can be read, and the JSON in them: whoever can write the file can put anything there."""

import json
import re
from typing import Any

from patina_resources.documents.json_value import MAX_DEPTH

SHALLOW_FUNCTION = "is_shallow_json"

_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")
_MOST_DIGITS = 18
_KEY_CHARACTERS = 40


def readable(alias: str = "") -> str:
    """Return the SQL condition that a row is readable; a connection needs `is_shallow_json` as SHALLOW_FUNCTION.

    Its seq is an integer and its data text, valid JSON, and nested at most MAX_DEPTH levels. Only where there are more
    brackets than that is the function asked.

    Args:
        alias: The table's name in the query, with its dot, or "".
    """
    data = f"{alias}data"
    brackets = f"length({data}) - length(replace(replace({data}, '[', ''), '{{', ''))"
    return (
        f"(typeof({alias}seq) = 'integer' AND typeof({data}) = 'text' AND json_valid({data}) AND "
        f"(length({data}) <= {2 * MAX_DEPTH} OR {brackets} <= {MAX_DEPTH} OR {SHALLOW_FUNCTION}(CAST({data} AS BLOB))))"
    )


def parsed(text: str) -> Any:  # noqa: ANN401 - JSON of any type
    """Return JSON out of a readable row as Python has it.

    Numbers of so many digits that Python refuses them are cut to 18 digits; halves of surrogate pairs, which no file
    can hold, become U+FFFD, as often as SQLite writes it for them.
    """
    try:
        value = json.loads(text)
    except ValueError:  # integers of over 4,300 digits
        value = json.loads(text, parse_int=lambda digits: int(digits[:_MOST_DIGITS]))
    if _SURROGATE_ESCAPE.search(text):
        whole = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass").decode("utf-8", "replace")
        value = json.loads(whole)
    return value


def text_key(text: str) -> str:
    """Return the key by which an event names a text that another event holds: its length and its beginning."""
    return f"{len(text)} {text[:_KEY_CHARACTERS]}"


def text_key_sql(column: str) -> str:
    """Return the SQL expression for the `text_key` of a column."""
    return f"length({column}) || ' ' || substr({column}, 1, {_KEY_CHARACTERS})"
