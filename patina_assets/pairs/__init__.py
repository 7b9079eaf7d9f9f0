"""Pair types: one file each, its SQL on top. A new pair type is a new file and a line in `PAIR_TYPES`."""

from collections.abc import Mapping

from patina_assets.pairs.caller_callee import CALLER_CALLEE
from patina_assets.pairs.co_changed import CO_CHANGED
from patina_assets.pairs.relations import PairType
from patina_assets.pairs.same_session import SAME_SESSION

PAIR_TYPES: Mapping[str, PairType] = {
    pair_type.name: pair_type for pair_type in (SAME_SESSION, CO_CHANGED, CALLER_CALLEE)
}


def pair_types_by_source() -> dict[str, list[str]]:
    """Return the names of the pair types that a recipe may ask of each source."""
    by_source: dict[str, list[str]] = {}
    for pair_type in PAIR_TYPES.values():
        by_source.setdefault(pair_type.source.name, []).append(pair_type.name)
    return by_source
