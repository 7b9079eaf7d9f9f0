"""Paths and times in one form, however the tool that wrote an event writes them."""

import re
from datetime import UTC, datetime

# Longer ones are no paths (Linux, PATH_MAX); a rename is looked for in no time that grows with their square.
LONGEST_PATH = 4096
# That the brace is closed is seen first, once: without one, each ` => ` would be tried against all that follows.
_BRACED_RENAME = re.compile(r"\{(?=[^{}]*+\})[^{}]* => ([^{}]*)\}")


def current_path(path: str) -> str:
    """Return a path without leading `./`; of a rename as `git log --stat` writes it, the new path."""
    if " => " in path and len(path) <= LONGEST_PATH:
        path = _BRACED_RENAME.sub(r"\1", path).rpartition(" => ")[2].replace("//", "/")
    return path.removeprefix("./")


def utc_time(timestamp: str) -> str:
    """Return a time in UTC (which one without a zone is taken for), sortable as text; other text as it is."""
    try:
        time = datetime.fromisoformat(timestamp)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC).isoformat()
    except (ValueError, TypeError, OverflowError):
        return str(timestamp)
