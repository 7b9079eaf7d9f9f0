"""What a stage is: everything that differs between stages, in one class for each."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from patina_assets.pairs.entities import EntityRelations
from patina_assets.pairs.hash_sample import Drift
from patina_assets.pairs.items import Item
from patina_assets.pairs.pair_type import PairType
from patina_assets.pairs.relations import unique_texts
from patina_assets.pipeline.formats import decode_items
from patina_assets.pipeline.progress import Report
from patina_assets.pipeline.stages.display import Column
from patina_assets.recipe.model import Refresh
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.eventlog.reader import Eventlog, Row, Source
from patina_resources.project.project import Project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.files import sha256
from patina_resources.store.known_files import KnownFiles
from patina_resources.store.manifests import StageRecord

ITEMS = "items.jsonl"
# More would fill memory: their texts are told apart each time.
MOST_KEPT_BYTES = 16 << 20
# A stage, its checks and the next stages ask for the texts of the same items one after the other.
_TEXTS: KnownFiles[list[str]] = KnownFiles(most=1)


@dataclass(frozen=True)
class Built:
    """What a stage computed.

    Attributes:
        contents: File contents by role (`pairs.jsonl`, `safetensors`, ...).
        digests: Their SHA-256, from `hashed`.
        digest: Hash of what the next stages depend on.
        facts: Counts and measures, for people.
        sources: Digests of the rows that were read, by source name.
    """

    contents: Mapping[str, bytes]
    digests: Mapping[str, str]
    digest: str
    facts: Mapping[str, Any]
    sources: Mapping[str, SourceDigest] = field(default_factory=dict)


@dataclass(frozen=True)
class Work:
    """What a stage is built from.

    Attributes:
        project: The project.
        spec: The base model's description.
        files: The base model's verified files; empty for a stage that does not embed.
        eventlog: The eventlog.
        built: The stages before it, all of one moment.
        report: Called with lines of progress.
        epochs: Where it continues what was trained: by so many epochs; 0 to train from the start.
        clean: Whether it must be built from its inputs alone, and not from what there was before.
    """

    project: Project
    spec: BaseSpec
    files: BaseFiles
    eventlog: Eventlog
    built: BuiltProjection
    report: Report
    epochs: int = 0
    clean: bool = True


@dataclass(frozen=True)
class CheckResult:
    """The result of a check.

    Attributes:
        name: One of those that the stage has `promised`.
        passed: Whether what was promised holds.
        reason: What was found, in words.
        blocking: Whether the stage is not published where it failed, and what follows is not built.
        figures: Numbers that Dagster plots.
    """

    name: str
    passed: bool
    reason: str
    blocking: bool = True
    figures: Mapping[str, float] = field(default_factory=dict)


class FailedCheckError(PatinaError):
    """A check of a stage failed that holds it back, and what follows it.

    Attributes:
        projection: The projection.
        stage: Name of its stage.
        checks: The results of all its checks.
    """

    def __init__(self, projection: str, stage: str, checks: Sequence[CheckResult]) -> None:
        """Take the results of all checks; at least one of them holds back, and has failed."""
        first = next(check for check in checks if check.blocking and not check.passed)
        super().__init__(
            f"{projection}/{stage}: the check {first.name} failed: {first.reason}: what was built before stays; "
            "`patina oxidize --full` takes nothing from it"
        )
        self.projection, self.stage, self.checks = projection, stage, tuple(checks)


class Stage(ABC):
    """One stage of one projection: a value, like the recipe that it comes from.

    Attributes:
        name: What its manifest entry and its asset are called.
        version: Raised when it gives something else for the same inputs.
        kinds: What it is made with, as tags on its asset.
        description: What it is; `{name}` stands for the projection.
        promised: The checks of what it publishes, each with what it says.
        columns: What the table of `patina oxidize` tells of it.
        embeds: Whether it uses the base model.
    """

    name: ClassVar[str]
    version: ClassVar[int]
    kinds: ClassVar[frozenset[str]]
    description: ClassVar[str]
    promised: ClassVar[Mapping[str, str]]
    columns: ClassVar[tuple[Column, ...]] = ()
    embeds: ClassVar[bool] = False

    @property
    @abstractmethod
    def projection(self) -> str:
        """Name of its projection."""

    @property
    def upstream(self) -> tuple["Stage", ...]:
        """The stages of the projection that it is built from, in the order of building."""
        return ()

    @property
    def sources(self) -> tuple[Source, ...]:
        """The sources whose rows it is built from, each once, in the order of their names."""
        return ()

    @property
    def defining_types(self) -> tuple[PairType, ...]:
        """The pair types whose SQL its page links to."""
        return ()

    @property
    def place(self) -> str:
        """Projection and stage, such as `temporal/weights`."""
        return f"{self.projection}/{self.name}"

    def described(self) -> str:
        """Return its description."""
        return self.description.format(name=self.projection)

    @abstractmethod
    def inputs(self) -> dict[str, object]:
        """Return what the recipe and the program put into it, by the names that people read; not its version."""

    @abstractmethod
    def build(self, work: Work) -> Built:
        """Compute it.

        Raises:
            PatinaError: An input is missing or damaged, or holds too little.
        """

    def facts_after(self, facts: Mapping[str, Any], previous: StageRecord) -> Mapping[str, Any]:  # noqa: ARG002
        """Return a new build's facts with what is kept of the build before: nothing, unless a stage says otherwise."""
        return facts

    @abstractmethod
    def checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Return the results of its checks on what is about to be published, or was.

        Raises:
            PatinaError: A file is missing or damaged.
        """

    def passed_checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Return the results of its checks.

        Raises:
            FailedCheckError: One failed that holds it back.
            PatinaError: A file is missing or damaged.
        """
        checks = self.checks(built)
        if any(check.blocking and not check.passed for check in checks):
            raise FailedCheckError(self.projection, self.name, checks)
        return checks

    def metadata(self, built: BuiltProjection) -> dict[str, Any]:
        """Return what its page shows: numbers, text, `Table`s and `Picture`s; None is left out.

        Raises:
            PatinaError: A file is missing or damaged.
        """
        return dict(built.stage(self.name).record.facts)


class ItemStage(Stage):
    """A stage that publishes items."""

    def items(self, built: BuiltProjection) -> list[Item]:
        """Return the items; their order is their row in the index."""
        return decode_items(built.stage(self.name).read(ITEMS))

    def texts(self, built: BuiltProjection) -> list[str]:
        """Return the unique texts that are embedded, sorted."""
        output = built.stage(self.name).record.outputs[ITEMS]
        texts = _TEXTS.get(output.sha256)
        if texts is None:
            texts = unique_texts(self.items(built))[0]
            if output.bytes <= MOST_KEPT_BYTES:
                _TEXTS.put(output.sha256, texts)
        return texts


class VectorStage(Stage):
    """A stage that gives a vector for each text.

    Attributes:
        weights_role: Role of its file with the trained weights; empty where it has none.
    """

    weights_role: ClassVar[str] = ""

    @abstractmethod
    def vectors(self, built: BuiltProjection, rows: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        """Return float32 [texts, dim], in the order of the texts; of some rows alone, where they are given."""

    def weights(self, built: BuiltProjection) -> bytes | None:
        """Return the trained weights (safetensors) that made them from the base model's vectors; None for none."""
        return built.stage(self.name).read(self.weights_role) if self.weights_role else None

    @abstractmethod
    def model_facts(self, built: BuiltProjection, model: str) -> dict[str, str]:
        """Return the base model's name, digest and settings: a query must be embedded in the same way."""


class TrainedStage(VectorStage):
    """A stage that trains: what it trained may be kept, or continued, when its inputs change."""

    @property
    @abstractmethod
    def refresh(self) -> Refresh:
        """When it is kept, continued or trained anew."""

    @abstractmethod
    def trained_on(self, built: BuiltProjection) -> dict[str, bytes]:
        """Return the file, by its role, that tells of what the stages before it published to train on.

        Raises:
            PatinaError: A file is missing or damaged.
        """

    @abstractmethod
    def drift(self, built: BuiltProjection, today: EntityRelations | None = None) -> Drift:
        """Return how far what it was trained on is from what there is.

        Args:
            built: The projection.
            today: What there is; None for what the stages before it published.

        Raises:
            PatinaError: A file is missing or damaged, or the version that built the stage did not write it.
        """


def read_rows(
    eventlog: Eventlog, sources: Sequence[Source]
) -> tuple[dict[str, Sequence[Row]], dict[str, SourceDigest]]:
    """Return rows and their digests, by source name, of one moment."""
    read = eventlog.read(list(sources))
    digests = {name: SourceDigest(entry.digest, len(entry.rows)) for name, entry in read.items()}
    return {name: entry.rows for name, entry in read.items()}, digests


def sorted_sources(pair_types: Sequence[PairType]) -> tuple[Source, ...]:
    """Return the sources of pair types, each once, in the order of their names."""
    found = {source.name: source for pair_type in pair_types for source in pair_type.sources}
    return tuple(found[name] for name in sorted(found))


def hashed(contents: Mapping[str, bytes]) -> dict[str, str]:
    """Return the SHA-256 (hex) of each content."""
    return {role: sha256(data) for role, data in contents.items()}


def digest_of_all(digests: Mapping[str, str]) -> str:
    """Return the digest of several files together, from their own."""
    return sha256(" ".join(digest for _, digest in sorted(digests.items())).encode())
