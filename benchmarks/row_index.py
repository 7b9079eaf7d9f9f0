"""An index of 100k x 256, ours against faiss and hnswlib: building, querying, bytes, and recall."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from eventlogs import original, texts_of
from measure import Section, Setting, Spent, number, progress, thread_count, timed
from numpy.typing import NDArray

from patina_assets.learning.projection import principal_directions
from patina_assets.search.index import IndexOptions, build_index, load_index
from patina_resources.arrays import Vectors
from patina_resources.corpus.model import build_corpus_model
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.registry import CORPUS_STATIC, ModelFiles
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import Mothership

DIMS, K, QUERIES, LEARNED_FROM = 256, 10, 1000, 20_000
OURS = "patina (USearch, f16)"
OPTIONS = IndexOptions()
WANTED_RECALL, WANTED_BYTES = 0.99, 0.5
EFFORTS = (32, 48, 64, 96, 128, 192, 256, 384, 512)
# A neighbour as near as the tenth counts, to the precision of float16.
LEVEL = 1e-3


@dataclass(frozen=True)
class Contender:
    """How a library builds an index, asks it (a query gives keys), tells its size in bytes, and is told its effort."""

    build: Callable[[Vectors], Any]
    ask: Callable[[Any, Vectors], NDArray[np.int64]]
    size: Callable[[Any], int]
    set_effort: Callable[[Any, int], None]


def measure(setting: Setting) -> Section:
    """Return the figures."""
    count, rounds = setting.pick(100_000, 5_000), setting.pick(3, 2)
    vectors = corpus_vectors(setting, count)
    queries = np.ascontiguousarray(vectors[:: max(1, count // QUERIES)])
    section = Section(f"Build and query an index, {count:,} x {DIMS}, recall@{K} >= {WANTED_RECALL}")
    contenders = {OURS: _usearch(), **_peers(section, setting.scratch)}
    builds: dict[str, list[Spent]] = {name: [] for name in contenders}
    asks: dict[str, list[Spent]] = {name: [] for name in contenders}
    indexes: dict[str, Any] = {}
    recalls: dict[str, tuple[float, int]] = {}
    for turn in range(rounds):
        for name, contender in contenders.items():
            builds[name].append(timed(partial(_build_into, indexes, name, contender, vectors)))
            progress(f"round {turn + 1} of {rounds}: {name} built")
        if not recalls:
            recalls = {name: _settle(vectors, queries, c, indexes[name]) for name, c in contenders.items()}
        for name, contender in contenders.items():
            contender.set_effort(indexes[name], recalls[name][1])
            asks[name].append(timed(partial(_ask_all, contender, indexes[name], queries)))
    sizes = {name: contender.size(indexes[name]) for name, contender in contenders.items()}
    section.table = _table(builds, asks, recalls, sizes, count, len(queries))
    _judge(section, builds, asks, recalls, sizes)
    section.notes.append(
        "Vectors are those of the eventlog's texts (mixed so that none repeats), corpus-static, reduced to 256 "
        f"dimensions by PCA. All indexes are built with connectivity {OPTIONS.connectivity} and effort "
        f"{OPTIONS.expansion_add}. Each is searched with the least effort of {', '.join(map(str, EFFORTS))} that "
        f"reaches the recall. The product searches with {OPTIONS.expansion_search}, since real vectors can be harder. "
        "Patina builds on one thread, so that the same events give the same file. Peers are shown with one thread and "
        f"with all {thread_count()}. Each query is asked alone, on one thread. Its time includes Python."
    )
    return section


def _build_into(indexes: dict[str, Any], name: str, contender: Contender, vectors: Vectors) -> None:
    indexes[name] = contender.build(vectors)


def _ask_all(contender: Contender, index: Any, queries: Vectors) -> None:
    for query in queries:
        contender.ask(index, query)


def corpus_vectors(setting: Setting, count: int) -> Vectors:
    """Return float32 [count, DIMS] unit vectors of different texts, in random order; made once."""
    kept = setting.scratch / f"vectors-{count}.npy"
    if kept.is_file():
        return np.asarray(np.load(kept), np.float32)
    progress(f"embedding {count} texts")
    texts = texts_of(original(setting.scratch, setting.eventlogs)[0], count)
    learned = build_corpus_model(texts[:LEARNED_FROM])
    onnx, tokenizer = setting.scratch / "index-model.onnx", setting.scratch / "index-tokenizer.json"
    onnx.write_bytes(learned.onnx)
    tokenizer.write_bytes(learned.tokenizer)
    spec = load_registry(Mothership(setting.scratch / "home")).resolve(CORPUS_STATIC)
    vectors = OnnxEmbedder(spec, ModelFiles(onnx, tokenizer, "", "fp32")).embed_passages(texts)
    directions = principal_directions(vectors[:LEARNED_FROM], DIMS).astype(np.float32)
    reduced = np.random.default_rng(0).permutation(vectors @ directions.T)
    reduced /= np.maximum(np.linalg.norm(reduced, axis=1, keepdims=True), 1e-9)
    np.save(kept, reduced)
    return reduced


def _usearch() -> Contender:
    def ask(index: Any, query: Vectors) -> NDArray[np.int64]:
        return np.asarray(index.search(query, K).keys, np.int64)

    def set_effort(index: Any, effort: int) -> None:
        index.expansion_search = effort

    return Contender(
        lambda vectors: load_index(build_index(vectors, OPTIONS), "bench"),
        ask,
        lambda index: len(bytes(index.save())),
        set_effort,
    )


def _peers(section: Section, scratch: Path) -> dict[str, Contender]:
    peers: dict[str, Contender] = {}
    for threads in sorted({1, thread_count()}):
        told = f"{threads} thread{'s' if threads > 1 else ''}"
        for library, make in (("faiss", _faiss), ("hnswlib", _hnswlib)):
            try:
                peers[f"{library}, {told}"] = make(threads, scratch)
            except ImportError as error:
                section.skipped.append(f"{library}: {error}")
    return peers


def _faiss(threads: int, _: Path) -> Contender:
    import faiss

    def build(vectors: Vectors) -> Any:
        faiss.omp_set_num_threads(threads)
        index = faiss.IndexHNSWFlat(DIMS, OPTIONS.connectivity, faiss.METRIC_INNER_PRODUCT)
        index.hnsw.efConstruction = OPTIONS.expansion_add
        index.add(vectors)
        return index

    def ask(index: Any, query: Vectors) -> NDArray[np.int64]:
        faiss.omp_set_num_threads(1)
        return np.asarray(index.search(query[None, :], K)[1][0], np.int64)

    def set_effort(index: Any, effort: int) -> None:
        index.hnsw.efSearch = effort

    return Contender(build, ask, lambda index: len(faiss.serialize_index(index)), set_effort)


def _hnswlib(threads: int, scratch: Path) -> Contender:
    import hnswlib

    def build(vectors: Vectors) -> Any:
        index = hnswlib.Index("ip", DIMS)
        index.init_index(len(vectors), ef_construction=OPTIONS.expansion_add, M=OPTIONS.connectivity)
        index.add_items(vectors, np.arange(len(vectors)), num_threads=threads)
        return index

    def ask(index: Any, query: Vectors) -> NDArray[np.int64]:
        return np.asarray(index.knn_query(query, K, num_threads=1)[0][0], np.int64)

    def size(index: Any) -> int:
        path = scratch / "hnswlib.bin"
        index.save_index(str(path))
        found = path.stat().st_size
        path.unlink()
        return found

    return Contender(build, ask, size, lambda index, effort: index.set_ef(effort))


def _settle(vectors: Vectors, queries: Vectors, contender: Contender, index: Any) -> tuple[float, int]:
    """Return the recall and the search effort: the least that is enough."""
    for effort in EFFORTS:
        contender.set_effort(index, effort)
        found = _recall(vectors, queries, contender, index)
        if found >= WANTED_RECALL:
            break
    return found, effort


def _recall(vectors: Vectors, queries: Vectors, contender: Contender, index: Any) -> float:
    exact = queries @ vectors.T
    tenth = np.partition(exact, -K, axis=1)[:, -K]
    hits = 0
    for row, query in enumerate(queries):
        keys = contender.ask(index, query)
        hits += int((exact[row, keys[keys >= 0]] >= tenth[row] - LEVEL).sum())
    return hits / (K * len(queries))


def _table(
    builds: dict[str, list[Spent]],
    asks: dict[str, list[Spent]],
    recalls: dict[str, tuple[float, int]],
    sizes: dict[str, int],
    count: int,
    queries: int,
) -> list[list[str]]:
    rows = [
        [
            "",
            "build, s (median)",
            "(best)",
            "CPU s",
            "adds/s (best)",
            "query, ms (best)",
            "recall@10",
            "search effort",
            "bytes/item",
        ]
    ]
    for name, spent in builds.items():
        rows.append(
            [
                name,
                number(median(entry.seconds for entry in spent)),
                number(min(entry.seconds for entry in spent)),
                number(median(entry.cpu_seconds for entry in spent)),
                number(count / min(entry.seconds for entry in spent)),
                f"{1000 * min(entry.seconds for entry in asks[name]) / queries:.3f}",
                f"{recalls[name][0]:.4f}",
                str(recalls[name][1]),
                number(sizes[name] / count),
            ]
        )
    return rows


def _judge(
    section: Section,
    builds: dict[str, list[Spent]],
    asks: dict[str, list[Spent]],
    recalls: dict[str, tuple[float, int]],
    sizes: dict[str, int],
) -> None:
    found, _ = recalls[OURS]
    section.verdicts.append((f"recall@{K} >= {WANTED_RECALL}", f"{found:.4f}", found >= WANTED_RECALL))
    for name in builds:
        if name == OURS:
            continue
        one_thread = name.endswith(" 1 thread")
        times = median(t.seconds / m.seconds for t, m in zip(builds[name], builds[OURS], strict=True))
        # One thread against two is shown, but is not the same work.
        section.verdicts.append((f"build >= 1.0x {name}", f"{times:.2f}x", times >= 1.0 if one_thread else None))
        if one_thread:
            times = median(t.seconds / m.seconds for t, m in zip(asks[name], asks[OURS], strict=True))
            section.verdicts.append((f"query >= 1.0x {name}", f"{times:.2f}x", times >= 1.0))
            share = sizes[OURS] / sizes[name]
            section.verdicts.append((f"<= half the bytes of {name}", f"{share:.0%}", share <= WANTED_BYTES))
