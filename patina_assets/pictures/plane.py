"""The plane of a map: where the vectors of an index lie in the plane in which they vary most. Made when it is built."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load, save

# Beyond these a map shows nothing more, and a page becomes slow.
MAP_ITEMS = 20_000
# So many vectors tell in which plane all of them vary most.
FIT_ROWS = 4_096


@dataclass(frozen=True)
class Plane:
    """A plane, and where some vectors lie in it.

    Attributes:
        rows: Which vectors, int64 [m]: all, or evenly spaced ones.
        points: Their places, float32 [m, 2].
        mean: What the plane goes through, float32 [dim].
        axes: Its directions, float32 [dim, 2].
    """

    rows: NDArray[np.int64]
    points: NDArray[np.float32]
    mean: NDArray[np.float32]
    axes: NDArray[np.float32]


def plane_of(vectors: NDArray[np.floating], most: int = MAP_ITEMS) -> Plane:
    """Return the plane in which vectors vary most (PCA), with the places of at most `most` of them.

    Args:
        vectors: float32 or float16 [n, dim].
        most: How many places are wanted.
    """
    rows = spaced(len(vectors), most)
    shown = vectors if len(rows) == len(vectors) else vectors[rows]
    mean, axes = _fitted(shown[spaced(len(shown), FIT_ROWS)].astype(np.float32))
    return Plane(rows, ((shown - mean) @ axes).astype(np.float32), mean, axes)


def extended_plane(
    before: Plane,
    kept: Mapping[int, int],
    count: int,
    vectors_of: Callable[[NDArray[np.int64]], NDArray[np.floating]],
    most: int = MAP_ITEMS,
) -> Plane:
    """Return the plane of vectors most of which lie where they lay. Its directions are kept: a map does not turn.

    Args:
        before: The plane before.
        kept: The new row of each row that stays.
        count: How many vectors there are now.
        vectors_of: Returns float32 or float16 [rows, dim] for some of them.
        most: How many places are wanted.
    """
    rows = spaced(count, most)
    row_before = np.full(count, -1, np.int64)
    row_before[list(kept.values())] = list(kept)
    wanted = row_before[rows]
    place = np.searchsorted(before.rows, wanted)
    place[place == len(before.rows)] = 0
    known = before.rows[place] == wanted if len(before.rows) else np.zeros(len(rows), np.bool_)
    points = np.empty((len(rows), 2), np.float32)
    points[known] = before.points[place[known]]
    points[~known] = (vectors_of(rows[~known]) - before.mean) @ before.axes
    return Plane(rows, points, before.mean, before.axes)


def spaced(count: int, most: int) -> NDArray[np.int64]:
    """Return int64 [min(count, most)]: evenly spaced numbers below `count`."""
    return np.unique(np.linspace(0, max(count - 1, 0), min(most, count)).astype(np.int64))


def encode_plane(plane: Plane) -> bytes:
    """Return a plane as safetensors."""
    return save({"rows": plane.rows, "points": plane.points, "mean": plane.mean, "axes": plane.axes})


def decode_plane(content: bytes) -> Plane:
    """Return the plane of `encode_plane`; the digest of the content was checked."""
    found = load(content)
    return Plane(found["rows"], found["points"], found["mean"], found["axes"])


def _fitted(vectors: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return mean (float32 [dim]) and axes (float32 [dim, 2]) of vectors, float32 [n, dim].

    Each axis points to where its largest component is positive, so that equal vectors give equal pictures.
    """
    dimensions = vectors.shape[1]
    if len(vectors) < 2:
        return np.zeros(dimensions, np.float32), np.zeros((dimensions, 2), np.float32)
    mean = vectors.mean(axis=0, dtype=np.float64)
    centred = vectors - mean
    _, directions = np.linalg.eigh(centred.T @ centred)
    axes = directions[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 1)))
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(2)])
    return mean.astype(np.float32), np.ascontiguousarray(axes * np.where(signs == 0, 1, signs), np.float32)
