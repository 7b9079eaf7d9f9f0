"""Curves as SVG, both axes logarithmic: a straight line of slope 1 is cost in proportion to the events."""

import math
from collections.abc import Mapping, Sequence
from html import escape

from patina_assets.pictures.charts import COLOURS

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, LEGEND = 340, 260, 48, 28, 22, 130
COLUMNS = 3
Points = Sequence[Sequence[float]]


def log_plot(title: str, lines: Mapping[str, Points]) -> str:
    """Return a plot of some lines, with a legend.

    Args:
        title: What the vertical axis shows.
        lines: Points (x, y) by name; points that are not above 0 are left out.
    """
    kept = {name: [(x, y) for x, y in points if x > 0 and y > 0] for name, points in lines.items()}
    everything = [point for points in kept.values() for point in points]
    if not everything:
        return ""
    (left, right), (low, high) = (_decades([point[axis] for point in everything]) for axis in (0, 1))

    def place(x: float, y: float) -> tuple[float, float]:
        across = (math.log10(x) - left) / (right - left)
        up = (math.log10(y) - low) / (high - low)
        return LEFT + across * (WIDTH - LEFT - 10), HEIGHT - BOTTOM - up * (HEIGHT - BOTTOM - TOP)

    parts = [f"<text x='{LEFT}' y='14' font-weight='bold'>{escape(title)}</text>"]
    for power in range(left, right + 1):
        x, bottom = place(10.0**power, 10.0**low)
        parts.append(f"<path d='M{x:.0f} {bottom:.0f}V{TOP}' stroke='#ddd'/>")
        parts.append(f"<text x='{x:.0f}' y='{HEIGHT - 10}' text-anchor='middle'>{_told(power)}</text>")
    for power in range(low, high + 1):
        x, y = place(10.0**left, 10.0**power)
        parts.append(f"<path d='M{x:.0f} {y:.0f}H{WIDTH - 10}' stroke='#ddd'/>")
        parts.append(f"<text x='{LEFT - 5}' y='{y + 4:.0f}' text-anchor='end'>{_told(power)}</text>")
    for row, (name, points) in enumerate(kept.items()):
        colour = COLOURS[row % len(COLOURS)]
        places = [place(*point) for point in points]
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
        dots = "".join(f"<circle cx='{x:.1f}' cy='{y:.1f}' r='2.5' fill='{colour}'/>" for x, y in places)
        parts.append(f"<path d='M{path}' fill='none' stroke='{colour}' stroke-width='1.5'/>{dots}" if places else "")
        parts.append(f"<text x='{WIDTH}' y='{TOP + 10 + 15 * row}' fill='{colour}'>{escape(name)}</text>")
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH + LEGEND} {HEIGHT}' width='{WIDTH + LEGEND}' "
        "font-family='sans-serif' font-size='11'>"
        f"<rect width='100%' height='100%' fill='#fff'/>{''.join(parts)}</svg>\n"
    )


def line_plots(panels: Mapping[str, Mapping[str, Points]]) -> str:
    """Return plots beside and below each other, both axes linear from 0 on, with one legend.

    Args:
        panels: Lines by name, by title; each line is points (x, y).
    """
    parts: list[str] = []
    names = list(next(iter(panels.values())))
    for number, (title, lines) in enumerate(panels.items()):
        left, top = (number % COLUMNS) * WIDTH, (number // COLUMNS) * HEIGHT
        parts.append(f"<g transform='translate({left} {top})'>{_panel(title, lines)}</g>")
    rows = -(-len(panels) // COLUMNS)
    for row, name in enumerate(names):
        parts.append(
            f"<text x='{LEFT + 90 * row}' y='{rows * HEIGHT + 14}' fill='{COLOURS[row]}'>{escape(name)}</text>"
        )
    size = COLUMNS * WIDTH, rows * HEIGHT + 22
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {size[0]} {size[1]}' width='{size[0]}' "
        "font-family='sans-serif' font-size='11'>"
        f"<rect width='100%' height='100%' fill='#fff'/>{''.join(parts)}</svg>\n"
    )


def _panel(title: str, lines: Mapping[str, Points]) -> str:
    points = [point for line in lines.values() for point in line]
    right, high = (max((point[axis] for point in points), default=1) or 1 for axis in (0, 1))
    parts = [f"<text x='{LEFT}' y='14' font-weight='bold'>{escape(title)}</text>"]
    for part in range(5):
        x, y = LEFT + part / 4 * (WIDTH - LEFT - 10), HEIGHT - BOTTOM - part / 4 * (HEIGHT - BOTTOM - TOP)
        parts.append(f"<path d='M{LEFT} {y:.0f}H{WIDTH - 10}' stroke='#ddd'/>")
        value = part / 4 * high
        told = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
        parts.append(f"<text x='{LEFT - 5}' y='{y + 4:.0f}' text-anchor='end'>{told}</text>")
        parts.append(f"<text x='{x:.0f}' y='{HEIGHT - 10}' text-anchor='middle'>{part / 4 * right:.0f}</text>")
    for row, line in enumerate(lines.values()):
        path = "L".join(
            f"{LEFT + x / right * (WIDTH - LEFT - 10):.1f} {HEIGHT - BOTTOM - y / high * (HEIGHT - BOTTOM - TOP):.1f}"
            for x, y in line
        )
        parts.append(f"<path d='M{path}' fill='none' stroke='{COLOURS[row]}' stroke-width='1.5'/>" if path else "")
    return "".join(parts)


def _decades(values: Sequence[float]) -> tuple[int, int]:
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    return low, max(high, low + 1)


def _told(power: int) -> str:
    if power < 0:
        return f"{10.0**power:g}"
    return {0: "1", 1: "10", 2: "100", 3: "1k", 4: "10k", 5: "100k", 6: "1M", 7: "10M"}.get(power, f"1e{power}")
