"""The head of a Markdown document that is for a site's generator: between `---` (YAML) or `+++` (TOML)."""

import re
import tomllib
from collections.abc import Sequence
from contextlib import suppress

import yaml

MARKS = ("---", "+++")
MOST_LINES = 200
LONGEST_ENTRY = 2_000
# A title that goes on is on lines further in.
TITLE = re.compile(r"[Tt]itle[ \t]*+[:=]")
# What an escape may have written: what commands a terminal, and half characters.
CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
TABLE = re.compile(r"\[[^,]*+$")


def front_matter(lines: Sequence[str]) -> tuple[int, str]:
    """Return how many lines the head of a document takes, and the title in it; (0, "") for a document without one.

    Args:
        lines: All lines of the document, without their ends.
    """
    mark = lines[0].rstrip()
    if mark not in MARKS:
        return 0, ""
    end = next((place for place, line in enumerate(lines[1:MOST_LINES], 1) if line.rstrip() == mark), 0)
    # In TOML, what follows the name of a table is that table's.
    own = next((place for place in range(1, end) if mark == "+++" and TABLE.match(lines[place])), end)
    first = next((place for place in range(1, own) if TITLE.match(lines[place])), end)
    last = next((place for place in range(first + 1, end) if lines[place][:1] not in (" ", "\t", "")), end)
    return (end + 1, _title("\n".join(lines[first:last])[:LONGEST_ENTRY], mark)) if end else (0, "")


def _title(entry: str, mark: str) -> str:
    """Return the value of one entry, "" for none and for one that is no text: the rest of a head may be anything."""
    found: object = {}
    with suppress(ValueError, yaml.YAMLError, RecursionError, OverflowError):
        # Every value stays the text that it is.
        found = tomllib.loads(entry) if mark == "+++" else yaml.load(entry, Loader=yaml.BaseLoader)  # noqa: S506
    value = next(iter(found.values()), "") if isinstance(found, dict) else ""
    if not isinstance(value, str):
        return ""
    return " ".join(CONTROLS.sub(" ", value).split())
