"""`models.lock`: which base models are on this machine, and where their bytes came from (TOML, one table a model).

Written as a whole, atomically, while holding a mutex. A file that cannot be read is never written over: what it said
may be the only record of where a model came from.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path

from patina_resources.errors import PatinaError, did_you_mean, shown
from patina_resources.store.files import exclusive, write_atomic
from patina_resources.store.text_file import key_name, read_toml

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

    downloaded: str
    source_model: str
    source_tokenizer: str
    sha256_model: str
    sha256_tokenizer: str
    size_bytes: int
    dimensions: int
    revision: str = ""
    precision: str = ""
    max_tokens: int | None = None
    pooling: str | None = None
    query_prefix: str = ""
    passage_prefix: str = ""


_ALL_KEYS = tuple(field.name for field in fields(LockRecord))
_NEEDED_KEYS = tuple(field.name for field in fields(LockRecord) if field.default is MISSING)
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_SHA256 = re.compile(r"[0-9a-f]{64}")
# A folder's name, behind that of its project where one defines the model.
_KEY = re.compile(r"(?:[A-Za-z0-9_-]{1,80}/)?(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._@-]{0,199}")


def read_lock(path: Path) -> dict[str, LockRecord]:
    """Return the records by model name; none where the file does not exist.

    Raises:
        PatinaError: The file cannot be read, or is not what `write_lock` writes.
    """
    try:
        document = read_toml(path)
    except FileNotFoundError:
        return {}
    except PatinaError as error:
        raise PatinaError(f"{error}: damaged: {_remedy(path)}") from error
    return {name: _record(name, table, path) for name, table in document.items()}


def record_model(path: Path, name: str, record: LockRecord) -> None:
    """Add or replace one model's record, under the mutex beside the file.

    Raises:
        PatinaError: The file is damaged (it is left as it is) or cannot be written.
    """
    with exclusive(path.with_name(f"{path.name}.mutex"), WAIT_SECONDS, "recording a model"):
        records = read_lock(path)
        write_atomic(path, _document({**records, name: record}))


def _record(name: str, table: object, path: Path) -> LockRecord:
    if not _KEY.fullmatch(name):
        raise PatinaError(f"{path}: damaged ({shown(name)} names no model): {_remedy(path)}")
    if not isinstance(table, dict):
        raise PatinaError(f"{path}: damaged ({shown(name)} is not a table): {_remedy(path)}")
    for key, value in table.items():
        if key not in _ALL_KEYS:
            hint = did_you_mean(key, _ALL_KEYS)
            raise PatinaError(f"{path}: damaged ([{key_name(name)}] unknown key {shown(key)}{hint}): {_remedy(path)}")
        if not _fits(key, value):
            raise PatinaError(f"{path}: damaged ([{key_name(name)}] {key} is {shown(value)}): {_remedy(path)}")
    missing = [key for key in _NEEDED_KEYS if key not in table]
    if missing:
        raise PatinaError(f"{path}: damaged ([{key_name(name)}] lacks {', '.join(missing)}): {_remedy(path)}")
    return LockRecord(**table)


def _fits(key: str, value: object) -> bool:
    if key in {"size_bytes", "dimensions", "max_tokens"}:
        return type(value) is int and value >= 1
    if key in {"sha256_model", "sha256_tokenizer"}:
        return isinstance(value, str) and _SHA256.fullmatch(value) is not None
    return isinstance(value, str)


def _remedy(path: Path) -> str:
    return f"correct it by hand, or move it away (`mv {path} {path}.bad`) and add your models again"


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
