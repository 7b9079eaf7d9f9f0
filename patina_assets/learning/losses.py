"""Contrastive losses over a matrix of cosines, each with its gradient."""

import numpy as np

from patina_resources.arrays import Floats, Integers, Mask


def infonce(cosines: Floats, positive_columns: Integers, excluded: Mask, temperature: float) -> tuple[Floats, Floats]:
    """Return InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) of each row, and its gradient in `cosines`."""
    rows = np.arange(len(cosines))
    logits = cosines / temperature
    logits[excluded] = -np.inf
    logits -= logits.max(axis=1, keepdims=True)
    likelihoods = np.exp(logits)
    totals = likelihoods.sum(axis=1)
    losses = np.log(totals) - logits[rows, positive_columns]
    slopes = likelihoods / totals[:, None]
    slopes[rows, positive_columns] -= 1
    slopes /= temperature
    return losses, slopes


def hinge(
    cosines: Floats, positive_columns: Integers, negative_columns: Integers, excluded: Mask, margin: float
) -> tuple[Floats, Floats]:
    """Return the triplet loss (Schroff et al. 2015, arXiv:1503.03832) of each row, and its gradient in `cosines`.

    An excluded negative costs nothing.
    """
    rows = np.arange(len(cosines))
    losses = margin - cosines[rows, positive_columns] + cosines[rows, negative_columns]
    active = (losses > 0) & ~excluded[rows, negative_columns]
    slopes = np.zeros_like(cosines)
    slopes[rows, positive_columns] -= active
    slopes[rows, negative_columns] += active
    return losses * active, slopes
