"""What a heading is, in any markup."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Heading:
    """A heading.

    Attributes:
        level: 1 for the outermost.
        title: What it says, as it is written.
        start: Its first line, from 0.
        end: The line after its last.
    """

    level: int
    title: str
    start: int
    end: int
