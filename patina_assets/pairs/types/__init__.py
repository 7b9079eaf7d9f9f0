"""Pair types: one file each, its SQL on top. A new pair type is a new file and a line in `PAIR_TYPES`."""

from collections.abc import Mapping

from patina_assets.pairs.relations import PairType
from patina_assets.pairs.types.ast_similar import AST_SIMILAR
from patina_assets.pairs.types.caller_callee import CALLER_CALLEE
from patina_assets.pairs.types.co_changed import CO_CHANGED
from patina_assets.pairs.types.commit_touches import COMMIT_TOUCHES
from patina_assets.pairs.types.effect_similarity import EFFECT_SIMILARITY
from patina_assets.pairs.types.same_author import SAME_AUTHOR
from patina_assets.pairs.types.same_module import SAME_MODULE
from patina_assets.pairs.types.same_session import SAME_SESSION
from patina_assets.pairs.types.state_similarity import STATE_SIMILARITY

PAIR_TYPES: Mapping[str, PairType] = {
    pair_type.name: pair_type
    for pair_type in (
        SAME_SESSION,
        COMMIT_TOUCHES,
        CO_CHANGED,
        CALLER_CALLEE,
        AST_SIMILAR,
        SAME_MODULE,
        SAME_AUTHOR,
        STATE_SIMILARITY,
        EFFECT_SIMILARITY,
    )
}


def pair_types_by_source() -> dict[str, list[str]]:
    """Return the names of the pair types that a recipe may ask of each source."""
    by_source: dict[str, list[str]] = {}
    for pair_type in PAIR_TYPES.values():
        by_source.setdefault(pair_type.source.name, []).append(pair_type.name)
    return by_source
