"""An index that is extended by what changed, where few vectors did: to build it is most of its cost."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.pictures.plane import Plane, extended_plane, plane_of
from patina_assets.pipeline.stages.churn import index_before, matched
from patina_assets.search.index import extend_index, index_vectors, kept_vectors, load_index, recall_at_10
from patina_resources.store.manifests import EXTENDED

if TYPE_CHECKING:  # who only looks at what is stale must not wait for it
    from usearch.index import Index

# Measured: 20 rounds of 5 % churn took recall@10 from .998 to .989. An index that lost or got more than this is built.
MOST_CHURN = 0.2
LEAST_ITEMS = 200
MOST_RECALL_LOST = 0.01
# The recall of the index when it was last built as a whole.
BUILT_RECALL = "built_recall_at_10"
# So few vectors cannot take as much recall away as would matter: it is not measured for them alone.
MOST_UNMEASURED = 0.005
# How many vectors had come and gone since the index was built as a whole when its recall was last measured.
MEASURED = "extended_at_measure"


@dataclass(frozen=True)
class Extension:
    """An extended index.

    Attributes:
        content: The serialised index.
        index: It, opened.
        kept: The new key of each key that stays.
        facts: Its recall@10 as last measured, that when it was built as a whole, how many vectors came or went since
            then, and the churn of this build.
    """

    content: bytes
    index: "Index"
    kept: Mapping[int, int]
    facts: Mapping[str, Any]

    def plane(self, before: Plane | None) -> Plane:
        """Return the plane of its vectors.

        Args:
            before: That of the index before; None for none.
        """
        if before is None or len(before.mean) != self.index.ndim:
            return plane_of(kept_vectors(self.index, range(len(self.index))))
        return extended_plane(before, self.kept, len(self.index), lambda rows: kept_vectors(self.index, rows.tolist()))


def extended_index(
    content: bytes,
    facts: Mapping[str, Any],
    texts_before: Sequence[str],
    texts: Sequence[str],
    vectors_of: Callable[[Sequence[int]], NDArray[np.float32]],
) -> Extension | None:
    """Return an index over other texts; None where it is to be built as a whole.

    Args:
        content: The verified index that there is.
        facts: Of that.
        texts_before: The text of each of its keys.
        texts: The text of each key that is wanted. An equal text has an equal vector.
        vectors_of: Returns float32 [keys, dim] for some of these keys.
    """
    kept, added = matched(texts_before, texts)
    churn = int(facts.get(EXTENDED, 0)) + len(texts_before) - len(kept) + len(added)
    if len(texts) < LEAST_ITEMS or churn > MOST_CHURN * len(texts):
        return None
    index = load_index(content, "the index")
    new = vectors_of(added) if added else np.zeros((0, index.ndim), np.float32)
    before = index_before(index, texts_before, kept, len(added))
    made = extend_index(index, kept, added, new)
    measured = int(facts.get(MEASURED, 0))
    recall = float(facts["recall_at_10"])
    if churn - measured > MOST_UNMEASURED * len(texts):
        measured, recall = churn, recall_at_10(load_index(made, "the extended index"), index_vectors(index, len(texts)))
    built_recall = float(facts.get(BUILT_RECALL, facts["recall_at_10"]))
    if recall < built_recall - MOST_RECALL_LOST:
        return None
    counted = {EXTENDED: churn, MEASURED: measured, **before.churn(index, texts)}
    return Extension(made, index, kept, {"recall_at_10": round(recall, 4), BUILT_RECALL: built_recall, **counted})
