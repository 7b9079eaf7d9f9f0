"""Brings the eventlog's facts about a file in line with what the file says now: appends and takes back, no more.

A fact that still holds keeps its event, so its seq stays. Used for the files of every scraper.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from patina_resources.eventlog.writer import Event, EventlogWriter, LiveEvent
from patina_resources.materialize.report import ScraperReport


@dataclass
class EventCounts:
    """Events appended and taken back, by event type."""

    new: Counter[str] = field(default_factory=Counter)
    retracted: Counter[str] = field(default_factory=Counter)


def whole_fact(event: Event | LiveEvent) -> Hashable:
    """Return what tells events apart: everything but when they were written."""
    return event.fact


@dataclass(frozen=True)
class Reconciler:
    """Compares files with their live events.

    Attributes:
        writer: The eventlog, in a transaction.
        kind: `session` or `code`.
        now: The time of the checked-out commit (ISO 8601), which is the time of retractions.
        identity: What two events share that say the same.
        changes: Counts what was done.
    """

    writer: EventlogWriter
    kind: str
    now: str
    identity: Callable[[Event | LiveEvent], Hashable] = whole_fact
    changes: EventCounts = field(default_factory=EventCounts)

    def update(self, file: str, events: Iterable[Event], owned: Collection[str]) -> None:
        """Take back what `file` no longer says and append what it newly says.

        Args:
            file: The file's source_file.
            events: All that the file says now.
            owned: The event types that this scraper writes; others are left alone.
        """
        held: dict[Hashable, list[LiveEvent]] = defaultdict(list)
        for known in reversed(self.writer.live_events(self.kind, file)):
            if known.event_type in owned:
                held[self.identity(known)].append(known)
        fresh = []
        for event in events:
            if held and (same := held.get(self.identity(event))):
                same.pop()
            else:
                fresh.append(event)
        self._take_back(file, [event for left in held.values() for event in left])
        self.writer.append(fresh)
        self.changes.new.update(event.event_type for event in fresh)

    def remove(self, file: str) -> None:
        """Take back everything about a file that is gone."""
        self._take_back(file, self.writer.live_events(self.kind, file))

    def report(self, scraper: str, before: Mapping[str, int], skipped: Sequence[str]) -> ScraperReport:
        """Return what was done, given the number of live events of each type before."""
        taken_back = self.changes.retracted
        known = {kind: left for kind, count in before.items() if (left := count - taken_back[kind])}
        return ScraperReport(scraper, dict(self.changes.new), known, dict(taken_back), tuple(skipped))

    def _take_back(self, file: str, events: Sequence[LiveEvent]) -> None:
        if events:
            seqs = [event.seq for event in events]
            self.writer.retract(f"{self.kind}.removed", self.now, file, {"file": file}, seqs)
            self.changes.retracted.update(event.event_type for event in events)
