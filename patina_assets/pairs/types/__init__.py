"""Pair types: one file each, its SQL on top. A new pair type is a new file and a line in `OWN_PAIR_TYPES`.

Installed packages may add others: entry points of the group `patina.pair_types` (docs/plugins.md).
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cached_property

from patina_assets.pairs.pair_type import PairType
from patina_assets.pairs.types.ast_similar import AST_SIMILAR
from patina_assets.pairs.types.caller_callee import CALLER_CALLEE
from patina_assets.pairs.types.co_changed import CO_CHANGED
from patina_assets.pairs.types.commit_touches import COMMIT_TOUCHES
from patina_assets.pairs.types.effect_similarity import EFFECT_SIMILARITY
from patina_assets.pairs.types.same_author import SAME_AUTHOR
from patina_assets.pairs.types.same_module import SAME_MODULE
from patina_assets.pairs.types.same_session import SAME_SESSION
from patina_assets.pairs.types.state_similarity import STATE_SIMILARITY
from patina_resources.plugins import broken, plugins

GROUP = "patina.pair_types"
OWN_PAIR_TYPES: Mapping[str, PairType] = {
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


class KnownPairTypes(Mapping[str, PairType]):
    """Our own pair types, then those of plugins, which are loaded when one is asked for that is not ours."""

    def __getitem__(self, name: str) -> PairType:
        """Return a pair type by name."""
        return OWN_PAIR_TYPES[name] if name in OWN_PAIR_TYPES else self._added[0][name]

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        yield from OWN_PAIR_TYPES
        yield from self._added[0]

    def __len__(self) -> int:
        """Return how many there are."""
        return len(OWN_PAIR_TYPES) + len(self._added[0])

    @property
    def problems(self) -> tuple[str, ...]:
        """A sentence for each plugin that is left out."""
        return self._added[1]

    @cached_property
    def _added(self) -> tuple[Mapping[str, PairType], tuple[str, ...]]:
        installed = plugins(GROUP)
        added: dict[str, PairType] = {}
        sources = {source.name: source for known in OWN_PAIR_TYPES.values() for source in known.sources}
        problems = list(installed.problems)
        for plugin in installed.found:
            value = plugin.value
            if not isinstance(value, PairType):
                problems.append(broken(plugin.name, plugin.origin, f"expected a PairType, got {type(value).__name__}"))
            elif value.name in OWN_PAIR_TYPES or value.name in added:
                problems.append(broken(plugin.name, plugin.origin, f"there is a pair type {value.name} already"))
            elif other := next((s.name for s in value.sources if sources.get(s.name, s) != s), None):
                problems.append(broken(plugin.name, plugin.origin, f"there is another source {other} already"))
            else:
                added[value.name] = replace(value, origin=plugin.origin)
                sources |= {source.name: source for source in value.sources}
        return added, tuple(problems)


PAIR_TYPES = KnownPairTypes()


def pair_types_by_source() -> dict[str, list[str]]:
    """Return the names of the pair types that a recipe may ask of each source."""
    by_source: dict[str, list[str]] = {}
    for pair_type in PAIR_TYPES.values():
        by_source.setdefault(pair_type.source.name, []).append(pair_type.name)
    return by_source
