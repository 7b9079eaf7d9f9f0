"""`models.lock`: which base models are on this machine, and where their bytes came from (TOML, one table a model).

Written as a whole, atomically, while holding a mutex. A file that cannot be read is never written over: what it said
may be the only record of where a model came from.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated

from patina_resources.documents.checks import SHA256, TEXT, InvalidError, faults_named, record, whole
from patina_resources.documents.document import Fault
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError
from patina_resources.store.files import write_atomic
from patina_resources.store.mutex import exclusive

HEADER = "# The models in this cache and where they came from. `patina model add` writes this file; do not edit it.\n"
WAIT_SECONDS = 30.0


@dataclass(frozen=True)
class LockRecord:
    """Provenance of one model; its key in the file is `ModelSpec.key`.

    Attributes:
        downloaded: UTC time (ISO 8601).
        source_model: Where the ONNX file came from (URL, folder, or package and file).
        source_tokenizer: Where tokenizer.json came from.
        sha256_model: SHA-256 (hex) of the ONNX file in the cache.
        sha256_tokenizer: SHA-256 (hex) of tokenizer.json.
        size_bytes: Size of both files together.
        dimensions: Length of a vector.
        revision: Commit on the hub, version of the package, or empty.
        precision: `int8`, `fp32`, or empty where it is not known.
        max_tokens: For a hub repository: what its files say.
        pooling: For a hub repository: what its files say.
        query_prefix: For a hub repository: what its files say.
        passage_prefix: For a hub repository: what its files say.
    """

    downloaded: Annotated[str, TEXT]
    source_model: Annotated[str, TEXT]
    source_tokenizer: Annotated[str, TEXT]
    sha256_model: Annotated[str, SHA256]
    sha256_tokenizer: Annotated[str, SHA256]
    size_bytes: Annotated[int, whole(1)]
    dimensions: Annotated[int, whole(1)]
    revision: Annotated[str, TEXT] = ""
    precision: Annotated[str, TEXT] = ""
    max_tokens: Annotated[int | None, whole(1)] = None
    pooling: Annotated[str | None, TEXT] = None
    query_prefix: Annotated[str, TEXT] = ""
    passage_prefix: Annotated[str, TEXT] = ""


_RECORD = record(LockRecord)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
# A folder's name, behind that of its project where one defines the model.
_KEY = re.compile(r"(?:[A-Za-z0-9_-]{1,80}/)?(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")


def read_lock(path: Path) -> dict[str, LockRecord]:
    """Return the records by model name; none where the file does not exist.

    Raises:
        PatinaError: The file cannot be read, or is not what `record_model` writes.
    """
    try:
        document = read_toml(path)
        with faults_named(document):
            return {name: _checked(name, table) for name, table in document.table.items()}
    except FileNotFoundError:
        return {}
    except PatinaError as error:
        remedy = f"correct it by hand, or move it away (`mv {path} {path}.bad`) and add your models again"
        raise PatinaError(f"{error}: damaged: {remedy}") from error


def _checked(name: str, table: object) -> LockRecord:
    if not _KEY.fullmatch(name):
        raise InvalidError(Fault("rule", (name,), expected="names no model"))
    found: LockRecord = _RECORD.read(table, (name,))
    return found


def record_model(path: Path, name: str, record: LockRecord) -> None:
    """Add or replace one model's record, under the mutex beside the file.

    Raises:
        PatinaError: The file is damaged (it is left as it is) or cannot be written.
    """
    with exclusive(path.with_name(f"{path.name}.mutex"), WAIT_SECONDS, "recording a model"):
        records = read_lock(path)
        write_atomic(path, _document({**records, name: record}))


def _document(records: Mapping[str, LockRecord]) -> bytes:
    lines = [HEADER]
    for name in sorted(records):
        lines.append(f"\n[{name if _BARE_KEY.fullmatch(name) else _toml_text(name)}]\n")
        for field in fields(LockRecord):
            value = getattr(records[name], field.name)
            if value not in (None, ""):
                written = str(value) if isinstance(value, int) else _toml_text(value)
                lines.append(f"{field.name} = {written}\n")
    return "".join(lines).encode()


def _toml_text(value: str) -> str:
    # JSON's escapes are a subset of a TOML basic string's, except that TOML also wants DEL escaped.
    printable = value.encode("utf-8", "replace").decode()
    return json.dumps(printable, ensure_ascii=False).replace("\x7f", "\\u007f")
