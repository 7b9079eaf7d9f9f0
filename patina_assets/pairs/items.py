"""What search can return, and what belongs together: items and contexts."""

import hashlib
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from patina_assets.pairs.splits import Split

# Of a longer text (a log pasted into a note) no model reads more, and every triplet that it is in repeats it.
MAX_TEXT_CHARACTERS = 20_000
HASH_BITS = 256


@dataclass(frozen=True, order=True)
class Item:
    """One thing that search can return.

    Attributes:
        kind: decision, pattern, goal, work, context, observation, file, function, commit, state.
        text: What is embedded and shown, cut to MAX_TEXT_CHARACTERS.
        file: Path in the repository, or None.
        session: Session id, or None.
        commit: Commit sha, or None.
        line: Its first line in `file`, from 1; None where it has no place of its own there.
        state: Why it ranks below others, such as `superseded` or `removed`; None for what holds today.
        identity: What it is while its text changes, such as the path of a file; None where its text is what it is. It
            is not kept in files: who counts relations by it does so where items are derived.
    """

    kind: str
    text: str
    file: str | None = None
    session: str | None = None
    commit: str | None = None
    line: int | None = None
    state: str | None = None
    identity: str | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if len(self.text) > MAX_TEXT_CHARACTERS:
            object.__setattr__(self, "text", self.text[:MAX_TEXT_CHARACTERS])

    def order(self) -> tuple[str, ...]:
        """Return the sort key: content only, so that neither the order of events nor a moved line matters."""
        return (self.kind, self.file or "", self.session or "", self.commit or "", self.text)


@dataclass(frozen=True)
class Context:
    """Items that belong together: a session's notes, a commit's files, a caller and its callee.

    Attributes:
        members: The items.
        split: The part of the data that the context belongs to.
    """

    members: tuple[Item, ...]
    split: Split


def dealt(
    items: Iterable[Item], most: int = 32, name: Callable[[Item], str] = lambda item: item.text
) -> list[tuple[Item, ...]]:
    """Return items in groups of at most `most`, mixed by a hash: a large context in linear parts.

    The items of a group are those whose hashes begin alike, so that an item that comes or goes changes its own group
    and no other.

    Args:
        items: The items.
        most: No group is larger.
        name: Returns what of an item is hashed.
    """
    hashed = {item: hashlib.sha256(name(item).encode("utf-8", "replace")).digest() for item in items}
    mixed = sorted(hashed, key=lambda item: (hashed[item], item.order()))
    return list(_halved([(int.from_bytes(hashed[item], "big"), item) for item in mixed], most, HASH_BITS - 1))


def _halved(hashed: Sequence[tuple[int, Item]], most: int, bit: int) -> Iterator[tuple[Item, ...]]:
    """Yield sorted items whose hashes agree before a bit (0 is the last), in groups that agree further if need be."""
    if len(hashed) <= most or bit < 0:
        for start in range(0, len(hashed), most):
            yield tuple(item for _, item in hashed[start : start + most])
    else:
        middle = bisect_left(hashed, 1, key=lambda entry: entry[0] >> bit & 1)
        yield from _halved(hashed[:middle], most, bit - 1)
        yield from _halved(hashed[middle:], most, bit - 1)
