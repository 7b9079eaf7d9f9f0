"""Projections that a recipe may have: which of them an eventlog has signal for, and which a recipe lacks."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from patina_assets.pairs.relations import relate, related_texts, unique_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.triplet import sample_triplets
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.stages.pairs import MINIMUM_PAIRS
from patina_assets.recipe.model import ProjectionType, Recipe
from patina_resources.eventlog.reader import Eventlog
from patina_resources.project.project import Project


@dataclass(frozen=True)
class Suggestion:
    """A projection that `init` may put into a recipe.

    Attributes:
        name: Its name in the recipe.
        pair_type: What it learns from.
        type: As in a recipe; `dimension` is the default and not written.
        without_eventlog: Propose it where there is no eventlog yet.
        instead_of: A pair type: this one is proposed only where that has no signal and this has.
    """

    name: str
    pair_type: str
    type: ProjectionType = "dimension"
    without_eventlog: bool = False
    instead_of: str | None = None


SUGGESTIONS = (
    Suggestion("semantic", "same_session"),
    Suggestion("semantic", "commit_touches", instead_of="same_session"),
    Suggestion("temporal", "co_changed", without_eventlog=True),
    Suggestion("dependency", "caller_callee"),
    Suggestion("syntactic", "ast_similar"),
    Suggestion("architectural", "same_module"),
    Suggestion("social", "same_author"),
    Suggestion("state-encoder", "state_similarity", "world-model"),
    Suggestion("action-encoder", "effect_similarity", "world-model"),
)


def signals(project: Project) -> Mapping[str, bool]:
    """Return which of the suggested pair types the eventlog has enough related pairs for.

    Raises:
        PatinaError: The eventlog cannot be read.
    """
    path = project.eventlog()
    if not path.exists():
        return {suggestion.pair_type: suggestion.without_eventlog for suggestion in SUGGESTIONS}
    return {suggestion.pair_type: _has_signal(Eventlog(path), suggestion.pair_type) for suggestion in SUGGESTIONS}


def without_replaced(signal: Mapping[str, bool]) -> list[Suggestion]:
    """Return one suggestion for each name: a substitute where it has signal and the first choice has none."""
    substitutes = {
        suggestion.instead_of: suggestion
        for suggestion in SUGGESTIONS
        if suggestion.instead_of and signal[suggestion.pair_type] and not signal[suggestion.instead_of]
    }
    return [
        substitutes.get(suggestion.pair_type, suggestion) for suggestion in SUGGESTIONS if not suggestion.instead_of
    ]


def unused(project: Project, recipe: Recipe) -> list[Suggestion]:
    """Return what has signal and is in no projection of a recipe, each with a name that is free there.

    Raises:
        PatinaError: The eventlog cannot be read.
    """
    path = project.eventlog()
    used = {entry.training.pair_type for entry in recipe.projections}
    names = {entry.name for entry in recipe.projections}
    if not path.exists():
        return []
    return [
        suggestion if suggestion.name not in names else replace(suggestion, name=suggestion.pair_type.replace("_", "-"))
        for suggestion in SUGGESTIONS
        if suggestion.pair_type not in used
        and suggestion.instead_of not in used
        and _has_signal(Eventlog(path), suggestion.pair_type)
    ]


def _has_signal(eventlog: Eventlog, pair_type_name: str) -> bool:
    """Return whether there are enough related pairs, and something to tell them apart from: in all, and in training."""
    pair_type = PAIR_TYPES[pair_type_name]
    rows = {name: read.rows for name, read in eventlog.read(pair_type.sources).items()}
    data = pair_type.derive(rows)
    relations = relate(unique_texts(data.items)[0], data.contexts, data.apart)
    related = related_texts(relations)
    fitting = relations.only(Split.TRAIN)
    return related.keys.size // 2 >= MINIMUM_PAIRS and all(
        sample_triplets(part, pairs, MINIMUM_PAIRS, seed=0).size
        for part, pairs in ((relations, related), (fitting, related_texts(fitting)))
    )
