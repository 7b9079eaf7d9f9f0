"""(model digest, text digest) -> float32 vector, in one SQLite file that parallel writers may share.

The `sqlite3` module rather than SQLAlchemy: two statements over blobs, where a mapping layer only adds its cost to
every row. The table has row ids, because SQLite keeps large rows out of its index only then: 100,000 vectors of 384
dimensions take 164 MiB instead of 447, and are read four times as fast.
"""

import hashlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from patina_resources.errors import PatinaError
from patina_resources.registry import ModelSpec

BUSY_TIMEOUT_SECONDS = 60.0
RETRY_SECONDS = 0.02
# Committed as they come: a killed run keeps what it has embedded.
CHUNK_TEXTS = 1024
LOOKUP_KEYS = 500
FORMAT = 1
SCHEMA = """
CREATE TABLE vector (
    model TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, check_value INTEGER NOT NULL,
    PRIMARY KEY (model, text)
)
"""
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_UNREADABLE = {sqlite3.SQLITE_ERROR, sqlite3.SQLITE_IOERR}

ASIDE_SUFFIX = ".damaged"

Vectors = NDArray[np.float32]


class DamagedCacheError(PatinaError):
    """The cache's bytes are not those of a cache; what it held can be computed again."""


class Embedder(Protocol):
    """What makes vectors: `OnnxEmbedder`, or a part that counts in a test."""

    spec: ModelSpec

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Return float32 [n, dims], one row for each text."""


@dataclass(frozen=True)
class EmbeddingResult:
    """Vectors and where they came from.

    Attributes:
        vectors: float32 [n, dims], in the order of the texts.
        new: Unique texts that were embedded now.
        reused: Unique texts that were in the cache.
        seconds: Time spent embedding and storing the new ones.
    """

    vectors: Vectors
    new: int
    reused: int
    seconds: float


def text_digest(text: str) -> bytes:
    """Return the SHA-256 of a text with its prefix: its key in the cache."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class EmbeddingCache:
    """The open cache file; a context manager that closes it. For one thread of any number of processes."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it.

        Raises:
            PatinaError: It cannot be opened, is damaged, or is another kind of file.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._refusal(error) from error
        try:
            _prepare(self._connection)
        except sqlite3.Error as error:
            self._connection.close()
            raise self._refusal(error) from error

    def __enter__(self) -> "EmbeddingCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get_many(self, model: str, digests: Sequence[bytes], dims: int) -> tuple[Vectors, NDArray[np.bool_]]:
        """Return the vectors, float32 [n, dims], and which of them were there and intact, bool [n].

        A row whose vector has another length, or does not fit its check value, counts as not there: a row of zeros.

        Args:
            model: Identity of the model.
            digests: `text_digest` of each text, each once.
            dims: Length of a vector.

        Raises:
            PatinaError: The file is damaged or cannot be read.
        """
        vectors = np.zeros((len(digests), dims), np.float32)
        found = np.zeros(len(digests), np.bool_)
        row_of = {digest: row for row, digest in enumerate(digests)}
        try:
            for text, blob, check in self._select(model, digests):
                if not isinstance(blob, bytes) or len(blob) != 4 * dims or check != _check_value(text, blob):
                    continue
                if text in row_of:
                    vectors[row_of[text]] = np.frombuffer(blob, np.float32)
                    found[row_of[text]] = True
        except sqlite3.Error as error:
            raise self._refusal(error) from error
        return vectors, found

    def put_many(self, model: str, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Add or replace vectors (float32 [n, dims]) by text digest: all of them, or none.

        Raises:
            PatinaError: The file is damaged or cannot be written.
        """
        blobs = [row.tobytes() for row in np.asarray(vectors, np.float32)]
        rows = [(model, text, blob, _check_value(text, blob)) for text, blob in zip(digests, blobs, strict=True)]
        try:
            with self._connection:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("INSERT OR REPLACE INTO vector VALUES (?, ?, ?, ?)", rows)
        except sqlite3.Error as error:
            raise self._refusal(error) from error

    def _select(self, model: str, digests: Sequence[bytes]) -> Iterator[tuple[bytes, object, object]]:
        for start in range(0, len(digests), LOOKUP_KEYS):
            keys = digests[start : start + LOOKUP_KEYS]
            marks = ",".join("?" * len(keys))
            query = f"SELECT text, vector, check_value FROM vector WHERE model = ? AND text IN ({marks})"  # noqa: S608
            yield from self._connection.execute(query, (model, *keys))

    def _refusal(self, error: Exception) -> PatinaError:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        if code in _DAMAGED | _UNREADABLE:
            kind = DamagedCacheError if code in _DAMAGED else PatinaError
            return kind(
                f"{self._path}: the embedding cache is damaged ({error}): delete it and run `patina oxidize` again, "
                "it holds only vectors that can be computed again"
            )
        if code == sqlite3.SQLITE_BUSY:
            return PatinaError(
                f"{self._path}: the embedding cache is busy, another process has been writing to it for "
                f"{BUSY_TIMEOUT_SECONDS:.0f} s: run `patina oxidize` again when it is done"
            )
        return PatinaError(
            f"{self._path}: the embedding cache cannot be used ({error}): make sure that its folder can be written "
            "and that the disk has room, then run `patina oxidize` again"
        )


def put_aside(path: Path) -> Path:
    """Move a damaged cache out of the way, to `cache.db.damaged` beside it, and return that place.

    Raises:
        PatinaError: It cannot be moved.
    """
    aside = path.with_name(f"{path.name}{ASIDE_SUFFIX}")
    try:
        for journal in ("-wal", "-shm"):  # they would be replayed into the new file
            path.with_name(f"{path.name}{journal}").unlink(missing_ok=True)
        path.replace(aside)
    except OSError as error:
        raise PatinaError(f"{path}: damaged, and cannot be moved away ({error.strerror or error})") from error
    return aside


def embed_with_cache(
    cache: EmbeddingCache,
    embedder: Embedder,
    model_digest: str,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> EmbeddingResult:
    """Return the texts' vectors; only those that the cache does not hold are embedded, each once.

    Args:
        cache: Looked into first, and given what is new, chunk by chunk.
        embedder: The model.
        model_digest: Identity of its bytes. How the spec reads them (pooling, length limit) is added to it.
        texts: In any order, repeated or not, without the passage prefix.
        progress: Called with (new texts done, new texts in all) after each chunk.

    Raises:
        PatinaError: The cache is damaged or cannot be written, or the model fails.
    """
    spec = embedder.spec
    model = hashlib.sha256(f"{model_digest} {spec.pooling} {spec.max_tokens}".encode()).hexdigest()
    digests = [text_digest(spec.passage_prefix + text) for text in texts]
    text_of = dict(zip(digests, texts, strict=True))
    keys = list(text_of)
    vectors, found = cache.get_many(model, keys, spec.dims)
    started = time.monotonic()
    # Like lengths together: texts of one length share a batch.
    missing = sorted(np.flatnonzero(~found).tolist(), key=lambda row: len(text_of[keys[row]]))
    for start in range(0, len(missing), CHUNK_TEXTS):
        rows = missing[start : start + CHUNK_TEXTS]
        chunk = [keys[row] for row in rows]
        vectors[rows] = embedder.embed_passages([text_of[digest] for digest in chunk])
        cache.put_many(model, chunk, vectors[rows])
        if progress is not None:
            progress(start + len(rows), len(missing))
    seconds = time.monotonic() - started
    if len(keys) < len(texts):
        row_of = {digest: row for row, digest in enumerate(keys)}
        vectors = vectors[[row_of[digest] for digest in digests]]
    return EmbeddingResult(vectors, len(missing), len(keys) - len(missing), seconds)


def _prepare(connection: sqlite3.Connection) -> None:
    """Set the connection up, and make the table in a new file.

    Raises:
        sqlite3.Error: It cannot be done, or the file has another format.
    """
    connection.text_factory = bytes  # a damaged row may hold text that is not UTF-8
    connection.execute("PRAGMA page_size = 8192")
    _enter_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    if _format(connection) == FORMAT:
        return
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        if _format(connection) == 0:  # no other process was first
            connection.execute(SCHEMA)
            connection.execute(f"PRAGMA user_version = {FORMAT}")
    if _format(connection) != FORMAT:
        error = sqlite3.DatabaseError(f"format {_format(connection)}, expected {FORMAT}")
        error.sqlite_errorcode = sqlite3.SQLITE_NOTADB
        raise error


def _enter_wal(connection: sqlite3.Connection) -> None:
    """Switch to write-ahead logging. SQLite's busy timeout does not cover it, so wait here."""
    deadline = time.monotonic() + BUSY_TIMEOUT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
        time.sleep(RETRY_SECONDS)


def _format(connection: sqlite3.Connection) -> int:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    return int(version)


def _check_value(text: bytes, blob: bytes) -> int:
    """Return the CRC-32 of key and vector together, so that another text's vector does not pass either."""
    return zlib.crc32(blob, zlib.crc32(text))
