"""Eventlogs of any size for benchmarks: the real one where it is at hand, else a generated one, thinned or multiplied.

A copy of a project is another project: its paths, functions, sessions, commits and authors have names of their own,
its commits are of a later time, and each text is half of one original and half of another of its kind, so that words
keep their natural frequencies and texts do not repeat.
"""

import hashlib
import json
import lzma
import sqlite3
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "support"))

from eventlog_builder import build_eventlog, project_history

from patina_resources.eventlog.schema import EVENTLOG_SQL

Fields = dict[str, Any]
# Where a checkout of this repository may have real eventlogs (`eventlog-*.db`, or the same as .xz) beside it.
REAL_EVENTLOGS = Path(__file__).resolve().parents[2] / "shared" / "data"
# Characters of Unicode's private use area stand for what differs from copy to copy.
PLACE, NAME, SHA, SESSION, HEAD = (chr(0xE001 + number) for number in range(5))
BETWEEN_COPIES = timedelta(days=150)
SHA_DIGITS = 5
AUTHORS = 5
Row = tuple[str, str, str, str | None, str]


@dataclass(frozen=True)
class Template:
    """An event with marks for what differs from copy to copy.

    Attributes:
        kind: Its type.
        owner: The commit, session or file that it belongs to.
        time: When it happened.
        source_id: With marks.
        source_file: With marks.
        data: JSON with marks.
        head: First half of its text, as JSON.
        tail: Second half of its text, as JSON.
    """

    kind: str
    owner: str
    time: datetime
    source_id: str
    source_file: str | None
    data: str
    head: str = ""
    tail: str = ""


def original(scratch: Path, folder: Path | None = None) -> tuple[Path, str]:
    """Return the eventlog that others are made from, and what it is; unpacked or generated into `scratch`.

    Args:
        scratch: Where to put it.
        folder: Where real eventlogs are; None for `../shared/data`. The one that is last by name is taken.
    """
    folder = folder or REAL_EVENTLOGS
    scratch.mkdir(parents=True, exist_ok=True)
    found = sorted(folder.glob("eventlog-*.db")) or sorted(folder.glob("eventlog-*.db.xz"))
    if not found:
        path = scratch / "generated.db"
        if not path.is_file():
            build_eventlog(path, project_history())
        return path, "a generated eventlog"
    if found[-1].suffix == ".db":
        return found[-1], f"the real eventlog {found[-1].name}"
    path = scratch / found[-1].stem
    if not path.is_file():
        path.write_bytes(lzma.decompress(found[-1].read_bytes()))
    return path, f"the real eventlog {path.name}"


def scaled(origin: Path, target: Path, events: int) -> int:
    """Write an eventlog of about `events` events to `target`, in the original's proportions; return how many.

    Args:
        origin: The eventlog to make it from.
        target: A new file.
        events: How many.
    """
    templates = list(_templates(origin))
    copies, rest = divmod(events, len(templates))
    temporary = target.with_suffix(".tmp")
    temporary.unlink(missing_ok=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(temporary)) as connection:
        connection.executescript("PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -200000")
        table, indexes = EVENTLOG_SQL.split(";", 1)
        connection.execute(table)
        for number in range(copies):
            _insert(connection, copied(templates, number))
        thinned = [entry for entry in templates if _share(entry.owner) < rest / len(templates)]
        _insert(connection, copied(thinned, copies))
        connection.executescript(indexes)
        count = int(connection.execute("SELECT COUNT(*) FROM eventlog").fetchone()[0])
        connection.commit()
    temporary.replace(target)
    return count


def append_copy(origin: Path, target: Path, number: int, events: int) -> int:
    """Append at most `events` events of another copy, numbered `number`, to an eventlog; return how many."""
    templates = list(_templates(origin))
    sizes = Counter(entry.owner for entry in templates)
    left, owners = events, set()
    for owner in sorted(sizes, key=_share):
        if sizes[owner] <= left:
            owners.add(owner)
            left -= sizes[owner]
    chosen = [entry for entry in templates if entry.owner in owners]
    with closing(sqlite3.connect(target)) as connection, connection:
        _insert(connection, copied(chosen, number))
    return len(chosen)


def texts_of(origin: Path, count: int) -> list[str]:
    """Return `count` different texts of an eventlog: its notes and messages, then mixtures of them."""
    templates = [entry for entry in _templates(origin) if entry.head]
    texts: dict[str, None] = {}
    number = 0
    while len(texts) < count:
        for place, entry in enumerate(templates):
            text = json.loads(f'"{_text(templates, place, entry, number)}"').strip()
            if len(text) > 20:
                texts[text] = None
        number += 1
    return list(texts)[:count]


def copied(templates: Sequence[Template], number: int) -> Iterator[Row]:
    """Yield the events of a copy; that numbered 0 has the original's names and texts."""
    marks = {
        ord(PLACE): f"part{number:03}/" if number else "",
        ord(NAME): f"_{number}" if number else "",
        ord(SHA): f"{number:0{SHA_DIGITS}x}",
        ord(SESSION): f"-{number}" if number else "",
    }
    later = number * BETWEEN_COPIES
    of_kind: dict[str, list[Template]] = defaultdict(list)
    for entry in templates:
        of_kind[entry.kind].append(entry)
    places: dict[str, int] = defaultdict(int)
    for entry in templates:
        data = entry.data.translate(marks)
        if entry.head:
            place = places[entry.kind]
            places[entry.kind] += 1
            data = data.replace(HEAD, _text(of_kind[entry.kind], place, entry, number))
        file = entry.source_file.translate(marks) if entry.source_file is not None else None
        yield entry.kind, (entry.time + later).isoformat(), entry.source_id.translate(marks), file, data


def _text(same_kind: Sequence[Template], place: int, entry: Template, number: int) -> str:
    """Return the text of a copy as JSON: the event's first half, and the second half of another event of its kind."""
    other = same_kind[(place + 7919 * number) % len(same_kind)]
    return entry.head + other.tail


def _insert(connection: sqlite3.Connection, rows: Iterable[Row]) -> None:
    query = "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, ?, ?, ?, ?)"
    connection.executemany(query, rows)


def _templates(origin: Path) -> Iterator[Template]:
    with closing(sqlite3.connect(f"{origin.absolute().as_uri()}?mode=ro", uri=True)) as connection:
        rows = connection.execute(
            "SELECT event_type, timestamp, source_id, source_file, data FROM eventlog "
            "WHERE event_type NOT LIKE '%.removed' ORDER BY seq"
        ).fetchall()
    defined = {json.loads(row[4]).get("name") for row in rows if row[0] == "code.function"}
    moment = datetime(2025, 1, 1, tzinfo=UTC)
    for kind, time, source_id, source_file, data in rows:
        fields = json.loads(data)
        with suppress(ValueError):  # a few real ones are no times: they happened when the event before them did
            moment = datetime.fromisoformat(time)
        if kind == "git.commit":
            yield _commit(kind, moment, source_id, fields)
        elif kind.startswith("session."):
            yield _note(kind, moment, source_id, source_file, fields)
        else:
            yield _code(kind, moment, source_id, source_file, fields, defined)


def _commit(kind: str, time: datetime, source_id: str, fields: Fields) -> Template:
    sha = SHA + source_id[SHA_DIGITS:]
    for change in fields["files"]:
        change["path"] = PLACE + change["path"]
    head, tail = _halves(fields["message"])
    # The real project has one dominant author, so that nothing tells authors apart: here folders have theirs.
    folder = str(Path(fields["files"][0]["path"]).parent) if fields["files"] else ""
    author = f"author-{int(_share(folder) * AUTHORS)}{NAME}@users.example"
    fields |= {"sha": sha, "message": HEAD, "author_email": author}
    return Template(kind, source_id, time, sha, None, _json(fields), head, tail)


def _note(kind: str, time: datetime, source_id: str, source_file: str | None, fields: Fields) -> Template:
    session = source_id + SESSION
    head = tail = ""
    if "session_id" in fields:
        fields["session_id"] = session
    if isinstance(fields.get("content"), str):
        head, tail = _halves(fields["content"])
        fields["content"] = HEAD
    return Template(kind, source_id, time, session, _placed(source_file), _json(fields), head, tail)


def _code(
    kind: str, time: datetime, source_id: str, source_file: str | None, fields: Fields, defined: set[str]
) -> Template:
    for key in ("file", "path"):
        if isinstance(fields.get(key), str):
            fields[key] = _placed(fields[key])
    for key in ("name", "caller", "callee"):
        name = fields.get(key)
        if isinstance(name, str) and (key == "caller" or name.replace("::", ".").rsplit(".", 1)[-1] in defined):
            fields[key] = name + NAME
    source = _placed(source_id) or ""
    if kind == "code.function" and source_id.endswith(str(fields["name"]).removesuffix(NAME)):
        source += NAME
    return Template(kind, str(source_file), time, source, _placed(source_file), _json(fields))


def _placed(path: str | None) -> str | None:
    return None if path is None else PLACE + path.removeprefix("./")


def _halves(text: str) -> tuple[str, str]:
    words = text.split(" ")
    middle = (len(words) + 1) // 2
    head, tail = " ".join(words[:middle]), " ".join(["", *words[middle:]])
    return _json(head)[1:-1], _json(tail)[1:-1]


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


def _share(owner: str) -> float:
    """Return a number in 0..1 that depends on the owner alone."""
    return int.from_bytes(hashlib.sha256(owner.encode()).digest()[:8], "big") / 2**64
