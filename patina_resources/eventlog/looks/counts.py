"""How many live events there are of each type and file. What was counted is remembered, and what is new is added."""

import json
import sqlite3
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from patina_resources.documents.json_value import json_value
from patina_resources.eventlog.live import TAKEN_BACK
from patina_resources.eventlog.looks.since import MOST_SEQ, Extent, decoded_extent, extent_of, touched_since
from patina_resources.eventlog.payloads import readable

# Where there are more types and files, they are counted each time: what is remembered is written as a whole.
MOST_REMEMBERED = 50_000
# What is remembered stands in the eventlog itself: it is that of this file.
WHATEVER_FILE = ""
ALL_SQL = "SELECT event_type, source_file, COUNT(*) FROM live WHERE event_type GLOB :kind GROUP BY 1, 2"
ADDED_SQL = (
    "SELECT event_type, source_file, COUNT(*) FROM live WHERE seq > :last AND event_type GLOB :kind GROUP BY 1, 2"
)
# What was live up to :last, and is taken back by now.
GONE_SQL = f"""
SELECT event_type, source_file, COUNT(*) FROM eventlog
WHERE seq <= :last AND event_type GLOB :kind AND event_type NOT GLOB '*.removed' AND {readable()}
      AND seq IN ({TAKEN_BACK} AND removal.seq > :last) AND seq NOT IN ({TAKEN_BACK} AND removal.seq <= :last)
GROUP BY 1, 2
"""  # noqa: S608 - texts of this program

# By type and source_file, which may be of any type.
Counts = Mapping[tuple[str, object], int]


@dataclass(frozen=True)
class LiveCounts:
    """How many live events of a kind there were of each type and file.

    Attributes:
        extent: Of the eventlog in which they were counted.
        counts: Their numbers; no entry for none.
    """

    extent: Extent
    counts: Counts


def live_counts(connection: sqlite3.Connection, kind: str, remembered: str | None) -> LiveCounts:
    """Return the counts of a kind of events; only what is new is read where earlier ones are remembered.

    Args:
        connection: To the eventlog, in one read transaction.
        kind: What its types begin with: `git`, `session`, `code`, `doc`.
        remembered: What `encode_counts` returned for this kind; believed as far as the eventlog begins as it did.
    """
    now, before = extent_of(connection, WHATEVER_FILE), _decoded(remembered)
    touched = touched_since(connection, before.extent, now) if before else None
    if before is None or touched is None:
        return LiveCounts(now, dict(_rows(connection, ALL_SQL, kind)))
    if not any(event_type.startswith(f"{kind}.") for event_type in touched):
        return LiveCounts(now, before.counts)
    counts = Counter(dict(before.counts))
    counts.update(dict(_rows(connection, ADDED_SQL, kind, before.extent.last_seq)))
    counts.subtract(dict(_rows(connection, GONE_SQL, kind, before.extent.last_seq)))
    return LiveCounts(now, {key: count for key, count in counts.items() if count > 0})


def encode_counts(found: LiveCounts) -> str | None:
    """Return counts as JSON; None where they are too many to be remembered, or a file is named by no text."""
    if len(found.counts) > MOST_REMEMBERED or not all(
        file is None or isinstance(file, str) for _, file in found.counts
    ):
        return None
    # Sorted, so that equal eventlogs remember the same, in however many steps they were counted.
    rows = sorted(found.counts, key=lambda row: (row[0], row[1] is not None, str(row[1])))
    types, files = [row[0] for row in rows], [row[1] for row in rows]
    columns = {"types": types, "files": files, "numbers": [found.counts[row] for row in rows]}
    return json.dumps({"extent": asdict(found.extent), **columns})


def _rows(
    connection: sqlite3.Connection, query: str, kind: str, last: int | None = None
) -> list[tuple[tuple[str, object], int]]:
    values = {"kind": f"{kind}.*"} if last is None else {"kind": f"{kind}.*", "last": last}
    return [((event_type, file), count) for event_type, file, count in connection.execute(query, values)]


def _decoded(remembered: str | None) -> LiveCounts | None:
    """Return what is remembered; None where it is nothing, or damaged."""
    try:
        content = json_value((remembered or "").encode())
        columns = zip(content["types"], content["files"], content["numbers"], strict=True)
        counts = {(str(kind), file): int(count) for kind, file, count in columns}
        is_possible = all(0 < count <= MOST_SEQ for count in counts.values())
        return LiveCounts(decoded_extent(content["extent"]), counts) if is_possible else None
    except (ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None
