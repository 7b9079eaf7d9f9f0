"""Warm fused queries over many passages that are made up: time of each step, memory, bytes and recall.

    python benchmarks/bench_passages.py 50000
    python benchmarks/bench_passages.py 1000000 --dims 256

Words are drawn by Zipf's law, so that a question has common and rare ones; vectors lie around 1,000 centres. The
base model is left out: a question's vector is made up, too. Times are processor time of all threads.
"""

import argparse
import resource
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.index import IndexOptions, build_index, load_index, recall_at_10
from patina_assets.search.indexes import OpenIndex
from patina_assets.search.passage_file import NO_FILTERS, PassageFile, encode_passages
from patina_assets.search.question_lists import evidence_of, hit, list_weights, merged, named, word_lists
from patina_assets.search.questions import asked_for
from patina_assets.search.ranking import mixed, rank_group
from patina_assets.search.searcher import DEPTH

VOCABULARY, BODY_WORDS, QUESTION_WORDS = 30_000, 60, 7
QUERIES, CENTRES, NOISE = 200, 1_000, 0.6
WANTED_P99, WANTED_RECALL = 15.0, 0.98
KINDS = ("function", "function", "section", "commit", "commit")
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


def ask(laps: Laps, file: PassageFile, index: OpenIndex, question: str, vector: NDArray[np.float32]) -> None:
    """Answer a question as `Searcher` does, step by step."""
    started = time.process_time()
    words = laps.lap("words", lambda: word_lists(file, question, DEPTH, NO_FILTERS)) or {}
    nearest = laps.lap("nearest", lambda: dict(index.nearest(vector, len(Group) * DEPTH)))
    near = laps.lap("places", lambda: file.found(nearest))
    lists = laps.lap("merged", lambda: merged(words, near, named(file, question, DEPTH), {}, NO_FILTERS))
    evidence = laps.lap("evidence", lambda: evidence_of(file, question, lists))
    coverage = max(seen.coverage for seen in evidence.values())
    things = laps.lap(
        "ranked",
        lambda: {
            group: rank_group(group, found, list_weights(group, found, 1.0, coverage), 10)
            for group, found in lists.items()
        },
    )
    best = mixed(things, asked_for(question, evidence), 10)
    laps.lap("shown", lambda: [hit(file, thing, score) for thing, score in best])
    laps.spent["all"].append(1000 * (time.process_time() - started))


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("passages", type=int)
    parser.add_argument("--dims", type=int, default=384)
    options = parser.parse_args()
    started = time.process_time()
    written = encode_passages(made_passages(options.passages), {})
    vectors = made_vectors(options.passages, options.dims)
    graph = build_index(vectors, IndexOptions())
    print(f"built in {time.process_time() - started:.0f} s of processor time")
    each = [len(part) / options.passages for part in (written, graph)]
    print(f"bytes per passage: {each[0]:.0f} in the search file, {each[1]:.0f} in the index")
    file, index = PassageFile(written, "base.search.db"), load_index(graph, "base.usearch")
    recall = recall_at_10(index, vectors)
    laps, source = Laps(), np.random.default_rng(1)
    for row in range(QUERIES):
        question = " ".join(drawn_words(source, QUESTION_WORDS))
        ask(laps, file, OpenIndex("base", index, file, None), question, vectors[row * options.passages // QUERIES])
    print("| step | p50, ms | p99, ms |\n|---|---|---|")
    for step, spent in laps.spent.items():
        print(f"| {step} | {np.quantile(spent, 0.5):.2f} | {np.quantile(spent, 0.99):.2f} |")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"recall@10 {recall:.4f} (wanted {WANTED_RECALL}), p99 wanted {WANTED_P99} ms, peak {peak:.0f} MiB")


if __name__ == "__main__":
    main()
