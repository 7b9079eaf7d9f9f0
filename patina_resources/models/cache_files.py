"""The files of one cached model: found by their digests, never through a link, and alone in their folder."""

import os
import stat
from functools import lru_cache
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.models.lock import LockRecord
from patina_resources.models.registry import Precision
from patina_resources.store.files import file_sha256

ONNX_NAMES: dict[Precision, str] = {"int8": "model_quantized.onnx", "fp32": "model.onnx"}
TOKENIZER_NAME = "tokenizer.json"
PENDING_SUFFIX = ".pending"


def find_file(folder: Path, names: tuple[str, ...], digest: str) -> Path | None:
    """Return the file of that SHA-256 under one of the names, or under its pending name; None where there is none.

    A file is hashed once in a process, and again when its size, time or inode changes.

    Raises:
        PatinaError: A file cannot be read.
    """
    for name in names:
        for candidate in (folder / name, pending_name(folder / name, digest)):
            if _sha256(candidate) == digest:
                return candidate
    return None


def forget_digests() -> None:
    """Let every file be hashed again."""
    _sha256_of_state.cache_clear()


def problem_of(folder: Path, record: LockRecord) -> str:
    """Return what is wrong with a recorded model's files, in words; empty where nothing is."""
    found = []
    for names, digest in expected_files(record):
        if find_file(folder, names, digest) is None:
            there = [name for name in names if os.path.lexists(folder / name)]
            found.append(f"{there[0]} is damaged (not the recorded bytes)" if there else f"{names[0]} is missing")
    return " and ".join(found)


def expected_files(record: LockRecord) -> tuple[tuple[tuple[str, ...], str], ...]:
    """Return for each of a model's two files the names that it may have, and its SHA-256."""
    # Records of other tools do not say the precision: then both names are looked at.
    known = tuple(name for precision, name in ONNX_NAMES.items() if precision == record.precision)
    return (known or tuple(ONNX_NAMES.values()), record.sha256_model), ((TOKENIZER_NAME,), record.sha256_tokenizer)


def pending_name(path: Path, digest: str) -> Path:
    """Return the name under which a new file waits until it is recorded."""
    return path.with_name(f"{path.name}.{digest[:16]}{PENDING_SUFFIX}")


def precision_of(onnx: Path) -> Precision | None:
    """Return what a cached graph computes in, by its name."""
    return next((precision for precision, name in ONNX_NAMES.items() if onnx.name.startswith(name)), None)


def folder_bytes(folder: Path) -> int:
    """Return the size of the plain files in a folder; none where it is a link or not there."""
    if folder.is_symlink():
        return 0
    return sum(state.st_size for state in map(_plain_state, folder.glob("*")) if state is not None)


def check_alone(onnx: Path, tokenizer: Path) -> None:
    """Refuse a graph that could read files beside it whose bytes nobody has checked.

    What is added here is self-contained, and nothing lies beside it. Other tools keep more in their folders, and so may
    the owner of a shared cache.

    Raises:
        PatinaError: The graph refers to other files.
    """
    if {file.name for file in onnx.parent.iterdir()} == {onnx.name, tokenizer.name}:
        return
    from patina_resources.onnx.graph import inspect_onnx  # imported late: it takes a third of a second

    inspect_onnx(onnx)


def _plain_state(path: Path) -> os.stat_result | None:
    """Return the state of a regular file; None where there is none: a link leads away, and opening a pipe waits."""
    try:
        state = path.lstat()
    except FileNotFoundError:
        return None
    return state if stat.S_ISREG(state.st_mode) else None


def _sha256(path: Path) -> str | None:
    try:
        state = _plain_state(path)
        return None if state is None else _sha256_of_state(path, state.st_size, state.st_mtime_ns, state.st_ino)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PatinaError(f"{path}: cannot be read ({error.strerror or error})") from error


@lru_cache(maxsize=64)
def _sha256_of_state(path: Path, _size: int, _mtime_ns: int, _inode: int) -> str:
    return file_sha256(path)
