"""Rows that no writer of eventlogs should write: each odd value in each place of each kind of event."""

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from patina_resources.eventlog.schema import EVENTLOG_SQL

# (event_type, timestamp, source_id, source_file, data), of any type.
RawRow = tuple[Any, Any, Any, Any, Any]

SQL = "'); DROP TABLE eventlog; --"
TEXTS = ("", " ", "\n", "\0", "a\0b", "\x1b[2J\x1b]0;title\x07", SQL, '"; --', "%s {0} {{}}", "../../../etc/passwd",
         "NaN", "-0", "\u202egnirts", "\ufeff", "\ud800", "{a => b}/c => d", "=>" * 50, "::", ".",
         "/", "a" * 70_000)  # fmt: skip
NESTED: Any = "bottom"
for _ in range(150):
    NESTED = [NESTED, {"path": NESTED}] if _ % 50 == 0 else [NESTED]
VALUES = (None, True, False, 0, -1, 2**63, -(2**63), 10**5000, 1.5, -1e308, [], {}, [[]], [None, 1, True, {}, [[]]],
          {"path": 1}, {"path": None}, ["a.py", 5], NESTED, *TEXTS)  # fmt: skip
# Under the keys of newer writers and of older ones.
SHAPES: dict[str, dict[str, Any]] = {
    "session.decision": {"session_id": "hostile", "content": "A hostile note that is long enough to be taken"},
    "git.commit": {
        "sha": "hostile", "message": "A hostile commit", "author_name": "Eve", "author_email": "eve@example.org",
        "author": "Eve", "parsed": {"type": "feat"}, "files": [{"path": "a.py", "change_type": "modified",
        "lines_added": 1, "lines_removed": 1}, {"path": "b.py"}], "files_changed": ["a.py", "b.py"],
    },
    "git.file": {"path": "a.py", "now": "b.py"},
    "git.identity": {"recorded_author": "Eve <eve@example.org>", "author_name": "Eve", "author_email": "eve@x"},
    "code.function": {"file": "a.py", "name": "f", "parameters": ["x: int"], "return_type": "int"},
    "code.call": {"file": "a.py", "caller": "f", "callee": "g"},
    "code.struct": {"file_path": "a.py", "name": "S"},
    "forge.issue": {"title": "A hostile issue", "body": "Text of it", "created_at": "2025-01-01T00:00:00Z",
                    "author": "eve", "labels": ["x"], "files": ["a.py"], "url": "https://h.example/1", "state": "open"},
    "git.removed": {"seqs": [10**15]},
    "session.removed": {"seqs": [10**15]},
}  # fmt: skip
# What stands in place of a whole payload, and cannot be read.
UNREADABLE = ("", "{", "{'a': 1}", "nul", "\0", "\ufeff{}", '{"a": "\x01"}', b"\xff\xfe", b'{"content": "blob"}', 5,
              1.5, "[" * 100_000, "[" * 500 + "]" * 500, '{"files": ' + "[" * 1500 + "]" * 1500 + "}")  # fmt: skip


def dumped(payload: object) -> str:
    """Return JSON of a payload that may hold integers of more digits than Python writes."""
    text = json.dumps(_marked(payload))
    return text.replace('"<many digits>"', "1" + "0" * 5000)


def _marked(value: object) -> object:
    if isinstance(value, int) and value.bit_length() > 1000:
        return "<many digits>"
    if isinstance(value, dict):
        return {key: _marked(entry) for key, entry in value.items()}
    return [_marked(entry) for entry in value] if isinstance(value, list) else value


# Of two rows that tell of the same thing only the later counts: each has an identity of its own.
IDENTITY = {"git.commit": "sha", "code.function": "name", "code.struct": "name", "code.call": "caller"}


def odd_payloads() -> Iterator[RawRow]:
    """Yield readable rows: every key of every kind of event with every odd value, and whole payloads of one."""
    for kind, payload in _changed_payloads():
        source = hashlib.sha256(dumped(payload).encode()).hexdigest()
        identity = IDENTITY.get(kind)
        if isinstance(payload, dict) and identity and payload.get(identity) == SHAPES[kind][identity]:
            payload = {**payload, identity: source}
        yield kind, "2025-01-01T00:00:00+00:00", source, None, dumped(payload)


def _changed_payloads() -> Iterator[tuple[str, object]]:
    for kind, shape in SHAPES.items():
        for value in VALUES:
            yield kind, value
            for key, usual in shape.items():
                yield kind, {**shape, key: value}
                if isinstance(usual, list) and isinstance(usual[0], dict):
                    for part in usual[0]:
                        yield kind, {**shape, key: [{**usual[0], part: value}, *usual[1:]]}


def odd_columns() -> Iterator[RawRow]:
    """Yield readable rows with odd values in the other columns."""
    times = ("2025-13-45T99:99:99Z", "0001-01-01T00:00:00+14:00", "10000-01-01")
    texts = (text for text in TEXTS if text != "\ud800")
    columns: tuple[Any, ...] = (None, 0, -1, 2**62, 1.5, float("inf"), b"", b"\xff\0", *times, *texts)
    for kind, shape in SHAPES.items():
        data = dumped({key: value for key, value in shape.items() if key not in {"sha", "session_id"}})
        for value in columns:
            yield kind, value, "hostile", None, data
            yield kind, "2025-01-01T00:00:00+00:00", value, None, data
            yield kind, "2025-01-01T00:00:00+00:00", "hostile", value, data
    for value in columns:
        yield value, "2025-01-01T00:00:00+00:00", "hostile", None, "{}"


def unreadable_rows() -> Iterator[RawRow]:
    """Yield rows whose payload is no readable JSON."""
    for kind in SHAPES:
        for data in UNREADABLE:
            yield kind, "2025-01-01T00:00:00+00:00", "hostile", None, data


def append_raw(path: Path, rows: Iterable[RawRow]) -> None:
    """Append rows as they are to a table of `without_types`, each with the next seq."""
    query = """INSERT INTO eventlog (seq, event_type, timestamp, source_id, source_file, data)
               SELECT 1 + MAX(seq), ?, ?, ?, ?, ? FROM eventlog"""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(query, rows)


def without_types(path: Path, seq: str = "seq PRIMARY KEY") -> None:
    """Give the table columns without types and constraints: SQLite then stores any value as it is."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"CREATE TABLE loose ({seq}, event_type, timestamp, source_id, source_file, data)")
        connection.execute("INSERT INTO loose SELECT * FROM eventlog")
        connection.execute("DROP TABLE eventlog")
        connection.execute("ALTER TABLE loose RENAME TO eventlog")


def declared_as_usual(path: Path) -> None:
    """Have the schema say of a table of `without_types` what it says of every eventlog; the rows stay as they are."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        usual = EVENTLOG_SQL.partition("CREATE INDEX")[0].strip().rstrip(";")
        usual = usual.replace("IF NOT EXISTS ", "").replace(",\n    CHECK(json_valid(data))", "")
        connection.execute("UPDATE sqlite_master SET sql = ? WHERE name = 'eventlog'", (usual,))
        connection.commit()


def append_odd_seqs(path: Path) -> int:
    """Append rows whose seq is no integer, to a table of `without_types`; return how many."""
    seqs = (None, "7", "x", b"\xff", 1.5, float("inf"))
    rows = [
        (f"{seq}{kind}" if isinstance(seq, str) else seq, kind, "2025", "hostile", None, dumped(shape))
        for kind, shape in SHAPES.items()
        for seq in (seqs if kind == "git.commit" else seqs[:1])
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO eventlog VALUES (?, ?, ?, ?, ?, ?)", rows)
    return len(rows)
