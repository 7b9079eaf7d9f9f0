"""The indexes of a project, opened when first asked, and the vector of a query."""

from collections.abc import Iterable, Sequence
from concurrent.futures import Executor, Future
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from patina_assets.learning.projection import Projection, from_safetensors
from patina_assets.learning.verdict import takes_part, validation_gain
from patina_assets.passages.passage import Group
from patina_assets.search.asking.question_map import by_group
from patina_assets.search.base_model import asked_with, base_files, base_settings, embed_query
from patina_assets.search.built import (
    BASE,
    LEXICAL,
    LOCK_REMEDY,
    IndexesAhead,
    measured_facts,
    read_built,
    read_index,
)
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.search_file import SearchFile
from patina_assets.search.fusion import KINDS_NOT_ASKED_FOR
from patina_assets.search.index import load_index, some_vectors
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec, resolve_base
from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.manifests import read_manifest
from patina_resources.store.mothership import mothership
from patina_resources.store.paths import ProjectionPaths

if TYPE_CHECKING:
    from usearch.index import Index

# The most neighbours that an index is asked for at once.
MOST_NEIGHBOURS = 10_000


@dataclass(frozen=True)
class OpenIndex:
    """An index in memory with what belongs to it."""

    name: str
    index: "Index"
    file: SearchFile
    projection: Projection | None
    spec: BaseSpec

    def asked_with(self, vector: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return a question's base-model vector, float32 [dim], as the index is asked with it."""
        return asked_with(self.spec, vector) if self.projection is None else self.projection.apply_one(vector)

    def nearest(self, vector: NDArray[np.float32], k: int) -> Iterable[tuple[int, float]]:
        """Return keys of k items and their cosines, nearest first.

        Args:
            vector: A question's base-model vector, float32 [dim].
            k: Number of items.
        """
        return self.around(self.asked_with(vector), k)

    def around(self, vector: NDArray[np.float32], k: int) -> Iterable[tuple[int, float]]:
        """Return keys of k items and their cosines, nearest first.

        Args:
            vector: A vector as the index holds them, float32 [dim].
            k: Number of items.
        """
        matches = self.index.search(vector, max(min(k, len(self.index), MOST_NEIGHBOURS), 1))
        return zip(matches.keys.tolist(), (1.0 - distance for distance in matches.distances.tolist()), strict=True)

    def vectors(self, keys: Sequence[int]) -> NDArray[np.float32]:
        """Return the vectors of some keys as the index holds them, float32 [len(keys), dim]."""
        return some_vectors(self.index, keys)

    def answers_questions(self) -> bool:
        """Return whether its items read like something a person would ask for."""
        return len(self.index) > 0 and self.file.identity(0)[0] not in KINDS_NOT_ASKED_FOR


class Indexes:
    """What the last build published."""

    def __init__(self, project: Project, ahead: IndexesAhead | None = None) -> None:
        """Read what is built.

        Args:
            project: The project.
            ahead: Has begun to read its indexes.

        Raises:
            PatinaError: Nothing is built, or the lock is damaged.
        """
        self._project = project
        self._read = read_index if ahead is None else ahead.read
        self._loading: Future[None] | None = None
        built = read_built(project)
        self.projections = built.projections
        self._home = mothership()
        registry = load_registry(self._home, project)
        try:
            self.spec: BaseSpec = resolve_base(registry, built.model)
        except PatinaError as error:
            raise PatinaError(
                f"{project.lock}: embedding_model: {error}; if the lock is damaged, {LOCK_REMEDY}"
            ) from error
        self._open: dict[str, OpenIndex] = {}
        self._words: PassageFile | None = None  # the passages without their vectors
        # Read once, as the indexes are: to read and check the manifests of eight projections takes milliseconds.
        self._reasons: dict[str, str | None] = {}

    @property
    def knows_own_words_alone(self) -> bool:
        """Whether the base model has learned from the project's own texts and nothing else."""
        return all(part.name == CORPUS_STATIC for part in self.spec.parts)

    def known(self, name: str) -> str:
        """Return a name that can be searched.

        Raises:
            PatinaError: It is none.
        """
        known = [*self.projections, BASE, LEXICAL]
        if name not in known:
            hint = did_you_mean(name, known)
            raise PatinaError(f"no projection {shown(name)} is built{hint}: expected one of {', '.join(known)}")
        return name

    def paths(self, name: str) -> ProjectionPaths:
        """Return the names of the files of a projection, or of `base`."""
        model = self.spec.name
        return self._project.base_paths(model) if name == BASE else self._project.projection_paths(model, name)

    def opened(self, name: str) -> OpenIndex:
        """Return an index.

        Raises:
            PatinaError: It is missing or damaged.
        """
        if name not in self._open:
            paths = self.paths(name)
            index, search = self._read(paths)
            file = (PassageFile if name == BASE else SearchFile)(search, paths.search.name)
            weights = file.weights
            projection = from_safetensors(weights, paths.search.name) if weights is not None else None
            self._open[name] = OpenIndex(name, load_index(index, str(paths.index)), file, projection, self.spec)
        return self._open[name]

    def no_part(self, name: str) -> str | None:
        """Return why a projection is searched only where it is asked for by name; None where it always is."""
        if name not in self._reasons:
            self._reasons[name] = self._no_part(name)
        return self._reasons[name]

    def _no_part(self, name: str) -> str | None:
        paths = self._project.projection_paths(self.spec.name, name)
        try:
            facts = measured_facts(paths)
        except PatinaError:
            return None  # who opens it says what is wrong
        if takes_part(facts):
            return None
        gain = validation_gain(facts)
        return f"validation does not show that it beats base: {gain or 'it has no queries, or was not measured'}"

    def pair_type(self, name: str) -> str:
        """Return the pair type that a projection was trained on; "" where it does not say."""
        record = read_manifest(self._project.projection_paths(self.spec.name, name).manifest).get("pairs")
        told = record.inputs.get("pair type") if record is not None else None
        return told.value.partition("@")[0] if told is not None else ""

    def passages(self) -> PassageFile:
        """Return the passages, also where their vectors are missing or damaged.

        Raises:
            PatinaError: They are missing or damaged.
        """
        if self._words is not None:
            return self._words
        try:
            file = self.opened(BASE).file
        except PatinaError:
            paths = self.paths(BASE)
            _, (search,) = read_outputs(paths, "index", ("search.db",))
            file = self._words = PassageFile(search, paths.search.name)
        assert isinstance(file, PassageFile)  # noqa: S101 - `opened` makes it so
        return file

    def has_passages(self) -> bool:
        """Return whether there are passages whose words can be searched."""
        try:
            self.passages()
        except PatinaError:
            return False
        return True

    def whole(self, names: Iterable[str], missing: dict[str, str]) -> list[OpenIndex]:
        """Return those of some indexes that can be opened; of the others, note why not."""
        opened = []
        for name in names:
            try:
                opened.append(self.opened(name))
            except PatinaError as error:
                missing[name] = str(error)
        return opened

    def vector(self, query: str) -> NDArray[np.float32]:
        """Return the query's base-model vector, float32 [dim]; zeros where no word is known.

        Raises:
            PatinaError: The model is missing or damaged.
        """
        if self._loading is not None:
            self._loading.result()
        return embed_query(self.spec, self._files, query)

    def vectors_by_group(self, query: str, vector: NDArray[np.float32]) -> dict[Group, NDArray[np.float32]]:
        """Return the query's base-model vector for the groups that are asked with another one, float32 [dim].

        Args:
            query: The question.
            vector: From `vector`.

        Raises:
            PatinaError: A file of the program is not as it was shipped.
        """
        return by_group(query, self.spec, self._files, vector)

    def load_model(self, beside: Executor) -> None:
        """Begin to load the base model in another thread; who asks for a vector waits for it."""
        self._loading = beside.submit(self._load_model)

    def _load_model(self) -> None:
        with suppress(PatinaError):  # who asks for a vector says what is wrong
            embed_query(self.spec, self._files, "")

    def comparable(
        self, query: str, opened: Iterable[OpenIndex], missing: dict[str, str]
    ) -> NDArray[np.float32] | None:
        """Return the query's vector, None where the model cannot be used; note which indexes are of another model."""
        try:
            vector = self.vector(query)
        except PatinaError as error:
            missing |= {index.name: str(error) for index in opened}
            return None
        for index in opened:
            reason = self.other_model(index)
            if reason is not None:
                missing[index.name] = reason
        return vector

    def other_model(self, index: OpenIndex) -> str | None:
        """Return why the query's vector cannot be compared with those of an index; None where it can."""
        built_with = {"model_digest": self._files.digest, "model_settings": base_settings(self.spec)}
        if built_with.items() <= index.file.facts.items():
            return None
        return f"built with other bytes or settings of {self.spec.name}: run `patina oxidize`"

    @cached_property
    def _files(self) -> BaseFiles:
        return base_files(self._project, self._home, self.spec)
