"""When a commit was written: what git prints, or what a commit object holds that git cannot print."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

NO_TIME = "1970-01-01T00:00:00+00:00"
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(Z|[+-]([01]\d|2[0-3]):[0-5]\d)")
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
EARLIEST, LATEST = "0001-01-01T00:00:00+00:00", "9999-12-31T23:59:59+00:00"
# No clock of 64 bits counts more seconds.
MOST_DIGITS = 18


@dataclass(frozen=True)
class CommitTime:
    """A time.

    Attributes:
        text: ISO 8601 with an offset from UTC; the first or last year where the true one has more than four digits.
        as_written: Whether this is the author's time in the author's zone.
        seconds: Seconds since 1970, where `text` cannot tell them.
    """

    text: str
    as_written: bool = True
    seconds: int | None = None


def commit_time(printed: Sequence[str], raw_commit: Callable[[], bytes]) -> CommitTime:
    """Return when a commit was written: by its author, else by its committer, else NO_TIME.

    Args:
        printed: Git's `%at`, `%aI`, `%ct` and `%cI`.
        raw_commit: Returns the commit object: git prints no time before 1970.
    """
    authored = _printed_time(*printed[:2]) or _raw_time(raw_commit(), b"author ")
    if authored is not None:
        return authored
    committed = _printed_time(*printed[2:]) or _raw_time(raw_commit(), b"committer ")
    return replace(committed or CommitTime(NO_TIME), as_written=False)


def _printed_time(seconds: str, text: str) -> CommitTime | None:
    """Return a time as git prints it, in UTC where the zone is none; None where git cannot print it."""
    if not _is_number(seconds):
        return None
    if text.endswith("Z"):  # newer versions of git write UTC so
        text = f"{text[:-1]}+00:00"
    # Git prints a time for numbers that it cannot hold, too.
    if TIME.fullmatch(text) and datetime.fromisoformat(text).timestamp() == int(seconds):
        return CommitTime(text)
    return _utc_time(int(seconds))


def _raw_time(raw_commit: bytes, key: bytes) -> CommitTime | None:
    """Return the time in the first line of a commit's header that begins with `key`."""
    lines = raw_commit.partition(b"\n\n")[0].split(b"\n")
    line = next((line for line in lines if line.startswith(key)), b"")
    words = line.rpartition(b">")[2].split()
    seconds = words[0].decode("ascii", "replace") if words else ""
    return _utc_time(int(seconds)) if _is_number(seconds.removeprefix("-")) else None


def _is_number(text: str) -> bool:
    return text.isdecimal() and len(text) <= MOST_DIGITS


def _utc_time(seconds: int) -> CommitTime:
    try:
        return CommitTime((EPOCH + timedelta(seconds=seconds)).isoformat(), as_written=False)
    except OverflowError:
        return CommitTime(LATEST if seconds > 0 else EARLIEST, as_written=False, seconds=seconds)
