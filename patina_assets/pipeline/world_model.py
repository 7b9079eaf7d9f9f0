"""The two projections of a world model together: the transition from state to state, measured on what is built."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from patina_assets.learning.projection import from_safetensors
from patina_assets.learning.transition import Steps, TransitionReport, measure_transition
from patina_assets.pairs.items import Item
from patina_assets.pairs.relations import unique_texts
from patina_assets.pairs.splits import split_by_time
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.formats import decode_embeddings, decode_items
from patina_assets.pipeline.stages.weights import MEASURED
from patina_assets.pipeline.workspace import Workspace
from patina_assets.recipe.model import ProjectionRecipe
from patina_resources.arrays import Float32
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import read_outputs

WORLD_MODEL = "world-model"
STATES, ACTIONS = "state_similarity", "effect_similarity"


def world_model_of(workspace: Workspace) -> tuple[ProjectionRecipe, ProjectionRecipe] | None:
    """Return the recipe's first state-encoder and action-encoder of type world-model, or None where one is missing."""
    found = [
        next(
            (
                entry
                for entry in workspace.recipe.projections
                if entry.type == WORLD_MODEL and entry.training.pair_type == pair_type
            ),
            None,
        )
        for pair_type in (STATES, ACTIONS)
    ]
    return (found[0], found[1]) if found[0] and found[1] else None


def measure_world_model(workspace: Workspace, state: ProjectionRecipe, action: ProjectionRecipe) -> TransitionReport:
    """Return how well the true next state is ranked from the present one and the action that follows.

    The vectors are those of the projections as they were measured: trained on the training part alone.

    Raises:
        PatinaError: A projection is not built, or from other events than there are now, or there are too few steps.
    """
    states, state_rows = _vectors(workspace, state)
    actions, action_rows = _vectors(workspace, action)
    action_of = {item.commit: actions[row] for item, row in action_rows.items()}
    row_of = {item.text: row for item, row in state_rows.items()}
    ordered = _states_in_time(workspace, state)
    rows = [row_of[item.text] for item in ordered]
    # A commit that leaves the state's text as it is leads nowhere else.
    places = [
        place
        for place in range(1, len(ordered))
        if ordered[place].commit in action_of and rows[place] != rows[place - 1]
    ]
    if not places:
        raise PatinaError(f"{state.name} + {action.name}: no commit is in both: nothing leads from state to state")
    parts = split_by_time(f"{place:012}" for place in range(len(ordered)))
    steps = Steps(
        before=np.array([rows[place - 1] for place in places], np.int64),
        actions=np.stack([action_of[ordered[place].commit] for place in places]),
        after=np.array([rows[place] for place in places], np.int64),
        split=np.array([int(parts[place]) for place in places], np.int8),
    )
    report = measure_transition(states, steps, state.training.seed)
    if report is None:
        raise PatinaError(f"{state.name} + {action.name}: no test steps: too few commits")
    return report


def _vectors(workspace: Workspace, projection: ProjectionRecipe) -> tuple[Float32, Mapping[Item, int]]:
    """Return the projected vectors of all unique texts, and each item's row."""
    paths = workspace.paths(projection.name)
    _, (weights,) = read_outputs(paths, "weights", (MEASURED,))
    _, (embeddings,) = read_outputs(paths, "embeddings", ("embeddings.safetensors",))
    _, (content,) = read_outputs(paths, "pairs", ("items.jsonl",))
    items = decode_items(content)
    _, rows = unique_texts(items)
    vectors = from_safetensors(weights, f"{projection.name}.{MEASURED}").apply(decode_embeddings(embeddings))
    return vectors, dict(zip(items, rows.tolist(), strict=True))


def _states_in_time(workspace: Workspace, state: ProjectionRecipe) -> list[Item]:
    """Return the states in the order of their commits: the order in which the pair type derives them.

    Raises:
        PatinaError: The events are not those that the projection was built from.
    """
    pair_type = PAIR_TYPES[state.training.pair_type]
    read: Mapping[str, Any] = workspace.eventlog.read(list(pair_type.sources))
    record, _ = read_outputs(workspace.paths(state.name), "pairs", ())
    if any(record.inputs[name].value != source.digest for name, source in read.items()):
        raise PatinaError(f"{state.name} was built from other events than there are now: run `patina oxidize`")
    return list(pair_type.derive({name: source.rows for name, source in read.items()}).items)
