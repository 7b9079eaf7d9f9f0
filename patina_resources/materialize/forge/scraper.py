"""Issues, pull requests and comments out of files that a forge's tools wrote -> `forge.*` events.

Nothing is fetched. A file that is not given again takes nothing back: it may be an excerpt. What a file says anew of
an issue supersedes what was known: the older event is taken back by `forge.removed`. What a file does not tell, such
as the text where only titles were asked for, stays as it was. Payload, as far as it is told:

    number, title, body, state, author, url, created_at, closed_at, labels
    merged_at, merge_commit, files      of a pull request
    body, author, url, created_at       of a comment, whose source_id begins with that of what it is about

`source_id` is `github.com/owner/name#12`; without an address it is that of the only repository that is known, or `#12`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError
from patina_resources.eventlog.payloads import parsed
from patina_resources.eventlog.writer import Event, EventlogWriter, payload
from patina_resources.materialize.forge.records import MOST_BODY, ForgeRecord, records_of
from patina_resources.materialize.forge.values import WrongValueError, read_entries
from patina_resources.materialize.git.times import NO_TIME
from patina_resources.materialize.report import ScraperReport, TellProgress

SCRAPER = "forge"
KIND = "forge"
REMOVED = "forge.removed"
KNOWN_SQL = """
SELECT seq, event_type, source_id, data FROM live
WHERE event_type IN ('forge.issue', 'forge.pr', 'forge.comment') ORDER BY seq
"""
PROGRESS_EVERY = 500


@dataclass
class _KnownThing:
    """What the eventlog says of one thing.

    Attributes:
        seqs: The live events that say so.
        event_type: Type of the last of them.
        fields: Its payload.
    """

    event_type: str
    fields: dict[str, Any]
    seqs: list[int] = field(default_factory=list)


@dataclass(frozen=True)
class ForgeFiles:
    """What files say, and one sentence for everything in them that is left out."""

    records: Sequence[ForgeRecord]
    skipped: Sequence[str]


def read_forge(files: Sequence[Path], progress: TellProgress) -> ForgeFiles:
    """Return what files say.

    Args:
        files: JSON files; `-` is standard input.
        progress: Told of every few objects.

    Raises:
        PatinaError: A file cannot be read, or something in it is not as expected.
    """
    records: list[ForgeRecord] = []
    skipped: list[str] = []
    for done, entry in enumerate(entry for path in files for entry in read_entries(path)):
        if done % PROGRESS_EVERY == 0:
            progress(SCRAPER, done, None)
        try:
            found = list(records_of(entry.fields))
        except WrongValueError as error:
            raise PatinaError(f"{entry.place}: {error}") from error
        records += found
        skipped += [
            f"{entry.place}: {record.name}: its text after {MOST_BODY} characters" for record in found if record.cut
        ]
    return ForgeFiles(records, skipped)


def scrape_forge(files: ForgeFiles, writer: EventlogWriter) -> ScraperReport:
    """Append what files say that the eventlog does not say yet, in one transaction."""
    with writer.transaction():
        before = writer.live_counts(KIND)
        known = _known(writer)
        told, renamed = _told(files.records, known)
        new = [event for name, found in told.items() if (event := _event(name, found, known.get(name)))]
        superseded = [known[name] for name in {*(event.source_id for event in new), *renamed} if name in known]
        writer.append(new)
        if superseded:
            newest = max((event.timestamp for event in new), default=NO_TIME)
            writer.retract(REMOVED, newest, SCRAPER, {}, [seq for found in superseded for seq in found.seqs])
    retracted = Counter(found.event_type for found in superseded for _ in found.seqs)
    kept = {kind: left for kind, count in before.items() if (left := count - retracted[kind])}
    appended = dict(Counter(event.event_type for event in new))
    return ScraperReport(SCRAPER, appended, kept, dict(retracted), tuple(files.skipped))


def _known(writer: EventlogWriter) -> dict[str, _KnownThing]:
    """Return what the eventlog says now, by source_id."""
    found: dict[str, _KnownThing] = {}
    for seq, event_type, source_id, data in writer.read(KNOWN_SQL):
        fields, name = parsed(data), str(source_id)
        seqs = [*(found[name].seqs if name in found else []), seq]
        found[name] = _KnownThing(event_type, fields if isinstance(fields, dict) else {}, seqs)
    return found


def _told(records: Sequence[ForgeRecord], known: Mapping[str, _KnownThing]) -> tuple[dict[str, _KnownThing], set[str]]:
    """Return what the records say together with what was known before, by source_id, in the order of the files.

    Where only one repository is known, what is told without one belongs to it: so does what was told before. The
    source_ids of that are returned, too: others take their place.
    """
    places = {name.removesuffix(_bare(name)) for name in known} | {record.place for record in records}
    named = places - {""}
    only = next(iter(named)) if len(named) == 1 else ""
    renamed = {name for name in known if only and name == _bare(name)}
    told = {
        only + name: _KnownThing(known[name].event_type, known[name].fields)
        for name in sorted(renamed)
        if only + name not in known
    }
    for record in records:
        name = (record.place or only) + record.name
        before = told.get(name) or known.get(name)
        fields = {**(before.fields if before else {}), **record.fields}
        kept = {key: value for key, value in fields.items() if value is not None}
        told[name] = _KnownThing(f"forge.{record.kind}", kept)
    return told, renamed


def _bare(name: str) -> str:
    """Return a source_id without host and repository."""
    thread, space, comment = name.partition(" ")
    return thread[max(thread.rfind("#"), thread.rfind("!")) :] + space + comment


def _event(name: str, found: _KnownThing, before: _KnownThing | None) -> Event | None:
    """Return the event of what was found; None where the eventlog says the same."""
    data = payload(found.fields)
    if before and before.event_type == found.event_type and payload(before.fields) == data and len(before.seqs) == 1:
        return None
    time = found.fields.get("created_at")
    return Event(found.event_type, time if isinstance(time, str) else NO_TIME, name, None, data)
