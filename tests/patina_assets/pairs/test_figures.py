"""The figures by which pair types decide. Whoever changes one raises the version of the pair types that use it."""

import importlib

import pytest

from patina_assets.pairs.types import PAIR_TYPES

# By pair type: its version, and the figures that were in force when it got this version, by their places.
FIGURES: dict[str, tuple[int, dict[str, float]]] = {
    "ast_similar": (3, {}),
    "caller_callee": (4, {"types.caller_callee.MOST_FILES_OF_A_GUESS": 10}),
    "co_changed": (4, {}),
    "commit_touches": (3, {"commits.MOST_FILES": 50, "commits.MODULE_LEVELS": 3}),
    "effect_similarity": (
        3,
        {
            "commits.MODULE_LEVELS": 3,
            "types.effect_similarity.LEAST_SIMILAR": 0.7,
            "types.effect_similarity.NEAREST": 4,
            "types.effect_similarity.LOOKED_AT": 32,
            "types.effect_similarity.SIZE_RANGE": 6.0,
        },
    ),
    "same_author": (4, {"types.same_author.LEAST_COMMITS": 5}),
    "same_module": (3, {"types.same_module.MOST_LEVELS": 64}),
    "same_session": (3, {}),
    "state_similarity": (
        3,
        {
            "types.state_similarity.WINDOW": 10,
            "types.state_similarity.MOST_LISTED": 12,
            "types.state_similarity.LEAST_SIMILAR": 0.2,
            "types.state_similarity.NEAREST": 4,
            "types.state_similarity.LOOKED_AT": 32,
        },
    ),
}


@pytest.mark.parametrize("name", sorted(FIGURES))
def test_another_figure_is_another_version_of_the_pair_type(name: str) -> None:
    version, figures = FIGURES[name]
    found = {}
    for place in figures:
        module, _, constant = place.rpartition(".")
        found[place] = getattr(importlib.import_module(f"patina_assets.pairs.{module}"), constant)
    assert (PAIR_TYPES[name].version, found) == (version, figures)
