"""What search reads: passages of code, documents, commits, notes and issues, and the index over them."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from types import MappingProxyType

from patina_assets.pairs.files import FILE_HISTORY, read_files
from patina_assets.pairs.items import Item
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pairs.types.same_session import NOTE_PLACES, SAME_SESSION, note_key, of_notes
from patina_assets.passages.code import CODE_DEFINITIONS, CODE_FILES, code_passages
from patina_assets.passages.documents import DOCUMENTS, document_passages
from patina_assets.passages.encoding import decode_passages, encode_passages_lines, keep_passages
from patina_assets.passages.files import files_to_read
from patina_assets.passages.forge import FORGE, forge_passages
from patina_assets.passages.history import COMMITS, commit_passages, file_passages, note_passage
from patina_assets.passages.item_source import ItemSource, ItemSources, installed_item_sources, passages_of
from patina_assets.passages.passage import Passage
from patina_assets.pipeline.stages.index import IndexStage
from patina_assets.pipeline.stages.stage import (
    ITEMS,
    MOST_KEPT_BYTES,
    Built,
    CheckResult,
    ItemStage,
    Work,
    digest_of_all,
    hashed,
    read_rows,
)
from patina_resources.errors import PatinaError
from patina_resources.eventlog.reader import Row, Source
from patina_resources.materialize.texts import texts_of_files
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.known_files import KnownFiles

PASSAGES_ARE_UNIQUE = "items_are_unique"
# By digest: the next stages and their checks ask for the same items one after the other.
_ITEMS: KnownFiles[tuple[Item, ...]] = KnownFiles(most=1)
SOURCES = (CODE_DEFINITIONS, CODE_FILES, COMMITS, DOCUMENTS, FILE_HISTORY, FORGE, NOTE_PLACES, *SAME_SESSION.sources)


@cache
def item_sources() -> ItemSources:
    """Return the item sources that installed packages add."""
    return installed_item_sources([*SOURCES, *(source for known in PAIR_TYPES.values() for source in known.sources)])


@dataclass(frozen=True)
class PassagesStage(ItemStage):
    """The passages of a project, under the name of a projection."""

    owner: str

    name = "items"
    version = 7
    kinds = frozenset({"python"})
    description = (
        "Everything that search can return: passages of code, documents, commits, notes, issues and pull requests."
    )
    promised = MappingProxyType({PASSAGES_ARE_UNIQUE: "No passage stands twice in the index."})

    @property
    def projection(self) -> str:
        """Name of its projection."""
        return self.owner

    @property
    def sources(self) -> tuple[Source, ...]:
        """Code, documents, commits, notes, issues and pull requests, and what plugins read."""
        added = (source for entry in item_sources().found for source in entry.sources)
        found = {source.name: source for source in (*SOURCES, *added)}
        return tuple(found[name] for name in sorted(found))

    def inputs(self) -> dict[str, object]:
        """Return the versions of what makes notes out of rows, and of plugins: beside them, events alone decide."""
        added = ", ".join(entry.fingerprint for entry in item_sources().found)
        notes: dict[str, object] = {"pair types": f"{SAME_SESSION.name}@{SAME_SESSION.version}"}
        return {**notes, "item sources": added} if added else notes

    def build(self, work: Work) -> Built:
        """Read the sources, and the text of the files that they name."""
        rows, sources = read_rows(work.eventlog, self.sources)
        texts = texts_of_files(work.project.root, files_to_read([*rows[CODE_FILES.name], *rows[DOCUMENTS.name]]))
        return replace(build_passages(rows, texts, item_sources().found), sources=sources)

    def checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Check that no passage is there twice."""
        total = built.stage(self.name).record.facts["items"]
        # They are sorted: of two that are the same, one follows the other.
        repeated = sum(one.order() >= other.order() for one, other in pairwise(self._passages(built)))
        return [
            CheckResult(
                PASSAGES_ARE_UNIQUE,
                repeated == 0,
                f"{repeated} of {total} passages are repeated",
                figures={"repeated": repeated},
            )
        ]

    def passages(self, built: BuiltProjection) -> list[Passage]:
        """Return the passages; their order is their row in the index."""
        return list(self._passages(built))

    def items(self, built: BuiltProjection) -> list[Item]:
        """Return the passages as items."""
        output = built.stage(self.name).record.outputs[ITEMS]
        items = _ITEMS.get(output.sha256)
        if items is None:
            items = tuple(passage.item for passage in self._passages(built))
            if output.bytes <= MOST_KEPT_BYTES:
                _ITEMS.put(output.sha256, items)
        return list(items)

    def _passages(self, built: BuiltProjection) -> Iterable[Passage]:
        return decode_passages(built.stage(self.name).read(ITEMS))


def build_passages(
    rows: Mapping[str, Sequence[Row]], texts: Mapping[str, str], added: Sequence[ItemSource] = ()
) -> Built:
    """Return all passages, each once.

    Args:
        rows: By name of a source.
        texts: Text of files by path.
        added: Item sources of plugins.

    Raises:
        PatinaError: There are none, or a plugin failed.
    """
    files = read_files(rows[FILE_HISTORY.name])
    lines = of_notes(rows[NOTE_PLACES.name])
    found = [
        *code_passages(rows[CODE_FILES.name], rows[CODE_DEFINITIONS.name], texts),
        *document_passages(rows[DOCUMENTS.name], texts),
        *commit_passages(rows[COMMITS.name], files),
        *(note_passage(item, lines.get(note_key(item))) for item in SAME_SESSION.derive(rows).items),
        *forge_passages(rows[FORGE.name]),
    ]
    found += [passage for source in added for passage in passages_of(source, rows, texts)]
    found += file_passages(rows[COMMITS.name], files, {passage.path for passage in found})
    passages = {passage.order(): passage for passage in found}
    if not passages:
        raise PatinaError(
            "base: the eventlog holds nothing that can be searched: commit files or messages, "
            "then run `patina materialize`"
        )
    ordered = [passages[key] for key in sorted(passages)]
    contents = {ITEMS: encode_passages_lines(ordered)}
    keep_passages(contents[ITEMS], ordered)
    kinds = Counter(passage.kind for passage in ordered)
    facts = {
        "items": len(ordered),
        "kinds": {kind: kinds[kind] for kind in sorted(kinds)},
        "files_with_text": len(texts),
    }
    digests = hashed(contents)
    return Built(contents, digests, digest_of_all(digests), facts)


@dataclass(frozen=True)
class PassageIndexStage(IndexStage):
    """The index over passages, with their words beside it."""

    of: PassagesStage

    version = 9

    def search_file(self, work: Work) -> bytes:
        """Return the search file: the passages, and their words in columns."""
        from patina_assets.search.files.passage_tables import encode_passages

        return encode_passages(self.of.passages(work.built), self.by.model_facts(work.built, work.spec.name))
