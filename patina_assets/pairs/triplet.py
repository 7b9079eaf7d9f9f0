"""Seeded sampling of triplets (anchor, positive, negative) from contexts."""

import numpy as np

from patina_assets.pairs.relations import RelatedTexts, Relations
from patina_resources.arrays import Int32

# A negative is redrawn this often before its pair is given up: in a tiny project everything may be related.
NEGATIVE_ATTEMPTS = 30


def sample_triplets(relations: Relations, related: RelatedTexts, count: int, seed: int) -> Int32:
    """Return int32 [at most count, 3]: rows of anchor, positive and negative texts.

    Anchors are drawn evenly over all texts that have a context, then one of the anchor's contexts, then another
    member of it: so neither a huge commit nor a function that everybody calls drowns the rest. Negatives are
    drawn evenly over the same texts, are never related to the anchor and share no `apart` key with it.

    Args:
        relations: Contexts to draw anchors and positives from.
        related: Pairs that may not become negatives.
        count: Number of triplets.
        seed: Same seed and contexts, same triplets.
    """
    sizes = np.diff(relations.offsets)
    if not sizes.size:
        return np.zeros((0, 3), np.int32)
    random = np.random.default_rng(seed)
    rows = relations.member_rows()
    # Occurrences of texts in contexts, grouped by text: where text t stands, and in which context.
    order = np.argsort(relations.members, kind="stable")
    context_of = np.repeat(np.arange(sizes.size), sizes)
    first = np.searchsorted(relations.members[order], rows)
    occurrences = np.diff(np.append(first, order.size))

    chosen = random.integers(0, rows.size, count)
    place = order[first[chosen] + random.integers(0, occurrences[chosen])]
    context = context_of[place]
    within = place - relations.offsets[context]
    shift = random.integers(1, sizes[context])
    partner = relations.offsets[context] + (within + shift) % sizes[context]

    anchors, positives = rows[chosen], relations.members[partner]
    negatives = rows[random.integers(0, rows.size, count)]
    for _ in range(NEGATIVE_ATTEMPTS):
        wrong = (negatives == anchors) | related.never_negative(anchors, negatives)
        if not wrong.any():
            break
        negatives[wrong] = rows[random.integers(0, rows.size, int(wrong.sum()))]
    wrong = (negatives == anchors) | related.never_negative(anchors, negatives)
    triplets: Int32 = np.column_stack([anchors, positives, negatives])[~wrong].astype(np.int32)
    return triplets
