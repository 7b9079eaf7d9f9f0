"""A map of a projection: its items in the plane of its index."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.items import Item
from patina_assets.pictures.charts import colour_groups, group_colour, ordered_groups
from patina_assets.pictures.plane import Plane, spaced

# Beyond these a picture shows nothing more.
PICTURE_ITEMS = 400
HOVER_CHARACTERS = 300
MAX_DEPTH = 3
UNDATED = "no date"
NOBODY = "no author"
SHORT_SHA = 12
# A folder that holds more than this share of the files says too little: its subfolders are told apart.
LARGE_SHARE = 0.6


@dataclass(frozen=True)
class Places:
    """Items and where they lie.

    Attributes:
        items: Some of a projection's items.
        points: float32 [n, 2].
        groups: At most eight, by module or kind.
        rows: Which of the projection's items they are.
        total: How many items the projection has.
        dates: When each was written (ISO 8601); empty where that is not known.
        authors: Who wrote each; empty where that is not known.
    """

    items: list[Item]
    points: NDArray[np.float32]
    groups: list[str]
    rows: list[int] = field(default_factory=list)
    total: int = 0
    dates: Sequence[str | None] = ()
    authors: Sequence[str | None] = ()


def placed(
    items: Sequence[Item],
    plane: Plane,
    limit: int,
    dates: Mapping[int, str] | None = None,
    authors: Mapping[int, str] | None = None,
) -> Places:
    """Return items with their places; evenly spaced ones where there are more than `limit`.

    Args:
        items: A projection's items.
        plane: That of its index.
        limit: The most that are wanted.
        dates: By row, when an item was written.
        authors: By row, who wrote an item.
    """
    chosen = spaced(len(plane.rows), limit)
    rows = plane.rows[chosen].tolist()
    groups = colour_groups(group_names(items))
    return Places(
        [items[row] for row in rows],
        plane.points[chosen],
        [groups[row] for row in rows],
        rows,
        len(items),
        [dates.get(row) for row in rows] if dates else (),
        [authors.get(row) for row in rows] if authors else (),
    )


def group_names(items: Sequence[Item]) -> list[str]:
    """Return for each item the folder of its file, as deep as tells them apart, or its kind where it has no file."""
    for depth in range(1, MAX_DEPTH + 1):
        names = [_folder(item.file, depth) if item.file else item.kind for item in items]
        if not names or Counter(names).most_common(1)[0][1] <= LARGE_SHARE * len(names):
            break
    return names


def map_document(found: Places, characters: int) -> dict[str, Any]:
    """Return a map for `map.js`: columns with a value for each item.

    Args:
        found: The items, and where they lie.
        characters: How much of each text is given.

    Returns:
        x and y: the places; labels and texts: what is read of them; colourings: by name, the groups with their colours,
        and of each item the number of its group.
    """
    colourings = {"folder": found.groups, "kind": colour_groups([item.kind for item in found.items])}
    if any(found.dates):
        colourings["year"] = colour_groups([date[:4] if date else UNDATED for date in found.dates])
    if any(found.authors):
        colourings["author"] = colour_groups([author or NOBODY for author in found.authors])
    return {
        "x": [round(float(x), 4) for x, _ in found.points],
        "y": [round(float(y), 4) for _, y in found.points],
        "labels": [label(item) for item in found.items],
        "texts": [item.text[:characters] for item in found.items],
        "colourings": [_colouring(name, groups) for name, groups in colourings.items()],
    }


def page(found: Places, title: str) -> str:
    """Return the map as one HTML page that needs nothing else."""
    data = {"title": title, **map_document(found, HOVER_CHARACTERS)}
    # Inside <script> only `</` and `<!--` could end or change it.
    document = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    template, code = ((files("patina_assets.pictures") / name).read_text("utf-8") for name in ("map.html", "map.js"))
    return template.replace("/*CODE*/", code.replace("export function", "function")).replace("/*DATA*/", document)


def _colouring(name: str, groups: Sequence[str]) -> dict[str, Any]:
    names = ordered_groups(groups)
    numbers = {group: number for number, group in enumerate(names)}
    return {
        "name": name,
        "groups": [{"name": group, "colour": group_colour(row, group)} for row, group in enumerate(names)],
        "of": [numbers[group] for group in groups],
    }


def label(item: Item) -> str:
    """Return where an item is from, in a few words."""
    return f"{item.kind} {item.file or item.session or (item.commit or '')[:SHORT_SHA]}".strip()


def _folder(file: str, depth: int) -> str:
    parts = file.split("/")[:-1][:depth]
    return "/".join(parts) or "(top)"
