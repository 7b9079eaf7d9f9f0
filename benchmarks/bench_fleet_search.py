"""A question to a store of many passages: time, recall, rows and bytes. Passages are made up, from a seed.

    python benchmarks/bench_fleet_search.py load --dsn DSN --passages 100000
    python benchmarks/bench_fleet_search.py ask  --dsn DSN --questions 300

Words come from the texts of this repository, as often as they stand there; each project has words of its own subject. A
vector is the one that `english-static` gives the text, turned into 384 dimensions, with noise, so that no dimension is
empty. The first project has a fifth of all passages; the others are small, as most projects of a company are.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Passage
from patina_assets.search.base_model import embedder
from patina_assets.search.passage_file import NO_FILTERS
from patina_assets.search.published.answers import DEPTH, FleetQuestion, ranked_answer
from patina_assets.search.published.passages import PublishedPassages, Scope
from patina_assets.search.published.publishing import Publishable, publish_built
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.search.published.store import SharedModel, made_for
from patina_resources.embedding.side_by_side import resolve_base
from patina_resources.models.cache import cached_model
from patina_resources.models.registry_files import load_registry
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import connected
from patina_resources.store.mothership import mothership

ROOT = Path(__file__).resolve().parent.parent
DIMS, SUBJECT_WORDS, LARGE_SHARE, NOISE = 384, 150, 0.2, 0.15
MODEL = SharedModel("english-static", "0" * 64, "made up, 384 dimensions", DIMS)
GROUPS = ("staff", "board")
LARGE = "p0000"
KINDS = ("function", "function", "function", "code", "section", "commit", "observation")
ASKED = ("where is the {}", "how does the {} work", "why was the {} changed", "{}", "which function has the {}")
SIZES = """
SELECT relname, pg_relation_size(oid), pg_indexes_size(oid), pg_total_relation_size(oid), greatest(reltuples, 0)::bigint
FROM pg_class WHERE relnamespace = 'patina'::regnamespace AND relkind = 'r' ORDER BY relname
"""


class MadeUp:
    """Projects, passages and questions from a seed."""

    def __init__(self, seed: int) -> None:
        """Read the words, and load the model."""
        self._random = np.random.default_rng(seed)
        paths = [*ROOT.glob("patina_*/**/*.py"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("tests/**/*.py")]
        counts = Counter(word for path in paths for word in re.findall(r"[a-z]{3,12}", path.read_text().lower()))
        # As many rare words as a large fleet has: names that are put together out of two.
        common = [word for word, _ in counts.most_common(6_000)]
        pairs = self._random.integers(0, len(common), (40_000, 2))
        joined = [common[first] + common[second] for first, second in pairs]
        self._words = np.asarray([*common, *joined])
        weights = np.asarray([counts[word] for word in common] + [0.7] * len(joined), np.float64)
        self._weights = weights / weights.sum()
        home = mothership()
        spec = resolve_base(load_registry(home), "english-static").parts[0]
        self._model = embedder(spec, cached_model(home, spec))
        turned = np.linalg.qr(np.random.default_rng(1).normal(size=(DIMS, DIMS)))[0]
        self._turn = turned[: spec.dims].astype(np.float32)

    def project(self, count: int) -> tuple[list[Passage], NDArray[np.float32]]:
        """Return the passages of a project with their vectors, float32 [count, DIMS]."""
        subject = self._random.choice(self._words, SUBJECT_WORDS)
        drawn = self._random.choice(self._words, (count, 80), p=self._weights)
        own = self._random.random((count, 80)) < 0.4
        drawn[own] = self._random.choice(subject, int(own.sum()))
        passages = [self._passage(number, list(row)) for number, row in enumerate(drawn)]
        vectors = self.vectors([passage.text for passage in passages])
        return passages, vectors

    def vectors(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return vectors of texts, float32 [texts, DIMS], of unit length."""
        if not texts:
            return np.zeros((0, DIMS), np.float32)
        known = np.asarray(self._model.embed_passages(texts), np.float32) @ self._turn
        noise = self._random.normal(size=known.shape).astype(np.float32)
        noise *= NOISE / np.linalg.norm(noise, axis=1, keepdims=True)
        mixed = known + noise
        return mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6)

    def _passage(self, number: int, words: list[str]) -> Passage:
        kind = KINDS[number % len(KINDS)]
        name, doc, body = "_".join(words[:3]), " ".join(words[3:18]), _lines(words[18:])
        path = f"src/{words[0]}/{words[1]}{number // 9}.py"
        text = f"{name} {doc} {body}"
        if kind == "commit":
            return Passage(kind, text, " ".join(words[:8]), "", body, commit=f"{number:040x}", time="2026-01-01")
        if kind == "observation":
            return Passage(kind, text, "", "", body, session=f"s{number // 5}")
        return Passage(kind, text, name, doc, body, path, number % 9 * 20 + 1, number % 9 * 20 + 19)

    def sizes(self, passages: int, projects: int) -> list[int]:
        """Return how many passages each project has, the large one first."""
        large = int(passages * LARGE_SHARE)
        shares = self._random.lognormal(0, 1, projects - 1)
        rest = np.maximum((shares / shares.sum() * (passages - large)).astype(int), 5)
        return [large, *rest.tolist()]


def _lines(words: Sequence[str]) -> str:
    return "\n".join(" ".join(words[at : at + 7]) for at in range(0, len(words), 7))


def load(address: FleetAddress, passages: int, projects: int, seed: int) -> None:
    """Publish made-up projects, and build the index of vectors once they are there."""
    made = MadeUp(seed)
    with connected(address) as connection:
        made_for(connection, MODEL)
        connection.execute("SET maintenance_work_mem = '2GB'; SET max_parallel_maintenance_workers = 0")
        connection.execute("DROP INDEX IF EXISTS patina.passage_embedding")
        started = time.perf_counter()
        for number, size in enumerate(made.sizes(passages, projects)):
            own, vectors = made.project(size)
            built = Publishable(MODEL, f"made up {number} {size}", own, vectors)
            publish_built(connection, f"p{number:04}", GROUPS if number % 2 else GROUPS[1:], lambda built=built: built)
        say("copied", time.perf_counter() - started)
        started = time.perf_counter()
        connection.execute(
            "CREATE INDEX passage_embedding ON patina.passage USING hnsw (embedding halfvec_ip_ops) "
            "WITH (m = 16, ef_construction = 64)"
        )
        say("index of vectors", time.perf_counter() - started)
        connection.execute("VACUUM (ANALYZE) patina.passage, patina.content, patina.frequency, patina.project")
        for name, *numbers in connection.execute(SIZES):
            print(json.dumps({"table": name, **dict(zip(("heap", "indexes", "all", "rows"), numbers, strict=True))}))


def say(what: str, seconds: float) -> None:
    """Print how long something took, by the clock and in processor time of this process."""
    own = resource.getrusage(resource.RUSAGE_SELF)
    print(json.dumps({"step": what, "seconds": round(seconds, 1), "own_cpu": round(own.ru_utime + own.ru_stime, 1)}))
    sys.stdout.flush()


def questions(address: FleetAddress, count: int, project: str | None) -> Iterator[tuple[str, str]]:
    """Yield questions in words of passages, and the project of each."""
    random = np.random.default_rng(7)
    query = (
        "SELECT body, name FROM patina.content JOIN patina.project ON project.id = project_id "
        "WHERE %s::text IS NULL OR name = %s ORDER BY hashint8(content.id) LIMIT %s"
    )
    with connected(address) as connection:
        rows = connection.execute(query, (project, project, count)).fetchall()
    for number, (body, name) in enumerate(rows):
        words = random.choice(body.split(), 2 + number % 4, replace=False)
        yield ASKED[number % len(ASKED)].format(" ".join(words)), name


def ask(address: FleetAddress, count: int, seed: int) -> None:
    """Print times and recall for questions to all projects, to the large one, and to small ones."""
    made = MadeUp(seed)
    spec = resolve_base(load_registry(mothership()), "english-static")
    asked = {
        "all": [(text, None) for text, _ in questions(address, count, None)],
        "large": list(questions(address, count, LARGE)),
        "small": [(text, name) for text, name in questions(address, count, None) if name != LARGE],
    }
    with connected(address) as connection:
        backend = connection.info.backend_pid
        for name, texts in asked.items():
            times, cpu, near_times, recalls, kept, kept_hits = [], [], [], [], [], 0
            for groups in (("board",), ("staff",)):
                for number, (text, project) in enumerate(texts if groups == ("board",) or name == "all" else ()):
                    vector = made.vectors([text])[0]
                    started, used = time.perf_counter(), processor_seconds(backend)
                    with asking(connection, address, groups) as seen:
                        projects = seen_projects(seen, project)
                        scope = Scope(NO_FILTERS, projects, project is None)
                        passages = PublishedPassages(seen, scope, text)
                        question = FleetQuestion(text)
                        names = {entry.number: entry.name for entry in projects}
                        if number >= 20:  # the first ones read the tables into memory
                            answer = ranked_answer(passages, names, question, vector, spec)
                            times.append(time.perf_counter() - started)
                            cpu.append(processor_seconds(backend) - used)
                            kept_hits += bool(answer.hits)
                    if number % 3 == 0:
                        with asking(connection, address, groups) as seen:
                            passages = PublishedPassages(seen, scope, text)
                            near_started = time.perf_counter()
                            found = passages.near(vector, DEPTH)
                            near_times.append(time.perf_counter() - near_started)
                            recalls.append(recall(seen, vector, scope, found))
                            kept.append(sum(map(len, found.values())))
                label = f"{name}, asked as {groups[0]}"
                if times:
                    print(json.dumps({
                        "questions": label, "count": len(times), "p50_ms": percentile(times, 50),
                        "p99_ms": percentile(times, 99),
                        "answered": kept_hits,
                        "cpu_p50_ms": percentile(cpu, 50), "cpu_p99_ms": percentile(cpu, 99),
                        "near_p50_ms": percentile(near_times, 50),
                        "recall_at_10": round(float(np.mean(recalls)), 4), "least_found": min(kept),
                    }), flush=True)  # fmt: skip
                times, cpu, near_times, recalls, kept, kept_hits = [], [], [], [], [], 0


def recall(seen: object, vector: NDArray[np.float32], scope: Scope, found: object) -> float:
    """Return the share of the ten nearest visible passages that the store found."""
    query = (
        "SELECT id, -(embedding <#> %s::halfvec) AS score FROM patina.passage "
        "WHERE %s::integer[] IS NULL OR project_id = ANY (%s) ORDER BY (embedding <#> %s::halfvec) + 0 LIMIT 10"
    )
    text = json.dumps(vector.tolist())
    exact = [key for key, _ in seen.execute(query, (text, scope.numbers, scope.numbers, text))]
    ranked = sorted((-entry.score, entry.key) for entries in found.values() for entry in entries)[:10]
    return len({key for _, key in ranked} & set(exact)) / max(len(exact), 1)


def processor_seconds(backend: int) -> float:
    """Return the processor time of this process and of a process of Postgres on this machine."""
    served = int(Path(f"/proc/{backend}/schedstat").read_text().split()[0]) / 1e9
    return time.process_time() + served


def percentile(seconds: Sequence[float], share: float) -> float:
    """Return a percentile in milliseconds."""
    return round(float(np.percentile(seconds, share)) * 1000, 1)


def main() -> None:
    """Read the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("step", choices=("load", "ask"))
    parser.add_argument("--dsn", required=True)
    parser.add_argument("--passages", type=int, default=100_000)
    parser.add_argument("--projects", type=int, default=1_000)
    parser.add_argument("--questions", type=int, default=300)
    parser.add_argument("--seed", type=int, default=5)
    chosen = parser.parse_args()
    address = FleetAddress(chosen.dsn, "--dsn")
    if chosen.step == "load":
        load(address, chosen.passages, chosen.projects, chosen.seed)
    else:
        ask(address, chosen.questions, chosen.seed)


if __name__ == "__main__":
    main()
