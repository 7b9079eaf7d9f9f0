"""The USearch index over a projection's items, and the search file beside it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import unique_texts
from patina_assets.pipeline.stages.display import Column, Picture, Table, beginning
from patina_assets.pipeline.stages.stage import (
    Built,
    CheckResult,
    ItemStage,
    Stage,
    VectorStage,
    Work,
    digest_of_all,
    hashed,
)
from patina_assets.search.built import BASE
from patina_assets.search.index import IndexOptions, build_index, load_index, recall_at_10, some_vectors
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import BuiltProjection, read_outputs
from patina_resources.store.manifests import EXTENDED, StageRecord
from patina_resources.store.paths import ProjectionPaths

if TYPE_CHECKING:  # who only looks at what is stale must not wait for what builds and draws
    from patina_assets.pictures.map import Places
    from patina_assets.pictures.plane import Plane
    from patina_assets.pipeline.stages.churn import IndexBefore
    from patina_assets.pipeline.stages.index_extension import Extension

EVERY_ITEM_IS_INDEXED = "every_item_is_indexed"
RECALL = "recall_at_10"
RECALL_WANTED = 0.95
INDEX = "usearch"
SEARCH = "search.db"
PLANE = "plane.safetensors"
SAMPLE_QUERIES = 5
NEIGHBOURS = 3
QUERY = "query"
CELL_CHARACTERS = 120


@dataclass(frozen=True)
class IndexStage(Stage):
    """The index over the vectors of a stage.

    Attributes:
        of: The stage with the items.
        by: The stage with their vectors, which is built from the first.
    """

    of: ItemStage
    by: VectorStage

    name = "index"
    version = 3
    kinds = frozenset({"usearch"})
    description = (
        "A USearch index of the vectors of `{name}`, and the items that its keys stand for. `patina scry` searches it."
    )
    promised = MappingProxyType(
        {
            EVERY_ITEM_IS_INDEXED: "The index holds one vector for each item.",
            RECALL: f"Of ten true neighbours of a vector, the index finds {RECALL_WANTED:.0%} on average, or more.",
        }
    )
    columns = (Column("items", ("items",), spare=6), Column("recall@10", ("recall_at_10",), spare=7))

    @property
    def projection(self) -> str:
        """Name of its projection."""
        return self.of.projection

    @property
    def upstream(self) -> tuple[Stage, ...]:
        """The stages with the vectors and the items, and what the vectors are built from."""
        before = self.by.upstream
        return (*before, *(() if self.of in before else (self.of,)), self.by)

    def inputs(self) -> dict[str, object]:
        """Return the options of the index."""
        return {"index options": IndexOptions().text()}

    def build(self, work: Work) -> Built:
        """Index the vectors; where few of them changed, and no clean build is asked for, extend the index."""
        search_file = self.search_file(work)  # before the rest is in memory: it takes most room, and gives it back
        items = self.of.items(work.built)
        extension = None if work.clean else self._extended(work, [item.text for item in items])
        if extension is not None:
            shape = len(items), extension.index.ndim
            plane = extension.plane(_plane_before(work.built))
            return _built(extension.content, shape, plane, search_file, extension.facts)
        before = self._index_before(work.built, [item.text for item in items])
        return build_search_index(items, self.by.vectors(work.built), search_file, before)

    def _extended(self, work: Work, texts: Sequence[str]) -> "Extension | None":
        """Return the index that there is, extended by what changed; None where it is of no use for that."""
        from patina_assets.pipeline.stages.index_extension import extended_index
        from patina_assets.search.files.search_file import SearchFile

        place_of = {text: place for place, text in enumerate(sorted(set(texts)))}

        def vectors_of(keys: Sequence[int]) -> NDArray[np.float32]:
            return self.by.vectors(work.built, np.array([place_of[texts[key]] for key in keys]))

        with suppress(PatinaError):  # never built, or damaged
            before = work.built.stage(self.name)
            search = SearchFile(before.read(SEARCH), work.built.paths.search.name)
            if self._is_as_now(work.built) and search.facts == self.by.model_facts(work.built, work.spec.name):
                texts_before = search.texts()
                content, facts = before.read(INDEX), before.record.facts
                return extended_index(content, facts, texts_before, texts, vectors_of)
        return None

    def _index_before(self, built: BuiltProjection, texts: Sequence[str]) -> "IndexBefore | None":
        """Return what the new index is compared by; None where there is none yet, or a damaged one."""
        from patina_assets.pipeline.stages.churn import index_before, matched
        from patina_assets.search.files.search_file import SearchFile

        with suppress(PatinaError):
            before = built.stage(self.name)
            texts_before = SearchFile(before.read(SEARCH), built.paths.search.name).texts()
            kept, added = matched(texts_before, texts)
            return index_before(load_index(before.read(INDEX), built.paths.index.name), texts_before, kept, len(added))
        return None

    def facts_after(self, facts: Mapping[str, Any], previous: StageRecord) -> Mapping[str, Any]:
        """Add what came, went and moved with this build to what did with those before."""
        from patina_assets.pipeline.stages.churn import CHURN, churn_after

        return {**facts, CHURN: churn_after(previous.facts.get(CHURN, ()), facts)}

    def _is_as_now(self, built: BuiltProjection) -> bool:
        """Return whether the index that there is was built by this version, over vectors of the present weights."""
        wanted = {"stage version": str(self.version), **{name: str(value) for name, value in self.inputs().items()}}
        if self.by.weights_role:
            wanted[self.by.name] = built.stage(self.by.name).record.digest
        inputs = built.stage(self.name).record.inputs
        return all(name in inputs and inputs[name].value == value for name, value in wanted.items())

    def search_file(self, work: Work) -> bytes:
        """Return the search file: the items, and what a query has to be embedded and projected with."""
        from patina_assets.search.files.search_file import encode_search

        facts = self.by.model_facts(work.built, work.spec.name)
        return encode_search(self.of.items(work.built), facts, self.by.weights(work.built))

    def checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Check the number of vectors, and how many true neighbours the index finds."""
        own = built.stage(self.name)
        indexed = len(load_index(own.read(INDEX), built.paths.index.name))
        expected = len(self.of.items(built))
        recall = float(own.record.facts["recall_at_10"])
        return [
            CheckResult(
                EVERY_ITEM_IS_INDEXED,
                indexed == expected,
                f"{indexed} vectors for {expected} items",
                figures={"items": indexed},
            ),
            CheckResult(
                RECALL,
                recall >= RECALL_WANTED,
                f"recall@10 {recall:.4f}, wanted {RECALL_WANTED}",
                blocking=False,
                figures={"recall_at_10": recall},
            ),
        ]

    def metadata(self, built: BuiltProjection) -> dict[str, Any]:
        """Return the facts, maps of the items, and the neighbours of some."""
        from patina_assets.pictures.charts import scatter, small_scatter, stands_in_page
        from patina_assets.pictures.map import PICTURE_ITEMS
        from patina_assets.pipeline.stages.churn import CHURN, churn_rows

        own = built.stage(self.name)
        found = _placed(built.paths, own.read(SEARCH), own.read(PLANE), PICTURE_ITEMS)
        vectors = some_vectors(load_index(own.read(INDEX), built.paths.index.name), found.rows)
        larger, title = scatter(found.points, found.groups), f"map of {self.projection}"
        return {
            "map": Picture(small_scatter(found.points, found.groups), "map"),
            # Of so few items that it would stand in the page, the small one shows as much.
            "larger_map": None if stands_in_page(larger, title) else Picture(larger, title),
            "sample_queries": Table(neighbour_rows(found, vectors)),
            EXTENDED: 0,  # also where it was built as a whole: Dagster plots it
            **super().metadata(built),
            CHURN: Table(churn_rows(own.record.facts.get(CHURN, ()))),
        }


def build_search_index(
    items: Sequence[Item], vectors: NDArray[np.float32], search_file: bytes, before: "IndexBefore | None" = None
) -> Built:
    """Return the USearch index over items, with their search file.

    Args:
        items: The items.
        vectors: float32 [texts, dim]: of the sorted unique texts of the items.
        search_file: What stands beside the index.
        before: The index that it replaces.
    """
    from patina_assets.pictures.plane import plane_of

    _, text_rows = unique_texts(items)
    rows = np.ascontiguousarray(vectors[text_rows])
    options = IndexOptions()
    content = build_index(rows, options)
    index = load_index(content, "the new index")
    churn = {} if before is None else before.churn(index, [item.text for item in items])
    return _built(
        content, rows.shape, plane_of(rows), search_file, {"recall_at_10": round(recall_at_10(index, rows), 4), **churn}
    )


def _built(
    content: bytes, shape: tuple[int, ...], plane: "Plane", search_file: bytes, measured: Mapping[str, Any]
) -> Built:
    from patina_assets.pictures.plane import encode_plane

    facts = {
        "items": shape[0],
        "dimensions": shape[1],
        "index_bytes": len(content),
        **measured,
        "options": IndexOptions().text(),
    }
    contents = {INDEX: content, SEARCH: search_file, PLANE: encode_plane(plane)}
    digests = hashed(contents)
    # The plane follows from the index: what is found is as before where that is.
    return Built(contents, digests, digest_of_all({role: digests[role] for role in (INDEX, SEARCH)}), facts)


def _plane_before(built: BuiltProjection) -> "Plane | None":
    from patina_assets.pictures.plane import decode_plane

    with suppress(PatinaError):
        return decode_plane(built.stage(IndexStage.name).read(PLANE))
    return None


def item_places(paths: ProjectionPaths, limit: int) -> "Places":
    """Return a projection's items with their places; evenly spaced ones where there are more than `limit`.

    Raises:
        PatinaError: It is not built, or a file is damaged.
    """
    # The items that were indexed: those of the first stage may be newer, after a build that was interrupted.
    _, (search, plane) = read_outputs(paths, IndexStage.name, (SEARCH, PLANE))
    return _placed(paths, search, plane, limit)


def _placed(paths: ProjectionPaths, search: bytes, plane: bytes, limit: int) -> "Places":
    from patina_assets.pictures.map import placed
    from patina_assets.pictures.plane import decode_plane
    from patina_assets.search.files.passage_file import PassageFile
    from patina_assets.search.files.search_file import SearchFile

    has_passages = paths.name == BASE
    file = (PassageFile if has_passages else SearchFile)(search, paths.search.name)
    dates, authors = (file.times(), file.authors()) if isinstance(file, PassageFile) else (None, None)
    return placed(file.items(), decode_plane(plane), limit, dates, authors)


def neighbour_rows(found: "Places", vectors: NDArray[np.float32]) -> list[dict[str, str]]:
    """Return five evenly spaced items, and below each those of the others on the map that lie nearest.

    Args:
        found: The items of a map.
        vectors: Theirs, float32 [n, dim].
    """
    if not found.items:
        return []
    chosen = np.unique(np.linspace(0, len(found.items) - 1, SAMPLE_QUERIES + 2).astype(int)[1:-1])
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    rows: list[dict[str, str]] = []
    for row in chosen.tolist():
        cosines = units @ units[row]
        nearest = [other for other in np.argsort(-cosines, kind="stable").tolist() if other != row][:NEIGHBOURS]
        rows.append({"cosine": QUERY, "item": _short(found, row)})
        rows += [{"cosine": f"{cosines[other]:.4f}", "item": _short(found, other)} for other in nearest]
    return rows


def _short(found: "Places", row: int) -> str:
    from patina_assets.pictures.map import label

    item = found.items[row]
    text = beginning(item.text, CELL_CHARACTERS)
    # The text of a file begins with its path.
    return text if item.file and item.file in text else f"[{label(item)}] {text}"
