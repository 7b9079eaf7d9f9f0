"""Contrastive losses over a matrix of cosines, each with its gradient."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.floating[Any]]
Integers = NDArray[np.integer[Any]]
Mask = NDArray[np.bool_]


def infonce(cosines: Floats, positive_columns: Integers, excluded: Mask, temperature: float) -> tuple[float, Floats]:
    """Return InfoNCE (van den Oord et al. 2018, arXiv:1807.03748) and its gradient in `cosines`."""
    triplets = np.arange(len(cosines))
    logits = cosines / temperature
    logits[excluded] = -np.inf
    logits -= logits.max(axis=1, keepdims=True)
    likelihoods = np.exp(logits)
    totals = likelihoods.sum(axis=1)
    losses = np.log(totals) - logits[triplets, positive_columns]
    slopes = likelihoods / totals[:, None]
    slopes[triplets, positive_columns] -= 1
    slopes /= len(cosines) * temperature
    return float(losses.mean()), slopes


def hinge(
    cosines: Floats, positive_columns: Integers, negative_columns: Integers, excluded: Mask, margin: float
) -> tuple[float, Floats]:
    """Return the triplet loss (Schroff et al. 2015, arXiv:1503.03832) and its gradient in `cosines`.

    An excluded negative costs nothing.
    """
    triplets = np.arange(len(cosines))
    losses = margin - cosines[triplets, positive_columns] + cosines[triplets, negative_columns]
    active = (losses > 0) & ~excluded[triplets, negative_columns]
    slopes = np.zeros_like(cosines)
    slopes[triplets, positive_columns] -= active / len(cosines)
    slopes[triplets, negative_columns] += active / len(cosines)
    return float(losses[active].sum() / len(cosines)), slopes
