"""Warm fused queries over many passages that are made up: time of each step, memory, bytes and recall.

    python benchmarks/bench_passages.py 50000
    python benchmarks/bench_passages.py 1000000 --dims 256 --mapped

Words are drawn by Zipf's law, so that a question has common and rare ones; vectors lie around 1,000 centres. The
base model is left out: a question's vector is made up, too. Times are processor time of all threads. The questions are
asked by a process of its own, so that its memory is that of a search. `--mapped` leaves the index in its file, which
`patina scry` does not do: what is mapped may change after its digest was checked.
"""

import argparse
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from build_stages import peak_mib
from numpy.typing import NDArray

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.asking.filters import NO_FILTERS
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.passage_tables import encode_passages
from patina_assets.search.index import EXPANSION_SEARCH, IndexOptions, build_index, load_index, recall_at_10
from patina_assets.search.list_reader import DEPTH, OWN_VECTOR_DEPTHS
from patina_assets.search.question_lists import hit, merged, named, near_lists, ranked_answer, word_lists

if TYPE_CHECKING:
    from usearch.index import Index

VOCABULARY, BODY_WORDS, QUESTION_WORDS = 30_000, 60, 7
QUERIES, CENTRES, NOISE = 200, 1_000, 0.6
WANTED_P99, WANTED_RECALL = 15.0, 0.98
# What maps make of a question's vector lies beside it.
MAPPED, TURN = (Group.CODE, Group.DOCS, Group.COMMITS), 0.5
KINDS = ("function", "function", "section", "commit", "commit")
SEARCH, GRAPH, QUESTIONS = "base.search.db", "base.usearch", "questions.npy"
T = TypeVar("T")


class Laps:
    """Processor time of each step, in milliseconds."""

    def __init__(self) -> None:
        """Start with nothing."""
        self.spent: dict[str, list[float]] = defaultdict(list)

    def lap(self, step: str, work: Callable[[], T]) -> T:
        """Return what the work returns, and keep how long it took."""
        started = time.process_time()
        result = work()
        self.spent[step].append(1000 * (time.process_time() - started))
        return result


def drawn_words(source: np.random.Generator, count: int) -> list[str]:
    """Return words of which some are common."""
    return [f"w{int(number)}" for number in VOCABULARY ** source.random(count)]


def made_passages(count: int) -> list[Passage]:
    """Return passages of code, documents and commits; five stand in each file."""
    source = np.random.default_rng(0)
    passages = []
    for row in range(count):
        words = drawn_words(source, BODY_WORDS)
        kind = KINDS[row % len(KINDS)]
        commit = f"{row:040x}" if kind == "commit" else None
        path = None if commit else f"src/part{row // 500}/file{row // 5}.py"
        symbol, doc, body = "_".join(words[:3]), " ".join(words[3:12]), " ".join(words)
        passages.append(Passage(kind, body[:100], symbol, doc, body, path, commit=commit))
    return passages


def made_vectors(count: int, dims: int) -> NDArray[np.float32]:
    """Return unit vectors, float32 [count, dims]."""
    source = np.random.default_rng(0)
    centres = source.normal(size=(CENTRES, dims)).astype(np.float32)
    vectors = centres[source.integers(0, CENTRES, count)]
    vectors += NOISE * source.normal(size=(count, dims)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def ask(laps: Laps, index: "Index", file: PassageFile, question: str, vectors: NDArray[np.float32]) -> None:
    """Answer a question as `Searcher` does, step by step.

    Args:
        laps: What each step takes.
        index: The vectors of the passages.
        file: The passages.
        question: Its words.
        vectors: Its own vector, and those for the groups of MAPPED, float32 [1 + groups, dims].
    """
    started = time.process_time()
    words = laps.lap("words", lambda: word_lists(file, question, DEPTH, NO_FILTERS)) or {}
    own = laps.lap("nearest", lambda: nearest(index, vectors[0], len(Group) * DEPTH))
    others = laps.lap(
        "nearest, by group",
        lambda: {
            group: nearest(index, vector, OWN_VECTOR_DEPTHS * DEPTH)
            for group, vector in zip(MAPPED, vectors[1:], strict=True)
        },
    )
    near, cosines = laps.lap("places", lambda: near_lists(file, own, others, NO_FILTERS))
    lists = laps.lap("merged", lambda: merged(words, near, named(file, question, DEPTH), {}, NO_FILTERS))
    ranked = laps.lap(
        "ranked",
        lambda: ranked_answer(file, question, lists, 10, is_static=False, leaning={}, cosines=cosines),
    )
    laps.lap("shown", lambda: [hit(file, thing, score) for thing, score in ranked.things])
    laps.spent["all"].append(1000 * (time.process_time() - started))


def nearest(index: "Index", vector: NDArray[np.float32], count: int) -> dict[int, float]:
    """Return the cosines of the nearest passages by their key, nearest first."""
    matches = index.search(vector, count)
    return dict(zip(matches.keys.tolist(), (1.0 - matches.distances).tolist(), strict=True))


def build(folder: Path, count: int, dims: int) -> None:
    """Write a search file, an index and the vectors of the questions, and print what that took."""
    started = time.process_time()
    written = encode_passages(made_passages(count), {})
    (folder / SEARCH).write_bytes(written)
    vectors = made_vectors(count, dims)
    graph = build_index(vectors, IndexOptions())
    (folder / GRAPH).write_bytes(graph)
    print(f"built in {time.process_time() - started:.0f} s of processor time")
    each = [len(part) / count for part in (written, graph)]
    print(f"bytes per passage: {each[0]:.0f} in the search file, {each[1]:.0f} in the index")
    print(f"recall@10 {recall_at_10(load_index(graph, GRAPH), vectors):.4f} (wanted {WANTED_RECALL})")
    own = vectors[np.arange(QUERIES) * count // QUERIES]
    turned = own[:, None] + TURN * np.random.default_rng(2).normal(size=(QUERIES, len(MAPPED), dims)) / np.sqrt(dims)
    np.save(folder / QUESTIONS, np.concatenate([own[:, None], turned], axis=1).astype(np.float32))


def in_place(path: Path) -> "Index":
    """Return an index that stays in its file."""
    import onnxruntime  # noqa: F401 - usearch must be loaded after it
    from usearch.index import Index

    index = Index.restore(path, view=True, expansion_search=EXPANSION_SEARCH)
    assert index is not None  # noqa: S101 - the file was just written
    return index


def ask_all(folder: Path, *, mapped: bool) -> None:
    """Ask all questions and print the table of times and the memory that it took."""
    path = folder / GRAPH
    index = in_place(path) if mapped else load_index(path.read_bytes(), GRAPH)
    file = PassageFile((folder / SEARCH).read_bytes(), SEARCH)
    laps, source = Laps(), np.random.default_rng(1)
    for vectors in np.load(folder / QUESTIONS):
        ask(laps, index, file, " ".join(drawn_words(source, QUESTION_WORDS)), vectors)
    print("| step | p50, ms | p99, ms |\n|---|---|---|")
    for step, spent in laps.spent.items():
        print(f"| {step} | {np.quantile(spent, 0.5):.2f} | {np.quantile(spent, 0.99):.2f} |")
    print(f"p99 wanted {WANTED_P99} ms, peak {peak_mib():.0f} MiB")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=int)
    parser.add_argument("--dims", type=int, default=384)
    parser.add_argument("--mapped", action="store_true", help="leave the index in its file")
    parser.add_argument("--asked-in", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.asked_in is not None:
        ask_all(options.asked_in, mapped=options.mapped)
        return
    with TemporaryDirectory() as made:
        build(Path(made), options.passages, options.dims)
        subprocess.run([sys.executable, *sys.argv, "--asked-in", made], check=True)


if __name__ == "__main__":
    main()
