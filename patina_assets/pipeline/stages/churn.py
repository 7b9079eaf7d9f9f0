"""How an index differs from the one before: which items came and went, and whether those that stayed lie elsewhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.pictures.plane import spaced
from patina_assets.search.index import some_vectors

if TYPE_CHECKING:  # who only looks at what is stale must not wait for it
    from usearch.index import Index

# How many items came and went, and of those that stayed the share that moved, and whose nearest are others now.
CAME, WENT, MOVED, NEIGHBOURS_CHANGED = "came", "went", "moved", "neighbours_changed_at_10"
# The fact that tells of the builds before, and of how many.
CHURN = "churn"
MOST_BUILDS = 20
# So many items that stayed are looked at, evenly spaced: each costs a look into both indexes, the latter two searches.
MOST_LOOKED_AT, MOST_ASKED = 500, 24
NEAREST = 10
# A vector whose cosine with the one before is less has moved.
STAYS_ABOVE = 0.99


def matched(before: Sequence[str], texts: Sequence[str]) -> tuple[dict[int, int], list[int]]:
    """Return the new key of each key whose text stays, and the keys of the texts that come."""
    keys: dict[str, list[int]] = defaultdict(list)
    for key in range(len(before) - 1, -1, -1):
        keys[before[key]].append(key)
    kept: dict[int, int] = {}
    added: list[int] = []
    for key, text in enumerate(texts):
        if keys[text]:
            kept[keys[text].pop()] = key
        else:
            added.append(key)
    return kept, added


@dataclass(frozen=True)
class IndexBefore:
    """What is compared of the index before.

    Attributes:
        came: How many items are new.
        went: How many are gone.
        stayed: New keys of some items that stay.
        vectors: Their vectors as they were, float32 [stayed, dim].
        asked: New keys of some of these.
        nearest: The texts that were nearest to each of the latter.
    """

    came: int
    went: int
    stayed: Sequence[int]
    vectors: NDArray[np.float32]
    asked: Sequence[int]
    nearest: Sequence[frozenset[str]]

    def churn(self, index: "Index", texts: Sequence[str]) -> dict[str, float]:
        """Return the facts that tell how the index differs that there is now.

        Args:
            index: It.
            texts: The text of each of its keys.
        """
        facts: dict[str, float] = {CAME: self.came, WENT: self.went}
        if not self.stayed:
            return facts
        now = some_vectors(index, self.stayed)
        if now.shape == self.vectors.shape:
            lengths = np.linalg.norm(now, axis=1) * np.linalg.norm(self.vectors, axis=1)
            cosines = (now * self.vectors).sum(axis=1) / np.where(lengths > 0, lengths, 1)
            facts[MOVED] = round(float((cosines < STAYS_ABOVE).mean()), 4)
        else:  # of another size: the recipe or the model changed
            facts[MOVED] = 1.0
        pairs = zip(self.nearest, _nearest(index, texts, self.asked), strict=True)
        shares = [len(former - latter) / len(former) for former, latter in pairs if former]
        return facts | ({NEIGHBOURS_CHANGED: round(float(np.mean(shares)), 4)} if shares else {})


def index_before(index: "Index", texts_before: Sequence[str], kept: Mapping[int, int], came: int) -> IndexBefore:
    """Return what an index is compared by, once it has been replaced or changed.

    Args:
        index: The index.
        texts_before: The text of each of its keys.
        kept: From `matched`.
        came: How many items are new.
    """
    stay = sorted(kept)
    keys = [stay[row] for row in spaced(len(stay), MOST_LOOKED_AT).tolist()]
    asked = [keys[row] for row in spaced(len(keys), MOST_ASKED).tolist()]
    return IndexBefore(
        came,
        len(texts_before) - len(kept),
        [kept[key] for key in keys],
        some_vectors(index, keys),
        [kept[key] for key in asked],
        _nearest(index, texts_before, asked),
    )


def _nearest(index: "Index", texts: Sequence[str], keys: Sequence[int]) -> list[frozenset[str]]:
    """Return by key the texts of the nearest ten; equal texts lie in one place and count once."""
    found = []
    for key, vector in zip(keys, some_vectors(index, keys), strict=True):
        near = np.asarray(index.search(vector, NEAREST + 1).keys, np.int64).tolist()
        found.append(frozenset(texts[other] for other in near if other != key) - {texts[key]})
    return found


def churn_after(earlier: Sequence[Mapping[str, float]], facts: Mapping[str, Any]) -> list[Mapping[str, float]]:
    """Return the churn of the builds before and of this one, the oldest first; one that was not compared has none."""
    own = {name: facts[name] for name in (CAME, WENT, MOVED, NEIGHBOURS_CHANGED) if name in facts}
    return [*earlier, *([{"items": facts["items"], **own}] if own else [])][-MOST_BUILDS:]


def churn_rows(builds: Sequence[Mapping[str, float]]) -> list[dict[str, Any]]:
    """Return a row for each build, the newest first, with short names: a page has no room for wide columns."""
    names = {"items": "items", CAME: "new", WENT: "gone", MOVED: "moved", NEIGHBOURS_CHANGED: "others"}
    return [{shown: _share(build.get(name)) for name, shown in names.items()} for build in reversed(builds)]


def _share(value: float | None) -> object:
    return f"{value:.1%}" if isinstance(value, float) else value
