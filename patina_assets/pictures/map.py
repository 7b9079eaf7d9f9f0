"""A map of a projection: its items in the plane in which their index vectors vary most."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.items import Item
from patina_assets.pictures.charts import colour_groups, group_colour, ordered_groups, principal_plane

# Beyond these a picture shows nothing more, and a page becomes slow.
PICTURE_ITEMS = 400
PAGE_ITEMS = 20_000
HOVER_CHARACTERS = 300
MAX_DEPTH = 3
UNDATED = "no date"
SHORT_SHA = 12
# A folder that holds more than this share of the files says too little: its subfolders are told apart.
LARGE_SHARE = 0.6


@dataclass(frozen=True)
class Places:
    """Items and where they lie.

    Attributes:
        items: Some of a projection's items.
        vectors: float32 [n, dim], from the index.
        points: float32 [n, 2].
        groups: At most eight, by module or kind.
        rows: Which of the projection's items they are.
    """

    items: list[Item]
    vectors: NDArray[np.float32]
    points: NDArray[np.float32]
    groups: list[str]
    rows: list[int] = field(default_factory=list)


def placed(items: Sequence[Item], vectors: NDArray[np.float32], limit: int) -> Places:
    """Return items with their places; evenly spaced ones where there are more than `limit`.

    Args:
        items: A projection's items.
        vectors: float32 [items, dim], from its index.
        limit: The most that are wanted.
    """
    points = principal_plane(vectors)
    chosen = np.unique(np.linspace(0, len(items) - 1, min(limit, len(items))).astype(np.int64))
    groups = colour_groups(group_names(items))
    rows = chosen.tolist()
    return Places([items[row] for row in rows], vectors[chosen], points[chosen], [groups[row] for row in rows], rows)


def group_names(items: Sequence[Item]) -> list[str]:
    """Return for each item the folder of its file, as deep as tells them apart, or its kind where it has no file."""
    for depth in range(1, MAX_DEPTH + 1):
        names = [_folder(item.file, depth) if item.file else item.kind for item in items]
        if not names or Counter(names).most_common(1)[0][1] <= LARGE_SHARE * len(names):
            break
    return names


def map_document(found: Places, characters: int, dates: Sequence[str | None] = ()) -> dict[str, Any]:
    """Return a map for `map.js`: columns with a value for each item.

    Args:
        found: The items, and where they lie.
        characters: How much of each text is given.
        dates: When each item was written (ISO 8601); empty where that is not known.

    Returns:
        x and y: the places; labels and texts: what is read of them; colourings: by name, the groups with their colours,
        and of each item the number of its group.
    """
    colourings = {"folder": found.groups, "kind": colour_groups([item.kind for item in found.items])}
    if any(dates):
        colourings["year"] = colour_groups([date[:4] if date else UNDATED for date in dates])
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
