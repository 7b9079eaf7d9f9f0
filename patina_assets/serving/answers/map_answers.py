"""The map of an index: where its items lie, as the build that made the index has placed them."""

from threading import Lock
from weakref import WeakKeyDictionary

from patina_assets.pictures.map import map_document
from patina_assets.pictures.plane import MAP_ITEMS
from patina_assets.pipeline.stages.index import item_places
from patina_assets.search.built import BASE, LEXICAL
from patina_assets.search.indexes import Indexes
from patina_assets.serving.answers.documents import name_of
from patina_assets.serving.answers.encoded import EncodedDocument
from patina_resources.errors import PatinaError
from patina_resources.store.paths import ProjectionPaths

HOVER_CHARACTERS = 160
# A map of 20,000 items takes some megabytes: those that are looked at are few.
MOST_KEPT = 3


class Maps:
    """The maps that were asked for last, of indexes that are still open. Several threads may ask."""

    def __init__(self) -> None:
        """Keep none yet."""
        self._kept: WeakKeyDictionary[Indexes, dict[str, EncodedDocument]] = WeakKeyDictionary()
        self._lock = Lock()

    def map(self, indexes: Indexes, name: str) -> EncodedDocument:
        """Return a map for `map.js`, with the `name` of each item, which `like` and `passage` take.

        Args:
            indexes: What is built.
            name: A projection, or `base`.

        Raises:
            PatinaError: The projection is unknown or not built, or a file is damaged.
        """
        if indexes.known(name) == LEXICAL:
            raise PatinaError(f"{LEXICAL}: words have no vectors: expected a projection or {BASE}")
        with self._lock:
            kept = self._kept.setdefault(indexes, {})
            kept[name] = kept.pop(name) if name in kept else _drawn(indexes.paths(name))
            if len(kept) > MOST_KEPT:
                del kept[next(iter(kept))]
            return kept[name]


def _drawn(paths: ProjectionPaths) -> EncodedDocument:
    found = item_places(paths, MAP_ITEMS)
    document = map_document(found, HOVER_CHARACTERS)
    return EncodedDocument.of({**document, "names": [name_of(item) for item in found.items], "items": found.total})
