"""Which pieces stand together, and a direction for each: co-occurrence within a text -> PPMI -> truncated SVD.

Sources: Levy, Goldberg and Dagan 2015 (TACL 3) for PPMI and the weighted eigenvalues; Halko, Martinsson and
Tropp 2011 (SIAM Review 53) for the randomised SVD; Mu and Viswanath 2018 (ICLR) for taking away from the component
that all vectors share.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from patina_resources.arrays import Float32, Int64, sorted_unique

# Pieces co-occur within a text; in a long one, within as many consecutive pieces.
WINDOW_PIECES = 128
EIGENVALUE_POWER = 0.25
# The first component points the same way for nearly all pieces, so that unlike texts look alike. It is weakened and
# not left out, because in a corpus of few texts it may be all that one of them has.
FIRST_COMPONENT = 0.25
POWER_ITERATIONS = 2
OVERSAMPLING = 16
# Elements of one block of rows of the co-occurrence matrix (float32: 32 MB), and pairs counted at once.
BLOCK_ELEMENTS = 8_000_000


@dataclass(frozen=True)
class Contexts:
    """Which pieces occur in which context: distinct entries sorted by context, then piece.

    Attributes:
        context: int64 [entries].
        piece: int64 [entries].
        count: Number of contexts.
    """

    context: Int64
    piece: Int64
    count: int


@dataclass(frozen=True)
class _Block:
    """Consecutive rows of a sparse square matrix: flat positions int64 [nnz] and their values float32 [nnz]."""

    first_row: int
    rows: int
    positions: Int64
    values: Float32


def contexts_of(encodings: Iterable[tuple[Int64, Int64]], pieces: int, special: int) -> Contexts:
    """Return which pieces stand together: in a text, or in a window of a long one.

    Args:
        encodings: As `word_pieces.encoded` gives them: ids int64 [tokens] and each text's count of them int64 [texts].
        pieces: Number of different ids.
        special: Ids below it stand for no piece.
    """
    entries: list[Int64] = [np.zeros(0, np.int64)]
    count = 0
    for ids, lengths in encodings:
        within = np.arange(len(ids)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
        windows = -(-lengths // WINDOW_PIECES)
        context = np.repeat(count + np.cumsum(windows) - windows, lengths) + within // WINDOW_PIECES
        known = ids >= special
        entries.append(sorted_unique(context[known] * pieces + ids[known]))
        count += int(windows.sum())
    context, piece = np.divmod(np.concatenate(entries), pieces)
    return Contexts(context, piece, count)


def learn_directions(contexts: Contexts, pieces: int, dims: int, seed: int) -> Float32:
    """Return a unit vector for each piece, float32 [pieces, dims]; zeros where nothing can be learned.

    Args:
        contexts: Which pieces stand together.
        pieces: Number of pieces.
        dims: Length of a vector; few pieces give fewer components, the rest are zeros.
        seed: Of the start of the SVD.
    """
    blocks = list(_ppmi_blocks(contexts, pieces))
    eigenvalues, vectors = _top_eigenvectors(blocks, pieces, min(dims, pieces), seed)
    scales = np.abs(eigenvalues) ** EIGENVALUE_POWER
    scales[0] *= FIRST_COMPONENT
    scaled = vectors * scales
    norms = np.linalg.norm(scaled, axis=1, keepdims=True)
    unit = np.where(norms > np.finfo(np.float32).eps, scaled / np.maximum(norms, 1e-30), 0)
    directions = np.zeros((pieces, dims), np.float32)
    directions[:, : unit.shape[1]] = unit
    directions[~_has_neighbours(blocks, pieces)] = 0
    return directions


def _has_neighbours(blocks: Sequence[_Block], pieces: int) -> NDArray[np.bool_]:
    found = np.zeros(pieces, bool)
    for block in blocks:
        found[block.first_row + block.positions // pieces] = True
    return found


def _ppmi_blocks(contexts: Contexts, pieces: int) -> Iterator[_Block]:
    """Yield the rows of max(0, log(p(i, j) / (p(i) p(j)))) over pairs of different pieces in one context."""
    size = np.bincount(contexts.context, minlength=contexts.count)
    start = np.cumsum(size) - size
    order = np.argsort(contexts.piece, kind="stable")
    context = contexts.context[order]
    frequency = np.bincount(contexts.piece, minlength=pieces)
    entry = np.concatenate(([0], np.cumsum(frequency)))
    pairs = np.concatenate(([0], np.cumsum(size[context])))[entry]
    neighbours = np.diff(pairs) - frequency
    total = float(neighbours.sum())
    for first, last in pairwise(_row_bounds(pairs, pieces)):
        mine = slice(entry[first], entry[last])
        sizes = size[context[mine]]
        row = np.repeat(np.repeat(np.arange(last - first), frequency[first:last]), sizes)
        member = np.arange(len(row)) + np.repeat(start[context[mine]] - (np.cumsum(sizes) - sizes), sizes)
        counts = np.bincount(row * pieces + contexts.piece[member], minlength=(last - first) * pieces)
        counts[np.arange(last - first) * (pieces + 1) + first] = 0
        positions = np.flatnonzero(counts)
        by_chance = neighbours[first + positions // pieces] * (neighbours[positions % pieces] / total)
        values = np.log(counts[positions] / by_chance).astype(np.float32)
        yield _Block(first, last - first, positions[values > 0], values[values > 0])


def _row_bounds(pairs: Int64, pieces: int) -> list[int]:
    """Return where blocks of rows begin and end, such that no block (of two rows or more) is too large."""
    bounds = [0]
    while bounds[-1] < pieces:
        first = bounds[-1]
        by_pairs = int(np.searchsorted(pairs, pairs[first] + BLOCK_ELEMENTS, "right")) - 1
        bounds.append(max(first + 1, min(by_pairs, first + BLOCK_ELEMENTS // pieces, pieces)))
    return bounds


def _multiply(blocks: Sequence[_Block], right: Float32) -> Float32:
    """Return the square sparse matrix times float32 [pieces, k], by dense blocks (BLAS beats gathering here)."""
    pieces = len(right)
    product = np.empty_like(right)
    for block in blocks:
        dense = np.zeros(block.rows * pieces, np.float32)
        dense[block.positions] = block.values
        product[block.first_row : block.first_row + block.rows] = dense.reshape(-1, pieces) @ right
    return product


def _top_eigenvectors(blocks: Sequence[_Block], pieces: int, wanted: int, seed: int) -> tuple[Float32, Float32]:
    """Return eigenvalues [wanted], largest magnitude first, and eigenvectors [pieces, wanted] of a symmetric matrix."""
    columns = min(wanted + OVERSAMPLING, pieces)
    basis = np.random.default_rng(seed).standard_normal((pieces, columns), dtype=np.float32)
    for _ in range(1 + POWER_ITERATIONS):
        basis = np.linalg.qr(_multiply(blocks, basis))[0]
    small = basis.T @ _multiply(blocks, basis)
    eigenvalues, rotation = np.linalg.eigh((small + small.T) / 2)
    largest = np.argsort(-np.abs(eigenvalues), kind="stable")[:wanted]
    return eigenvalues[largest], basis @ rotation[:, largest]
