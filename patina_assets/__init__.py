"""Turns what happened in a repository into search: recipe, pairs, stages, staleness, search, and Dagster assets.

The public Python API is what `__all__` names; docs/python.md describes it. Nothing else here is meant for other
programs. Each name is loaded when it is first used: `import patina_assets` alone loads nothing.
"""

import patina_resources  # noqa: F401  (first of all: it keeps onnxruntime from reporting usage)

TYPE_CHECKING = False  # as `typing` has it, whose import would make Ctrl-C a traceback for longer
if TYPE_CHECKING:
    from patina_assets.api import Interval, Measure, OpenProject, open_project
    from patina_assets.facts.calls import Definition
    from patina_assets.facts.like import Facts, HitFacts, Like
    from patina_assets.facts.near import NearList
    from patina_assets.facts.things import Thing
    from patina_assets.facts.together import Author, ChangedTogether
    from patina_assets.facts.why import Entry, Why
    from patina_assets.pairs.items import Item
    from patina_assets.results import Results
    from patina_assets.search.fusion import Hit, Place
    from patina_resources.errors import PatinaError

_MODULES = {
    "Author": "patina_assets.facts.together",
    "ChangedTogether": "patina_assets.facts.together",
    "Definition": "patina_assets.facts.calls",
    "Entry": "patina_assets.facts.why",
    "Facts": "patina_assets.facts.like",
    "Hit": "patina_assets.search.fusion",
    "HitFacts": "patina_assets.facts.like",
    "Interval": "patina_assets.api",
    "Item": "patina_assets.pairs.items",
    "Like": "patina_assets.facts.like",
    "Measure": "patina_assets.api",
    "NearList": "patina_assets.facts.near",
    "OpenProject": "patina_assets.api",
    "PatinaError": "patina_resources.errors",
    "Place": "patina_assets.search.fusion",
    "Results": "patina_assets.results",
    "Thing": "patina_assets.facts.things",
    "Why": "patina_assets.facts.why",
    "open_project": "patina_assets.api",
}
__all__ = [
    "Author",
    "ChangedTogether",
    "Definition",
    "Entry",
    "Facts",
    "Hit",
    "HitFacts",
    "Interval",
    "Item",
    "Like",
    "Measure",
    "NearList",
    "OpenProject",
    "PatinaError",
    "Place",
    "Results",
    "Thing",
    "Why",
    "open_project",
]


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module 'patina_assets' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_MODULES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
