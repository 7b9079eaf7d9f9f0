"""What is known of built stages: records, and the manifest file that keeps them.

A manifest carries two digests of its own content: a plain one, by which damage to a figure in it is found, and one that
is keyed, by which this installation knows what it built itself. It says whose manifest it is.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

from patina_resources.documents.checks import (
    ANYTHING,
    SHA256,
    TEXT,
    Check,
    InvalidError,
    list_of,
    record,
    table,
    table_of,
    whole,
)
from patina_resources.documents.document import Location, fault_text, shown_location
from patina_resources.documents.json_value import json_value
from patina_resources.errors import PatinaError, shown
from patina_resources.store.known_files import KnownFiles, State, state_of
from patina_resources.store.lineage import Lineage
from patina_resources.store.trust import installation, is_keyed_digest, keyed_digest, trusts_other_installations

VERSION = 3
VERSION_WITHOUT_KEY = 2
VERSION_WITHOUT_DIGEST = 1
SUFFIX = ".manifest.json"
PURPOSE = "manifest"
# Fact of a stage that was not built from its inputs alone: how much of it came or went since it was.
EXTENDED = "extended"

_FILE_NAME = Check(
    "a file name",
    lambda value: isinstance(value, str) and value not in {"", ".", ".."} and not {"/", "\0"}.intersection(value),
)
_FIGURE = Check("a number", lambda value: value is None or isinstance(value, int | float))
_FIGURES = table_of(_FIGURE, "a table of figures")
_EVALUATION = Check(
    "a table with the kind of vectors",
    lambda value: isinstance(value, dict) and isinstance(value.get("vectors"), str),
    convert=lambda value, location: _FIGURES.read({**value, "vectors": None}, location),
)
# The facts that are read again, beside being shown.
_READ_FACTS: Mapping[str, Check] = {
    "metrics": _FIGURES,
    "evaluation": list_of(_EVALUATION, "a list of tables"),
    "history": list_of(_FIGURES, "a list of tables"),
    "continuations": list_of(_FIGURES, "a list of tables"),
    "drifts": list_of(_FIGURES, "a list of tables"),
    "churn": list_of(_FIGURES, "a list of tables"),
    "recall_at_10": _FIGURE,
    "built_recall_at_10": _FIGURE,
    EXTENDED: _FIGURE,
}


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

    value: Annotated[str, TEXT]
    rows: Annotated[int | None, whole(0)] = None
    parts: Annotated[Mapping[str, str], table_of(TEXT, "texts by name")] = field(default_factory=dict)


@dataclass(frozen=True)
class OutputFile:
    """One file that a stage wrote."""

    file: Annotated[str, _FILE_NAME]
    sha256: Annotated[str, SHA256]  # it becomes part of a file name
    bytes: Annotated[int, whole(0)]


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
        lineage: What it was trained on; None for what is not trained. An older version wrote none: what it trained was
            trained on exactly the inputs.
    """

    fingerprint: str
    inputs: Mapping[str, StageInput]
    digest: str
    outputs: Mapping[str, OutputFile]
    facts: Mapping[str, Any] = field(default_factory=dict)
    built_at: str = ""
    lineage: Lineage | None = None

    @property
    def is_clean(self) -> bool:
        """Whether it is what building it from exactly its inputs alone gives."""
        if self.facts.get(EXTENDED):
            return False
        return self.lineage is None or (self.lineage.began_with == self.fingerprint and not self.lineage.continued)


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


@dataclass(frozen=True)
class _Parsed:
    """A manifest file that is whole; whether it is ours depends on the key, and is asked each time."""

    stages: Manifest
    version: int
    content: bytes
    keyed_digest: str
    built_by: str


# A manifest is asked for many times in a build, and read once for each time that it was written. By path: what it was
# before is asked for no more, and a server would keep it for a day.
_PARSED: KnownFiles[tuple[State, _Parsed]] = KnownFiles(most=256)


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
        known, state = _PARSED.get(path), state_of(path.stat())
        parsed = known[1] if known is not None and known[0] == state else _parse(path)
        ours = parsed.version == VERSION and is_keyed_digest(PURPOSE, parsed.content, parsed.keyed_digest)
        if ours and parsed.built_by != installation():
            raise ValueError("its key is that of this installation, and it names another one")
        return FoundManifest(parsed.stages, ours, parsed.built_by)
    except FileNotFoundError:
        return FoundManifest({}, ours=True, built_by="")
    except InvalidError as error:
        fault = error.faults[0]
        raise _damaged(path, f"{shown_location(fault, 'JSON')}{fault_text(fault, 'JSON')}") from error
    except (OSError, ValueError) as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, reason: str) -> PatinaError:
    return PatinaError(
        f"{path}: the manifest is damaged ({reason}): run `patina oxidize` to build what it described again"
    )


def manifest_document(name: str, manifest: Manifest) -> bytes:
    """Return the manifest of the projection `name` (or of `base`, or of a model) as a file."""
    stages = {stage: record_document(record) for stage, record in manifest.items()}
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


def record_document(record: StageRecord) -> dict[str, Any]:
    """Return a manifest entry for JSON; `record_of` reads it."""
    return {
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
        **({} if record.lineage is None else {"lineage": asdict(record.lineage)}),
    }


def record_of(entry: object) -> StageRecord:
    """Return the manifest entry that `record_document` gave.

    Raises:
        ValueError: It is something else.
    """
    try:
        found: StageRecord = _STAGE.read(entry, ())
    except InvalidError as error:
        raise ValueError(fault_text(error.faults[0], "JSON")) from error
    return found


def _check(path: Path, document: Mapping[str, Any]) -> None:
    """Raise ValueError where a manifest is of another version, of another projection, or not as it was written."""
    version, name = document.get("version"), path.name.removesuffix(SUFFIX)
    if version not in (VERSION, VERSION_WITHOUT_KEY, VERSION_WITHOUT_DIGEST):
        raise ValueError(f"version {shown(version)}, expected {VERSION}")
    if version == VERSION_WITHOUT_DIGEST and "sha256" not in document:
        return
    if document.get("of") != name:
        raise ValueError(f"it is that of {shown(document.get('of'))}")
    if document.get("sha256") != hashlib.sha256(_content(name, document["stages"])).hexdigest():
        raise ValueError("its digest is not that of its content")


def _parse(path: Path) -> _Parsed:
    """Return a manifest as it is written, and remember it for the state that the file is in."""
    with path.open("rb") as file:
        before = state_of(os.fstat(file.fileno()))
        document = json_value(file.read())
        unchanged = state_of(os.fstat(file.fileno())) == before
    told = _HEAD.read(document, ())
    _check(path, document)
    parsed = _Parsed(
        stages=_STAGES.read(told["stages"], ("stages",)),
        version=document["version"],
        content=_content(document.get("of"), document["stages"]),
        keyed_digest=told.get("keyed_sha256", ""),
        built_by=told.get("built_by", ""),
    )
    if unchanged:
        _PARSED.put(path, (before, parsed))
    return parsed


def _content(name: object, stages: object) -> bytes:
    return json.dumps([name, stages]).encode()


def _facts(value: dict[str, Any], location: Location) -> dict[str, Any]:
    """Return a stage's facts: those that are read again are of the shape they are written in."""
    for name, check in _READ_FACTS.items():
        if name in value:
            check.read(value[name], (*location, name))
    return value


_STAGE = table(
    {
        "fingerprint": TEXT,
        "inputs": table_of(record(StageInput), "inputs by name"),
        "digest": TEXT,
        "outputs": table_of(record(OutputFile), "files by role"),
        "facts": Check("a table of facts", lambda value: isinstance(value, dict), convert=_facts),
        "built_at": TEXT,
        "lineage": record(Lineage),
    },
    needed=("fingerprint", "inputs", "digest", "outputs", "facts", "built_at"),
    foreign_keys=True,
    then=lambda values: StageRecord(**values),
)
_STAGES = table_of(_STAGE, "stages by name")
_HEAD = table(
    {"version": ANYTHING, "stages": ANYTHING, "of": TEXT, "sha256": TEXT, "built_by": TEXT, "keyed_sha256": TEXT},
    needed=("version", "stages"),
    foreign_keys=True,
)
