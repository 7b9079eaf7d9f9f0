"""(model digest, text digest) -> float32 vector, in one SQLite file that parallel writers may share.

The `sqlite3` module rather than SQLAlchemy: two statements over blobs, where a mapping layer only adds its cost to
every row. The table has row ids, because SQLite keeps large rows out of its index only then: 100,000 vectors of 384
dimensions take 164 MiB instead of 447, and are read four times as fast.
"""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from patina_resources.arrays import Vectors
from patina_resources.embedding.recovery import (
    BUSY_TIMEOUT_SECONDS,
    FORMAT,
    cache_format,
    check_value,
    create_cache,
    holding,
    insert_rows,
    new_row,
    recover_cache,
    refusal,
    remove_journals,
)
from patina_resources.errors import PatinaError
from patina_resources.models.registry import ModelSpec
from patina_resources.store.seals import is_sealed, seal
from patina_resources.store.trust import installation_key, trusts_other_installations

RETRY_SECONDS = 0.02
# Committed as they come: a killed run keeps what it has embedded. On one processor that is about ten seconds of work.
CHUNK_TEXTS = 256
GOLDEN_RATIO = 0.6180339887498949  # its multiples, modulo 1, are spread evenly: none is near the one before
LOOKUP_KEYS = 500


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
    """The open cache file; a context manager that closes it. One process at a time has it, others wait."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it. One that this installation has not sealed is read, and made anew from its rows.

        Raises:
            ForeignCacheError: It was filled elsewhere.
            DamagedCacheError: It is damaged, or another kind of file.
            PatinaError: It cannot be opened.
        """
        self._path = path
        self._changed = False
        with ExitStack() as stack:
            stack.enter_context(holding(path, "embedding"))
            if not path.exists():
                remove_journals(path)
            elif not is_sealed(path):
                recover_cache(path, [path], accept_others=trusts_other_installations())
            try:
                self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS, isolation_level=None)
                stack.callback(self._connection.close)
                _prepare(self._connection)
            except (sqlite3.Error, OSError) as error:
                raise refusal(path, error) from error
            self._held = stack.pop_all()

    def __enter__(self) -> "EmbeddingCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._held:
            self._connection.close()
            if self._changed:
                with suppress(PatinaError):  # without a seal, its rows are looked through the next time
                    seal(self._path)

    def vectors(self) -> int:
        """Return the number of vectors, of whatever version of the model.

        Raises:
            PatinaError: The file is damaged or cannot be read.
        """
        try:
            return int(self._connection.execute("SELECT COUNT(*) FROM vector").fetchone()[0])
        except sqlite3.Error as error:
            raise refusal(self._path, error) from error

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
                if not isinstance(blob, bytes) or len(blob) != 4 * dims or check != check_value(text, blob):
                    continue
                if text in row_of:
                    vectors[row_of[text]] = np.frombuffer(blob, np.float32)
                    found[row_of[text]] = True
        except sqlite3.Error as error:
            raise refusal(self._path, error) from error
        return vectors, found

    def put_many(self, model: str, digests: Sequence[bytes], vectors: Vectors) -> None:
        """Add or replace vectors (float32 [n, dims]) by text digest: all of them, or none.

        Raises:
            PatinaError: The file is damaged or cannot be written.
        """
        blobs = [row.tobytes() for row in np.asarray(vectors, np.float32)]
        key = installation_key()
        rows = [new_row(key, model, text, blob) for text, blob in zip(digests, blobs, strict=True)]
        self._changed = True
        try:
            insert_rows(self._connection, rows)
        except sqlite3.Error as error:
            raise refusal(self._path, error) from error

    def _select(self, model: str, digests: Sequence[bytes]) -> Iterator[tuple[bytes, object, object]]:
        for start in range(0, len(digests), LOOKUP_KEYS):
            keys = digests[start : start + LOOKUP_KEYS]
            marks = ",".join("?" * len(keys))
            query = f"SELECT text, vector, check_value FROM vector WHERE model = ? AND text IN ({marks})"  # noqa: S608
            yield from self._connection.execute(query, (model, *keys))


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
        model_digest: Identity of its bytes. How the spec reads them (pooling, length limit, device) is added to it.
        texts: In any order, repeated or not, without the passage prefix.
        progress: Called with (new texts done, new texts in all) after each chunk.

    Raises:
        PatinaError: The cache is damaged or cannot be written, or the model fails.
    """
    spec = embedder.spec
    device = "" if spec.device == "cpu" else f" {spec.device}"  # its vectors differ in their last digits
    model = hashlib.sha256(f"{model_digest} {spec.pooling} {spec.max_tokens}{device}".encode()).hexdigest()
    digests = [text_digest(spec.passage_prefix + text) for text in texts]
    text_of = dict(zip(digests, texts, strict=True))
    keys = list(text_of)
    vectors, found = cache.get_many(model, keys, spec.dims)
    started = time.monotonic()
    # Like lengths together: texts of one length share a batch.
    missing = sorted(np.flatnonzero(~found).tolist(), key=lambda row: len(text_of[keys[row]]))
    done = 0
    for start in _short_and_long_in_turn(len(missing)):
        rows = missing[start : start + CHUNK_TEXTS]
        chunk = [keys[row] for row in rows]
        vectors[rows] = embedder.embed_passages([text_of[digest] for digest in chunk])
        cache.put_many(model, chunk, vectors[rows])
        if progress is not None:
            done += len(rows)
            progress(done, len(missing))
    seconds = time.monotonic() - started
    if len(keys) < len(texts):
        row_of = {digest: row for row, digest in enumerate(keys)}
        vectors = vectors[[row_of[digest] for digest in digests]]
    return EmbeddingResult(vectors, len(missing), len(keys) - len(missing), seconds)


def _short_and_long_in_turn(texts: int) -> list[int]:
    """Return where each chunk begins, of texts in order of length: chunks of all lengths follow each other.

    If the longest came last, the time left would be too small all along.
    """
    chunks = -(-texts // CHUNK_TEXTS)
    order = sorted(range(chunks), key=lambda chunk: chunk * GOLDEN_RATIO % 1)
    return [chunk * CHUNK_TEXTS for chunk in order]


def _prepare(connection: sqlite3.Connection) -> None:
    """Set the connection up, and make the table in a new file.

    Raises:
        sqlite3.Error: It cannot be done.
    """
    connection.text_factory = bytes  # a damaged row may hold text that is not UTF-8
    connection.execute("PRAGMA page_size = 8192")
    _enter_wal(connection)
    connection.execute("PRAGMA synchronous = NORMAL")
    if cache_format(connection) != FORMAT:
        create_cache(connection)


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
