"""What a scraper tells about its run, and how it shows progress."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

# A type is a `code.type` event. Most have one more, of the name that every Patina tool knows.
KINDS_OF_TYPES = ("code.struct", "code.enum", "code.class", "code.trait", "code.interface")
# The events of a source file, in the order in which they are told.
TYPES_OF_FACTS = ("code.function", *KINDS_OF_TYPES, "code.type", "code.import", "code.call")

# Called with what is being done, how much of it is done, and the total where it is known.
TellProgress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class ScraperReport:
    """What one scraper did.

    Attributes:
        scraper: `git`, `sessions`, `docs`, `code` or `forge`.
        new: Events appended, by event type.
        known: Events that were there before and still hold, by event type.
        retracted: Events taken back, by event type.
        skipped: One sentence for everything that was left out: `path: reason`.
        failed: Whether nothing of what was to be read could be read, for the reason in `skipped`.
    """

    scraper: str
    new: Mapping[str, int] = field(default_factory=dict)
    known: Mapping[str, int] = field(default_factory=dict)
    retracted: Mapping[str, int] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()
    failed: bool = False


def joint_report(first: ScraperReport, second: ScraperReport) -> ScraperReport:
    """Return what a scraper did in two steps that write different types of events."""
    return ScraperReport(
        first.scraper,
        {**first.new, **second.new},
        {**first.known, **second.known},
        {**first.retracted, **second.retracted},
        (*first.skipped, *second.skipped),
    )


def no_progress(doing: str, done: int, total: int | None) -> None:
    """Show nothing."""
