"""Which base models exist: `ModelSpec`, and the registry that finds one by name.

A name is a registry name (`all-minilm-l6-v2`), an alias (`bge-small`), or a repository on the model hub
(`hf:org/name`, `hf:org/name@revision`), whose shape is known once it has been added. A model that a project defines has
the project as its *scope*: it is known in that project alone, and its bytes lie apart from all others.
"""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from patina_resources.devices import Device
from patina_resources.documents.checks import SHA256, TEXT
from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.models.references import (
    HUB_PREFIX,
    check_model_name,
    folder_name_of,
    hub_parts,
    is_hub_name,
    model_key,
    reference_of,
)

Pooling = Literal["mean", "cls", "model"]
Precision = Literal["int8", "fp32"]
CORPUS_STATIC = "corpus-static"
# What a new project uses: words as this project uses them, and as English does. Nothing is downloaded.
ENGLISH_STATIC = "english-static"
EMBEDDED = f"{CORPUS_STATIC}+{ENGLISH_STATIC}"
DEFAULT_PRECISION: Precision = "int8"
SPEC_KEYS = ("dims", "max_tokens", "pooling", "query_prefix", "passage_prefix")


@dataclass(frozen=True)
class ModelSpec:
    """What the embedder has to know of a base model, beside its bytes.

    Attributes:
        name: Registry name, such as `all-minilm-l6-v2`; always usable as a folder name.
        dims: Length of a vector.
        max_tokens: Longer token sequences are cut here, special tokens included.
        pooling: `mean` or `cls` over token vectors; `model` where the graph already gives one vector per text.
        query_prefix: Put in front of a search query.
        passage_prefix: Put in front of everything else.
        scope: The project that defines it, as its folder in the mothership is named; empty where none does.
        device: What runs it over passages; not the model's own, but the project's choice.
    """

    name: str
    dims: int
    max_tokens: int
    pooling: Pooling
    query_prefix: str = ""
    passage_prefix: str = ""
    scope: str = ""
    device: Device = "cpu"

    @property
    def reference(self) -> str:
        """How a recipe or a command names this model: the name, or `hf:org/name[@revision]`."""
        return reference_of(self.name)

    @property
    def key(self) -> str:
        """How the cache and models.lock name it: the name, or `<project>/<name>`."""
        return model_key(self.name, self.scope)


@dataclass(frozen=True)
class ModelFiles:
    """Verified files of one model on this machine.

    Attributes:
        onnx: The ONNX graph with its weights.
        tokenizer: The `tokenizer.json` beside it.
        digest: SHA-256 (hex) over the digests of both: the identity of the model in fingerprints and caches.
        precision: What the graph computes in, where it is known.
    """

    onnx: Path
    tokenizer: Path
    digest: str
    precision: Precision | None = None


@dataclass(frozen=True)
class HubSource:
    """Where a model's files are on the model hub.

    Attributes:
        repository: `org/name`.
        revision: Branch, tag or commit; None for the default branch.
        onnx: The ONNX file of each precision; empty where the repository has to be looked through.
        tokenizer: The tokenizer file.
        sha256: Known SHA-256 (hex) by file name: what comes down must have it.
    """

    repository: str
    revision: str | None = None
    onnx: Mapping[Precision, str] = field(default_factory=dict)
    tokenizer: str = "tokenizer.json"
    sha256: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PackageSource:
    """A Python package that carries a sentence-transformers folder.

    Attributes:
        requirement: `name==version`.
        folder: The sentence-transformers folder inside the package.
        sha256_weights: SHA-256 (hex) of its `model.safetensors`.
        sha256_tokenizer: SHA-256 (hex) of its `tokenizer.json`.
    """

    requirement: Annotated[str, TEXT]
    folder: Annotated[str, TEXT]
    sha256_weights: Annotated[str, SHA256]
    sha256_tokenizer: Annotated[str, SHA256]


@dataclass(frozen=True)
class ShippedSource:
    """A model that comes with this program, in `shipped/NAME` beside the registry.

    Attributes:
        sha256_model: SHA-256 (hex) of its `model.onnx`.
        sha256_tokenizer: SHA-256 (hex) of its `tokenizer.json`.
    """

    sha256_model: Annotated[str, SHA256]
    sha256_tokenizer: Annotated[str, SHA256]


@dataclass(frozen=True)
class RegistryEntry:
    """All that the registry knows of a model.

    Attributes:
        spec: What the embedder needs.
        description: One line for people.
        aliases: Other names of the same model.
        similarity: How its vectors are meant to be compared.
        licence: Licence of the weights.
        size_mb: Download size in megabytes (10^6 bytes) by precision.
        hub: Its place on the model hub, if it has one.
        package: The package that carries it, if one does.
        shipped: That it comes with this program, if it does.
        origin: The file that defines it, or the package and its version.
        folder: The folder of the package that brings its files; None for what comes with this program.
    """

    spec: ModelSpec
    description: str = ""
    aliases: tuple[str, ...] = ()
    similarity: str = "cosine"
    licence: str = "not stated"
    size_mb: Mapping[Precision, int] = field(default_factory=dict)
    hub: HubSource | None = None
    package: PackageSource | None = None
    shipped: ShippedSource | None = None
    origin: str = "registry.toml"
    folder: Path | None = None


def model_digest(sha256_model: str, sha256_tokenizer: str) -> str:
    """Return a model's identity: SHA-256 (hex) over the hex digests of its ONNX file and its tokenizer."""
    return hashlib.sha256(f"{sha256_model} {sha256_tokenizer}".encode()).hexdigest()


def hub_reference(reference: str) -> HubSource:
    """Return the place on the hub that `hf:org/name[@revision]` names.

    Raises:
        PatinaError: It has another form.
    """
    return HubSource(*hub_parts(reference))


@dataclass(frozen=True)
class Registry:
    """The models that can be named, by registry name.

    Attributes:
        entries: Everything that the registry files define.
        added: Models that only models.lock describes (hub repositories, folders), as their own files did.
        settings: What tables say of hub repositories that are not added yet.
        scope: The project whose models are among them.
        own_names: The names that this project defines.
        plugged: Returns the models of installed packages. It is asked where a name is none of the others.
    """

    entries: Mapping[str, RegistryEntry]
    added: Mapping[str, RegistryEntry] = field(default_factory=dict)
    settings: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    scope: str = ""
    own_names: frozenset[str] = frozenset()
    plugged: Callable[[], Mapping[str, "RegistryEntry"]] = dict

    def scope_of(self, name: str) -> str:
        """Return the scope of the model with that folder name."""
        return self.scope if name in self.own_names else ""

    def names(self) -> tuple[str, ...]:
        """Return every model's name as a recipe writes it, the registry's first, then those that were only added."""
        return tuple(reference_of(name) for name in self.all_entries())

    def all_entries(self) -> dict[str, RegistryEntry]:
        """Return every entry by the name of its folder: the registry's first, then packages', then what was added."""
        others = {**self.plugged(), **self.added}
        return {**self.entries, **{name: entry for name, entry in others.items() if name not in self.entries}}

    def resolve(self, name: str) -> ModelSpec:
        """Return the spec of the model that `name` means: a name, an alias, or `hf:org/name[@revision]`.

        Raises:
            PatinaError: There is no such model, or it is a hub repository that has not been added.
        """
        return self.entry(name).spec

    def entry(self, name: str) -> RegistryEntry:
        """Return all that is known of the model that `name` means.

        Raises:
            PatinaError: There is no such model, or it is a hub repository that has not been added.
        """
        if is_hub_name(name):
            return self._hub_entry(reference_of(name))
        check_model_name(name)
        found = self.entries.get(name) or self._by_other_name(name.lower()) or self.added.get(name)
        found = found or self.plugged().get(name)
        if found is None:
            hint = did_you_mean(name.lower(), self._all_words())
            raise PatinaError(
                f"unknown model {shown(name)}{hint}: `patina model list` shows the known ones; a hub repository is "
                f"named {HUB_PREFIX}org/name, and your own goes into [models.{name}] of ~/.patina/registry.toml"
            )
        return found

    def knows(self, name: str) -> bool:
        """Return whether a plain name or an alias means a model."""
        is_known = name in self.entries or name in self.added or self._by_other_name(name.lower()) is not None
        return is_known or name in self.plugged()

    def _hub_entry(self, reference: str) -> RegistryEntry:
        folder = folder_name_of(reference)
        found = self.entries.get(folder) or self.added.get(folder)
        if found is None:
            raise PatinaError(f"model {reference} is not in the cache: run `patina model add {reference}`")
        return found

    def _by_other_name(self, lowered: str) -> RegistryEntry | None:
        for name, entry in self.entries.items():
            if lowered == name.lower() or lowered in entry.aliases:
                return entry
        return None

    def _all_words(self) -> list[str]:
        return [*self.all_entries(), *(alias for entry in self.entries.values() for alias in entry.aliases)]
