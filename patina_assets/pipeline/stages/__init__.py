"""The stages: one file each, and which of them a projection has. A new stage is a new file and a line here."""

from collections.abc import Iterable
from dataclasses import dataclass

from patina_assets.pairs.pair_type import PairType
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.stages.display import Column
from patina_assets.pipeline.stages.embeddings import EmbeddingsStage
from patina_assets.pipeline.stages.index import IndexStage
from patina_assets.pipeline.stages.pairs import PairsStage
from patina_assets.pipeline.stages.passages import PassageIndexStage, PassagesStage
from patina_assets.pipeline.stages.stage import Stage
from patina_assets.pipeline.stages.weights import WeightsStage
from patina_assets.recipe.model import ProjectionRecipe, Recipe
from patina_assets.search.built import BASE
from patina_resources.eventlog.reader import Source


@dataclass(frozen=True)
class ProjectionStages:
    """A projection as it is built: one of the recipe, or `base`, which has no weights.

    Attributes:
        name: Its name.
        stages: Its stages, in the order of building.
        pair_types: What its items are derived by.
        line: Its line in the recipe; 0 for `base`, which stands in none.
    """

    name: str
    stages: tuple[Stage, ...]
    pair_types: tuple[PairType, ...]
    line: int

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources of all its stages, each once, in the order of their names."""
        found = {source.name: source for stage in self.stages for source in stage.sources}
        return tuple(found[name] for name in sorted(found))

    @property
    def last(self) -> Stage:
        """The stage that search reads."""
        return self.stages[-1]

    def stage(self, name: str) -> Stage:
        """Return the stage of a name.

        Raises:
            KeyError: It has none of this name.
        """
        return {stage.name: stage for stage in self.stages}[name]


def projections_of(recipe: Recipe) -> tuple[ProjectionStages, ...]:
    """Return the projections of a recipe in its order, and behind them `base`."""
    return (*(_trained(entry) for entry in recipe.projections), _base())


def summary_columns(projections: Iterable[ProjectionStages]) -> list[tuple[str, Column]]:
    """Return the columns that sum up a build, each with the name of the stage whose facts it shows."""
    stages = {stage.name: stage for projection in projections for stage in projection.stages}
    return [(name, column) for name, stage in stages.items() for column in stage.columns]


def _trained(recipe: ProjectionRecipe) -> ProjectionStages:
    pair_type = PAIR_TYPES[recipe.training.pair_type]
    pairs = PairsStage(recipe, pair_type)
    embeddings = EmbeddingsStage(pairs)
    weights = WeightsStage(recipe, pair_type, pairs, embeddings)
    index = IndexStage(pairs, weights)
    return ProjectionStages(recipe.name, (pairs, embeddings, weights, index), (pair_type,), recipe.line)


def _base() -> ProjectionStages:
    passages = PassagesStage(BASE)
    embeddings = EmbeddingsStage(passages)
    index = PassageIndexStage(passages, embeddings)
    return ProjectionStages(BASE, (passages, embeddings, index), (), line=0)
