"""A map of a projection: its items in the plane in which their index vectors vary most."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.relations import Item
from patina_assets.pictures.charts import colour_groups, group_colour, ordered_groups, principal_plane
from patina_assets.search.index import index_vectors, load_index
from patina_assets.search.search_file import SearchFile
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.paths import ProjectionPaths

# Beyond these a picture shows nothing more, and a page becomes slow.
PICTURE_ITEMS = 400
PAGE_ITEMS = 20_000
HOVER_CHARACTERS = 300
MAX_DEPTH = 3
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
    """

    items: list[Item]
    vectors: NDArray[np.float32]
    points: NDArray[np.float32]
    groups: list[str]


def places(paths: ProjectionPaths, limit: int) -> Places:
    """Return a projection's items with their places; evenly spaced ones where there are more than `limit`.

    Raises:
        PatinaError: It is not built, or a file is damaged.
    """
    # The items that were indexed: those of the first stage may be newer, after a build that was interrupted.
    _, (content, search) = read_outputs(paths, "index", ("usearch", "search.db"))
    index = load_index(content, paths.index.name)
    items = SearchFile(search, paths.search.name).items()
    vectors = index_vectors(index, len(items))
    points = principal_plane(vectors)
    chosen = np.unique(np.linspace(0, len(items) - 1, min(limit, len(items))).astype(np.int64))
    groups = colour_groups(group_names(items))
    rows = chosen.tolist()
    return Places([items[row] for row in rows], vectors[chosen], points[chosen], [groups[row] for row in rows])


def group_names(items: Sequence[Item]) -> list[str]:
    """Return for each item the folder of its file, as deep as tells them apart, or its kind where it has no file."""
    for depth in range(1, MAX_DEPTH + 1):
        names = [_folder(item.file, depth) if item.file else item.kind for item in items]
        if not names or Counter(names).most_common(1)[0][1] <= LARGE_SHARE * len(names):
            break
    return names


def page(found: Places, title: str) -> str:
    """Return the map as one HTML page that needs nothing else: hover over a dot to read it."""
    names = ordered_groups(found.groups)
    data = {
        "title": title,
        "groups": [{"name": name, "colour": group_colour(row, name)} for row, name in enumerate(names)],
        "points": [
            [round(float(x), 4), round(float(y), 4), names.index(group), label(item), item.text[:HOVER_CHARACTERS]]
            for (x, y), group, item in zip(found.points, found.groups, found.items, strict=True)
        ],
    }
    # Inside <script> only `</` and `<!--` could end or change it.
    document = json.dumps(data, ensure_ascii=True).replace("<", "\\u003c")
    template = (files("patina_assets.pictures") / "map.html").read_text("utf-8")
    return template.replace("/*DATA*/", document)


def label(item: Item) -> str:
    """Return where an item is from, in a few words."""
    return f"{item.kind} {item.file or item.session or item.commit or ''}".strip()


def _folder(file: str, depth: int) -> str:
    parts = file.split("/")[:-1][:depth]
    return "/".join(parts) or "(top)"
