"""(model digest, text digest) -> float32 vector, in one SQLite file that parallel writers may share."""

import hashlib
import sqlite3
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from patina_resources.embedder import OnnxEmbedder
from patina_resources.errors import PatinaError

BUSY_TIMEOUT_SECONDS = 60.0
# Committed as they come: a killed run keeps what it has embedded.
CHUNK_TEXTS = 1024
LOOKUP_KEYS = 500
SCHEMA = """
CREATE TABLE IF NOT EXISTS vector (
    model TEXT NOT NULL, text BLOB NOT NULL, vector BLOB NOT NULL, check_value BLOB NOT NULL,
    PRIMARY KEY (model, text)
) WITHOUT ROWID
"""

Vector = NDArray[np.float32]


@dataclass(frozen=True)
class EmbeddingResult:
    """Vectors and where they came from.

    Attributes:
        vectors: float32 [n, dims], in the order of the texts.
        new: Unique texts that were embedded now.
        reused: Unique texts that were in the cache.
        seconds: Time spent embedding the new ones.
    """

    vectors: Vector
    new: int
    reused: int
    seconds: float


def text_digest(text: str) -> bytes:
    """Return the SHA-256 of a text with its prefix: its key in the cache."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


class EmbeddingCache:
    """The open cache file."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            PatinaError: It cannot be opened, or is no such file.
        """
        self._path = path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_SECONDS)
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._connection.execute(SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise self._damaged(error) from error

    def __enter__(self) -> "EmbeddingCache":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._connection.close()

    def get_many(self, model_digest: str, digests: Sequence[bytes], dims: int) -> dict[bytes, Vector]:
        """Return the vectors (float32 [dims]) that are there and intact, by text digest."""
        found: dict[bytes, Vector] = {}
        try:
            for start in range(0, len(digests), LOOKUP_KEYS):
                keys = digests[start : start + LOOKUP_KEYS]
                marks = ",".join("?" * len(keys))
                query = f"SELECT text, vector, check_value FROM vector WHERE model = ? AND text IN ({marks})"  # noqa: S608
                for text, blob, check in self._connection.execute(query, (model_digest, *keys)):
                    if len(blob) == 4 * dims and check == _check(blob):
                        found[text] = np.frombuffer(blob, np.float32)
        except sqlite3.Error as error:
            raise self._damaged(error) from error
        return found

    def put_many(self, model_digest: str, vectors: Mapping[bytes, Vector]) -> None:
        """Add vectors by text digest, in one transaction."""
        try:
            with self._connection:
                self._connection.executemany(
                    "INSERT OR REPLACE INTO vector VALUES (?, ?, ?, ?)", _rows(model_digest, vectors)
                )
        except sqlite3.Error as error:
            raise self._damaged(error) from error

    def _damaged(self, error: Exception) -> PatinaError:
        return PatinaError(
            f"{self._path}: the embedding cache cannot be used ({error}): delete it and run `patina oxidize` again, "
            "it holds only vectors that can be computed again"
        )


def embed_with_cache(
    cache: EmbeddingCache,
    embedder: OnnxEmbedder,
    model_digest: str,
    texts: Sequence[str],
    progress: Callable[[int, int], None] | None = None,
) -> EmbeddingResult:
    """Return the texts' vectors; only those that the cache does not hold are embedded, each once.

    Args:
        cache: Looked into first, and given what is new.
        embedder: The model.
        model_digest: Its identity.
        texts: In any order, repeated or not.
        progress: Called with (new texts done, new texts in all) after each chunk.

    Raises:
        PatinaError: The cache is damaged.
    """
    prefix, dims = embedder.spec.passage_prefix, embedder.spec.dims
    digests = [text_digest(prefix + text) for text in texts]
    text_of = dict(zip(digests, texts, strict=True))
    vectors = cache.get_many(model_digest, list(text_of), dims)
    missing = [digest for digest in text_of if digest not in vectors]
    started = time.monotonic()
    for start in range(0, len(missing), CHUNK_TEXTS):
        chunk = missing[start : start + CHUNK_TEXTS]
        embedded = dict(zip(chunk, embedder.embed_passages([text_of[digest] for digest in chunk]), strict=True))
        cache.put_many(model_digest, embedded)
        vectors |= embedded
        if progress is not None:
            progress(start + len(chunk), len(missing))
    stacked = np.stack([vectors[digest] for digest in digests]) if digests else np.zeros((0, dims), np.float32)
    return EmbeddingResult(stacked, len(missing), len(text_of) - len(missing), time.monotonic() - started)


def _rows(model_digest: str, vectors: Mapping[bytes, Vector]) -> Iterable[tuple[str, bytes, bytes, bytes]]:
    for text, vector in vectors.items():
        blob = np.asarray(vector, np.float32).tobytes()
        yield model_digest, text, blob, _check(blob)


def _check(blob: bytes) -> bytes:
    return hashlib.blake2b(blob, digest_size=8).digest()
