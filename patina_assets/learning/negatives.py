"""Negatives that are hard to tell from positives: texts that are near to the anchor and do not belong to it."""

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.relations import RelatedTexts, evenly
from patina_resources.arrays import Int32, sorted_unique

# Each negative is one of so many: the very nearest may belong to the anchor without anybody having noted it.
NEAREST = 20
# Of more texts so many are looked at, evenly spread, so that the work does not grow with the project.
MOST_CANDIDATES = 4096
ANCHORS_AT_ONCE = 1024


def near_negatives(vectors: NDArray[np.float32], triplets: Int32, related: RelatedTexts, seed: int) -> Int32:
    """Return the triplets, int32 [m, 3], with negatives from the anchor's nearest unrelated texts in the base model.

    Each is drawn evenly from the NEAREST of the texts that the triplets name, by cosine. Anchors to which all of
    them are related keep the negatives they have. Nearest unrelated texts as negatives: Xiong et al. 2021 (ICLR, ANCE),
    here found once, with the base model.

    Args:
        vectors: float32 [texts, dim], rows of unit length or all zero; the latter become no one's negative.
        triplets: int32 [m, 3]: rows of anchor, positive and negative.
        related: What may not become a negative.
        seed: Same seed, vectors and triplets, same negatives.
    """
    named = sorted_unique(triplets)
    candidates = evenly(named[vectors[named].any(axis=1)], MOST_CANDIDATES)
    anchors, place = np.unique(triplets[:, 0], return_inverse=True)
    draws = np.random.default_rng(seed).random(len(triplets))
    negatives = triplets[:, 2].copy()
    for start in range(0, len(anchors) if candidates.size else 0, ANCHORS_AT_ONCE):
        nearest, counts = _nearest_unrelated(vectors, anchors[start : start + ANCHORS_AT_ONCE], candidates, related)
        mine = np.flatnonzero((place >= start) & (place < start + len(nearest)))
        mine = mine[counts[place[mine] - start] > 0]
        row = place[mine] - start
        negatives[mine] = nearest[row, (draws[mine] * counts[row]).astype(np.int64)]
    return np.column_stack([triplets[:, :2], negatives]).astype(np.int32)


def _nearest_unrelated(
    vectors: NDArray[np.float32], anchors: Int32, candidates: Int32, related: RelatedTexts
) -> tuple[Int32, NDArray[np.int64]]:
    """Return, nearest first, int32 [anchors, at most NEAREST] rows, and int64 [anchors]: how many of these count."""
    cosines = vectors[anchors] @ vectors[candidates].T
    cosines[related.never_negative_mask(anchors, candidates) | (anchors[:, None] == candidates)] = -np.inf
    most = min(NEAREST, len(candidates))
    columns = np.argpartition(-cosines, most - 1, axis=1)[:, :most]
    found = np.take_along_axis(cosines, columns, axis=1)
    columns = np.take_along_axis(columns, np.argsort(-found, axis=1, kind="stable"), axis=1)
    return candidates[columns], np.isfinite(found).sum(axis=1)
