"""Charts as SVG text, without a plotting library, and small: Dagster shows short images in the page itself."""

import base64
from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito 2008: eight colours that the colour-blind can tell apart; the last is for all that is left over.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a800", "#999999")
LEFT_OVER = "other"
CHART_POINTS = 16
WIDTH, HEIGHT, MARGIN = 300, 96, 14


def image_markdown(svg: str, alt: str) -> str:
    """Return an SVG as an image in markdown."""
    return f"![{alt}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def history_chart(losses: Sequence[float | None], mrrs: Sequence[float | None], best_epoch: int) -> str:
    """Return loss and validation MRR per epoch as SVG of less than 700 characters, each line over its own range.

    Args:
        losses: One value for each epoch from 0 on; None where there is none.
        mrrs: The same of the MRR.
        best_epoch: Marked with a circle.
    """
    last = max(len(losses) - 1, 1)
    parts = []
    for values, colour, name, line in ((losses, COLOURS[1], "loss", 0), (mrrs, COLOURS[0], "MRR", 1)):
        points = [(epoch, value) for epoch, value in enumerate(values) if value is not None and np.isfinite(value)]
        if not points:
            continue
        low, high = min(value for _, value in points), max(value for _, value in points)
        chosen = [points[row] for row in np.unique(np.linspace(0, len(points) - 1, CHART_POINTS).astype(int))]
        places = [_place(epoch, value, last, low, high) for epoch, value in chosen]
        path = "L".join(f"{x} {y}" for x, y in places)
        parts.append(f"<path stroke='{colour}' d='M{path}'/>")
        if line == 1 and best_epoch < len(values) and values[best_epoch] is not None:
            x, y = _place(best_epoch, values[best_epoch] or 0.0, last, low, high)
            parts.append(f"<circle cx='{x}' cy='{y}' r='3' stroke='{colour}'/>")
        label = f"{name} {points[0][1]:.3g} to {points[-1][1]:.3g}" + f" (epochs 0 to {last})" * line
        parts.append(f"<text x='{6 + 150 * line}' y='10' fill='{colour}' stroke='none'>{label}</text>")
    body = "".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' width='400' "
        f"font-size='9' fill='none'>{body}</svg>"
    )


def scatter(points: NDArray[np.float32], groups: Sequence[str], size: int = 400) -> str:
    """Return a scatter plot with a legend as SVG, a few bytes a dot.

    Args:
        points: float32 [n, 2].
        groups: What each point belongs to; `colour_groups` gives at most eight.
        size: Width and height of the plot, beside which the legend stands.
    """
    places = (_unit_square(points) * (size - 12) + 6).round().astype(int)
    names = sorted(set(groups), key=lambda name: (name == LEFT_OVER, -list(groups).count(name), name))
    parts = []
    for row, name in enumerate(names):
        colour = COLOURS[-1] if name == LEFT_OVER else COLOURS[row % len(COLOURS)]
        members = [place for place, group in zip(places.tolist(), groups, strict=True) if group == name]
        dots = "".join(f"M{x} {y}h0" for x, y in members)
        parts.append(f"<path d='{dots}' stroke='{colour}' stroke-width='4' stroke-linecap='round' opacity='.7'/>")
        label = f"{escape(name[:28])} ({len(members)})"
        parts.append(f"<text x='{size + 8}' y='{16 + 15 * row}' font-size='11' fill='{colour}'>{label}</text>")
    body = "".join(parts)
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {size + 200} {size}' width='{size + 200}'>{body}</svg>"
    )


def colour_groups(names: Sequence[str]) -> list[str]:
    """Return the names with all but the seven most frequent replaced by `other`."""
    counts = {name: list(names).count(name) for name in set(names)}
    kept = set(sorted(counts, key=lambda name: (-counts[name], name))[: len(COLOURS) - 1])
    return [name if name in kept else LEFT_OVER for name in names]


def principal_plane(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return float32 [n, 2]: the rows of `vectors` (float32 [n, dim]) in the plane in which they vary most (PCA).

    Each axis points to where its largest component is positive, so that equal vectors give equal pictures.
    """
    if len(vectors) < 2:
        return np.zeros((len(vectors), 2), np.float32)
    centred = vectors - vectors.mean(axis=0, dtype=np.float64).astype(np.float32)
    _, directions = np.linalg.eigh(centred.T.astype(np.float64) @ centred)
    axes = directions[:, ::-1][:, :2]
    if axes.shape[1] < 2:
        axes = np.pad(axes, ((0, 0), (0, 1)))
    signs = np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(2)])
    plane: NDArray[np.float32] = (centred @ (axes * np.where(signs == 0, 1, signs))).astype(np.float32)
    return plane


def _unit_square(points: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the points scaled into 0..1 on both axes, the second one upside down as pictures are."""
    if not len(points):
        return np.zeros((0, 2))
    low, span = points.min(axis=0), np.ptp(points, axis=0).astype(np.float64)
    scaled = (points - low) / np.where(span > 0, span, 1)
    scaled[:, 1] = 1 - scaled[:, 1]
    return np.asarray(scaled, np.float64)


def _place(epoch: int, value: float, last: int, low: float, high: float) -> tuple[int, int]:
    share = (value - low) / (high - low) if high > low else 0.5
    x = MARGIN + (WIDTH - 2 * MARGIN) * epoch / last
    return round(x), round(HEIGHT - MARGIN / 2 - (HEIGHT - 2 * MARGIN) * share)
