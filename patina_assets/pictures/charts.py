"""Charts as SVG text, without a plotting library, and small: Dagster shows short images in the page itself."""

from collections import Counter
from collections.abc import Iterable, Sequence
from html import escape
from string import ascii_letters, digits

import numpy as np
from numpy.typing import NDArray

# Okabe and Ito 2008: eight colours that the colour-blind can tell apart; the last is for all that is left over.
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#b8a800", "#999999")
LEFT_OVER = "other"
# Markdown of this length or more is hidden behind "Show Markdown".
INLINE_LIMIT = 1000
# What may stand in an image's address in markdown as it is. Round brackets could end it early.
UNQUOTED = frozenset(f"{ascii_letters}{digits}-._~/:=',;<>".encode())
WIDTH, HEIGHT, MARGIN = 300, 120, 14
CHART_POINTS = 20
COLUMN_WIDTH = 264
# A small scatter: its size in widths of a dot, its groups, and how many characters of their names are shown.
SMALL_WIDTH, SMALL_HEIGHT, SMALL_GROUPS, SMALL_NAME = 96, 60, 4, 18

Points = list[tuple[int, float]]


def image_markdown(svg: str, alt: str) -> str:
    """Return an SVG as an image in markdown, not much longer than the SVG itself."""
    address = "".join(chr(byte) if byte in UNQUOTED else f"%{byte:02X}" for byte in svg.encode())
    return f"![{alt}](data:image/svg+xml,{address})"


def stands_in_page(svg: str, alt: str) -> bool:
    """Return whether Dagster shows a picture in the page itself, and not behind a button."""
    return len(image_markdown(svg, alt)) < INLINE_LIMIT


def history_chart(
    losses: Sequence[float | None], mrrs: Sequence[float | None], best_epoch: int, base: float | None = None
) -> str:
    """Return loss and validation MRR per epoch as SVG, each line over its own range, short enough for INLINE_LIMIT.

    Args:
        losses: One value for each epoch from 0 on; None where there is none.
        mrrs: The same of the MRR.
        best_epoch: Marked with a circle.
        base: The MRR of the base vectors, a dashed line.
    """
    last = max(len(losses), len(mrrs), 2) - 1
    floor = HEIGHT - MARGIN
    parts = [
        f"<path stroke='silver' d='M{MARGIN},{MARGIN}V{floor}H{WIDTH - MARGIN}'/>",
        _text(MARGIN, HEIGHT - 4, "gray", "epoch 0"),
        _text(WIDTH - 2 * MARGIN, HEIGHT - 4, "gray", str(last)),
    ]
    if points := _known(losses):
        places = _places(points, last, points)
        parts += [_polyline(places, COLOURS[1]), _text(MARGIN, 9, COLOURS[1], f"loss {_ends(points)}")]
    if points := _known(mrrs):
        scale = points if base is None else [*points, (0, base)]
        places = _places(points, last, scale)
        parts += [_polyline(places, COLOURS[0]), _text(110, 9, COLOURS[0], f"MRR {_ends(points)}")]
        if best := [point for point in points if point[0] == best_epoch]:
            ((x, y),) = _places(best, last, scale)
            parts.append(f"<circle cx='{x}' cy='{y}' r='3' stroke='{COLOURS[0]}'/>")
        if base is not None:
            ((x, y),) = _places([(0, base)], last, scale)
            parts.append(f"<path stroke='gray' stroke-dasharray='3' d='M{x},{y}H{WIDTH - MARGIN}'/>")
            parts.append(_text(230, 9, "gray", f"base {base:.3g}"))
    return _svg(WIDTH, HEIGHT, "fill='none' font-size='9'", parts)


def drift_chart(shares: Sequence[float], trained: Sequence[int]) -> str:
    """Return the drift that each build found as SVG, from 0 up to the largest, short enough for INLINE_LIMIT.

    Args:
        shares: Two or more shares of relations, the oldest first.
        trained: At which of them the weights were trained or continued: there is a dot. Otherwise they were kept.
    """
    floor, points = HEIGHT - MARGIN, list(enumerate(shares))
    most = max(*shares, 1e-4)
    last, scale = len(points) - 1, [(0, 0.0), (0, most)]
    dots = _dots(_places([points[row] for row in trained], last, scale)) if trained else ""
    parts = [
        f"<path stroke='silver' d='M{MARGIN},{MARGIN}V{floor}H{WIDTH - MARGIN}'/>",
        _text(MARGIN, HEIGHT - 4, "gray", f"{len(points)} builds"),
        _text(200, HEIGHT - 4, COLOURS[1], f"trained {len(trained)} times"),
        _text(MARGIN, 9, COLOURS[0], f"drift {_ends(points)}, at most {max(shares):.3g}"),
        _polyline(_places(points, last, scale), COLOURS[0]),
        *([f"<path stroke='{COLOURS[1]}' stroke-width='6' stroke-linecap='round' d='{dots}'/>"] if dots else []),
    ]
    return _svg(WIDTH, HEIGHT, "fill='none' font-size='9'", parts)


def scatter(points: NDArray[np.float32], groups: Sequence[str], size: int = 400) -> str:
    """Return a scatter plot with a legend as SVG, a few characters a dot: wider than the column of a page.

    Args:
        points: float32 [n, 2].
        groups: What each point belongs to; `colour_groups` gives at most eight.
        size: Width and height of the plot, beside which the legend stands.
    """
    places = _in_box(points, size, size, 6)
    parts = []
    for row, name in enumerate(ordered_groups(groups)):
        members = [place for place, group in zip(places, groups, strict=True) if group == name]
        colour = group_colour(row, name)
        parts.append(f"<path d='{_dots(members)}' stroke='{colour}' opacity='.7'/>")
        parts.append(_text(size + 8, 16 + 15 * row, colour, f"{name[:28]} ({len(members)})"))
    return _svg(size + 200, size, "stroke-width='4' stroke-linecap='round' font-size='11'", parts, shown=size + 200)


def small_scatter(points: NDArray[np.float32], groups: Sequence[str]) -> str:
    """Return a scatter plot as SVG that fits INLINE_LIMIT: of as many points, evenly spaced, as that lets in.

    Args:
        points: float32 [n, 2].
        groups: What each point belongs to; the most frequent are told apart.
    """
    kept = colour_groups(groups, SMALL_GROUPS)
    for count in range(min(len(points), 120), -1, -2):
        rows = np.unique(np.linspace(0, len(points) - 1, count).astype(int)).tolist()
        svg = _small(points[rows], [kept[row] for row in rows])
        if stands_in_page(svg, "map"):
            break
    return svg


def colour_groups(names: Sequence[str], most: int = len(COLOURS)) -> list[str]:
    """Return the names, of which no more than `most` differ: all but the most frequent are replaced by `other`."""
    counts = Counter(names)
    kept = set(sorted(counts, key=lambda name: (-counts[name], name))[: most - 1])
    return [name if name in kept else LEFT_OVER for name in names]


def ordered_groups(groups: Sequence[str]) -> list[str]:
    """Return each name once, the most frequent first and what is left over last."""
    counts = Counter(groups)
    return sorted(counts, key=lambda name: (name == LEFT_OVER, -counts[name], name))


def group_colour(row: int, name: str) -> str:
    """Return the colour of the group at this place of `ordered_groups`."""
    return COLOURS[-1] if name == LEFT_OVER else COLOURS[row % len(COLOURS)]


def _small(points: NDArray[np.float32], groups: Sequence[str]) -> str:
    places = _in_box(points, SMALL_WIDTH, SMALL_HEIGHT - 6, 2)
    parts, names = [], []
    for row, name in enumerate(ordered_groups(groups)):
        colour = group_colour(row, name)
        members = [(x, y + 6) for (x, y), group in zip(places, groups, strict=True) if group == name]
        parts.append(f"<path stroke='{colour}' d='{_dots(members)}'/>")
        names.append(f"<tspan fill='{colour}'>{escape(name[-SMALL_NAME:])} </tspan>")
    text = f"<text y='3'>{''.join(names)}</text>"
    return _svg(SMALL_WIDTH, SMALL_HEIGHT, "font-size='3' stroke-linecap='round'", [text, *parts])


def _svg(width: int, height: int, style: str, parts: Iterable[str], shown: int = COLUMN_WIDTH) -> str:
    # Mostly as wide as the narrowest column of a page: Dagster shows a picture of a relative width as nothing.
    size = f"viewBox='0 0 {width} {height}' width='{shown}'"
    return f"<svg xmlns='http://www.w3.org/2000/svg' {size} font-family='sans-serif' {style}>{''.join(parts)}</svg>"


def _text(x: int, y: int, colour: str, words: str) -> str:
    return f"<text x='{x}' y='{y}' fill='{colour}'>{escape(words)}</text>"


def _polyline(places: Sequence[tuple[int, int]], colour: str) -> str:
    return f"<path stroke='{colour}' d='{_moves(places, 'l')}'/>"


def _dots(places: Iterable[tuple[int, int]]) -> str:
    """Return path data that draws a dot at each place where line ends are round."""
    return _moves(sorted(places), "zm") + "z"


def _moves(places: Sequence[tuple[int, int]], step: str) -> str:
    """Return path data through the places, each told by its distance from the one before."""
    text, last = "", (0, 0)
    for x, y in places:
        across, down = x - last[0], y - last[1]
        text += f"{step if text else 'M'}{across}{',' if down >= 0 else ''}{down}"
        last = (x, y)
    return text


def _known(values: Sequence[float | None]) -> Points:
    return [(epoch, value) for epoch, value in enumerate(values) if value is not None and np.isfinite(value)]


def _ends(points: Points) -> str:
    return f"{points[0][1]:.3g} to {points[-1][1]:.3g}"


def _places(points: Points, last: int, scale: Points) -> list[tuple[int, int]]:
    """Return where some evenly spaced ones of the points are drawn, between the values of `scale`."""
    low, high = min(value for _, value in scale), max(value for _, value in scale)
    places = []
    for row in np.unique(np.linspace(0, len(points) - 1, CHART_POINTS).astype(int)).tolist():
        epoch, value = points[row]
        share = (value - low) / (high - low) if high > low else 0.5
        x = MARGIN + (WIDTH - 2 * MARGIN) * epoch / last
        places.append((round(x), round(HEIGHT - MARGIN - 4 - (HEIGHT - 2 * MARGIN - 8) * share)))
    return places


def _in_box(points: NDArray[np.float32], width: int, height: int, margin: int) -> list[tuple[int, int]]:
    """Return where the points are drawn in a box, the second axis upwards."""
    if not len(points):
        return []
    low, span = points.min(axis=0), np.ptp(points, axis=0).astype(np.float64)
    scaled = (points - low) / np.where(span > 0, span, 1)
    scaled[:, 1] = 1 - scaled[:, 1]
    inner = np.array([width - 2 * margin, height - 2 * margin])
    return [(x, y) for x, y in (scaled * inner + margin).round().astype(int).tolist()]
