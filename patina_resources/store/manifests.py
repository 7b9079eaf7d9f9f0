"""What is known of built stages: records, and the manifest file that keeps them.

A manifest carries two digests of its own content: a plain one, by which damage to a figure in it is found, and one that
is keyed, by which this installation knows what it built itself. It says whose manifest it is.
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from patina_resources.errors import PatinaError, shown
from patina_resources.store.trust import installation, is_keyed_digest, keyed_digest, trusts_other_installations

VERSION = 3
VERSION_WITHOUT_KEY = 2
VERSION_WITHOUT_DIGEST = 1
SUFFIX = ".manifest.json"
PURPOSE = "manifest"


class BuiltElsewhereError(PatinaError):
    """What is there was not built by this user's installation; `patina trust` accepts it."""


@dataclass(frozen=True)
class StageInput:
    """One thing that went into an artifact.

    Attributes:
        value: What enters the fingerprint.
        rows: For a source, its number of rows.
        parts: For models side by side, each one's own value by name: so a change can be told by name.
    """

    value: str
    rows: int | None = None
    parts: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputFile:
    """One file that a stage wrote."""

    file: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class StageRecord:
    """What a manifest knows of one stage.

    Attributes:
        fingerprint: Hash of all inputs.
        inputs: The inputs by name, to say in words why a stage is stale.
        digest: Hash of what the next stages depend on.
        outputs: The stage's files by role.
        facts: Counts and measures, for people.
        built_at: UTC time of the build (ISO 8601).
    """

    fingerprint: str
    inputs: Mapping[str, StageInput]
    digest: str
    outputs: Mapping[str, OutputFile]
    facts: Mapping[str, Any] = field(default_factory=dict)
    built_at: str = ""


Manifest = Mapping[str, StageRecord]


@dataclass(frozen=True)
class FoundManifest:
    """A manifest, whoever wrote it.

    Attributes:
        stages: What it says.
        ours: Whether this installation wrote it, or there is none.
        built_by: The installation that it names; empty for one of an older version.
    """

    stages: Manifest
    ours: bool
    built_by: str


def read_manifest(path: Path) -> Manifest:
    """Return a manifest; an empty one where the file does not exist.

    Raises:
        BuiltElsewhereError: Another installation wrote it, and the user has not accepted that.
        PatinaError: The file is damaged.
    """
    found = find_manifest(path)
    if not found.ours and not trusts_other_installations():
        raise BuiltElsewhereError(
            f"{path}: was built elsewhere: run `patina oxidize` to build it again, or `patina trust` to accept it"
        )
    return found.stages


def find_manifest(path: Path) -> FoundManifest:
    """Return a manifest and who wrote it.

    Raises:
        PatinaError: The file is damaged.
    """
    try:
        document = json.loads(path.read_bytes())
        _check(path, document)
        stages = {str(stage): _record(entry) for stage, entry in document["stages"].items()}
        return FoundManifest(stages, _is_ours(document), _text(document.get("built_by", "")))
    except FileNotFoundError:
        return FoundManifest({}, ours=True, built_by="")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise PatinaError(
            f"{path}: the manifest is damaged ({type(error).__name__}: {error}): "
            "run `patina oxidize` to build what it described again"
        ) from error


def manifest_document(name: str, manifest: Manifest) -> bytes:
    """Return the manifest of the projection `name` (or of `base`, or of a model) as a file."""
    stages = {
        stage: {
            "fingerprint": record.fingerprint,
            "inputs": {
                name: {"value": entry.value}
                | ({} if entry.rows is None else {"rows": entry.rows})
                | ({"parts": dict(entry.parts)} if entry.parts else {})
                for name, entry in record.inputs.items()
            },
            "digest": record.digest,
            "outputs": {
                role: {"file": output.file, "sha256": output.sha256, "bytes": output.bytes}
                for role, output in record.outputs.items()
            },
            "facts": dict(record.facts),
            "built_at": record.built_at,
        }
        for stage, record in manifest.items()
    }
    content = _content(name, stages)
    document = {
        "version": VERSION,
        "of": name,
        "sha256": hashlib.sha256(content).hexdigest(),
        "built_by": installation(),
        "keyed_sha256": keyed_digest(PURPOSE, content),
        "stages": stages,
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def _check(path: Path, document: Mapping[str, Any]) -> None:
    """Raise ValueError where a manifest is of another version, of another projection, or not as it was written."""
    version, name = document["version"], path.name.removesuffix(SUFFIX)
    if version not in (VERSION, VERSION_WITHOUT_KEY, VERSION_WITHOUT_DIGEST):
        raise ValueError(f"version {shown(version)}, expected {VERSION}")
    if version == VERSION_WITHOUT_DIGEST and "sha256" not in document:
        return
    if document["of"] != name:
        raise ValueError(f"it is that of {shown(document['of'])}")
    if document["sha256"] != hashlib.sha256(_content(name, document["stages"])).hexdigest():
        raise ValueError("its digest is not that of its content")


def _is_ours(document: Mapping[str, Any]) -> bool:
    content = _content(document.get("of"), document["stages"])
    return document["version"] == VERSION and is_keyed_digest(PURPOSE, content, _text(document.get("keyed_sha256", "")))


def _content(name: object, stages: object) -> bytes:
    return json.dumps([name, stages]).encode()


def _record(entry: Mapping[str, Any]) -> StageRecord:
    return StageRecord(
        fingerprint=_text(entry["fingerprint"]),
        inputs={
            str(name): StageInput(
                _text(value["value"]),
                _optional_count(value.get("rows")),
                {str(part): _text(own) for part, own in value.get("parts", {}).items()},
            )
            for name, value in entry["inputs"].items()
        },
        digest=_text(entry["digest"]),
        outputs={
            str(role): OutputFile(_file_name(value["file"]), _digest(value["sha256"]), int(value["bytes"]))
            for role, value in entry["outputs"].items()
        },
        facts=_facts(entry["facts"]),
        built_at=_text(entry["built_at"]),
    )


def _facts(value: Mapping[str, Any]) -> dict[str, Any]:
    """Return a stage's facts: those that are read again, beside being shown, are of the shape they are written in."""
    tables: list[Any] = [value, value.get("metrics", {}), *value.get("evaluation", []), *value.get("history", [])]
    if not all(isinstance(table, dict) for table in tables):
        raise TypeError("expected facts as tables")
    if not all(isinstance(row["vectors"], str) for row in value.get("evaluation", [])):
        raise TypeError("expected the kind of vectors as text")
    for table in tables[1:]:
        for number in (entry for key, entry in table.items() if key != "vectors"):
            _optional_number(number)
    _optional_number(value.get("recall_at_10"))
    return dict(value)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"expected text, got {shown(value)}")
    return value


def _digest(value: object) -> str:
    digest = _text(value)
    if not re.fullmatch(r"[0-9a-f]{64}", digest):  # it becomes part of a file name
        raise ValueError(f"expected a SHA-256, got {shown(digest)}")
    return digest


def _optional_count(value: object) -> int | None:
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    raise TypeError(f"expected a count, got {shown(value)}")


def _optional_number(value: object) -> None:
    if value is not None and not isinstance(value, int | float):
        raise TypeError(f"expected a number, got {shown(value)}")


def _file_name(value: object) -> str:
    name = _text(value)
    if not name or "/" in name or "\0" in name or name in {".", ".."}:
        raise ValueError(f"expected a file name, got {shown(name)}")
    return name
