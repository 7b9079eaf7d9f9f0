"""A question to a store of many passages: time, recall, rows and bytes. Passages are made up, from a seed.

    python benchmarks/bench_fleet_search.py load --dsn DSN --passages 100000
    python benchmarks/bench_fleet_search.py ask  --dsn DSN --questions 300

Words come from the texts of this repository, as often as they stand there; each project has words of its own subject. A
vector is the one that `english-static` gives the text, turned into 384 dimensions, with noise, so that no dimension is
empty. Such vectors are nearer to each other than those of real texts: times are real, recall is the worst case. The
first project has a fifth of all passages; the others are small, as most projects of a company are.
"""

import argparse
import json
import re
import resource
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Group, Passage
from patina_assets.search.asking.filters import NO_FILTERS
from patina_assets.search.base_model import embedder
from patina_assets.search.files.found import Found
from patina_assets.search.published.answers import NEAR_DEPTH, FleetQuestion, answer_of_passages
from patina_assets.search.published.near import QuestionVectors
from patina_assets.search.published.passages import PublishedPassages
from patina_assets.search.published.publication import publish_built
from patina_assets.search.published.publishable import Publishable
from patina_assets.search.published.scope import Scope
from patina_assets.search.published.session import asking, seen_projects
from patina_assets.search.published.store import SharedModel, made_for
from patina_resources.embedding.side_by_side import BaseSpec, resolve_base
from patina_resources.models.cache import cached_model
from patina_resources.models.registry_files import load_registry
from patina_resources.postgres.address import FleetAddress
from patina_resources.postgres.connection import connected
from patina_resources.store.mothership import mothership

if TYPE_CHECKING:
    import psycopg

ROOT = Path(__file__).resolve().parent.parent
DIMS, SUBJECT_WORDS, LARGE_SHARE, NOISE, TURN = 384, 150, 0.2, 0.15, 0.5
MODEL = SharedModel("english-static", "0" * 64, "made up, 384 dimensions", DIMS)
GROUPS = ("staff", "board")
LARGE = "p0000"
KINDS = ("function", "function", "function", "code", "section", "commit", "observation")
ASKED = ("where is the {}", "how does the {} work", "why was the {} changed", "{}", "which function has the {}")
WARM_UP = 20  # the first questions read the tables into memory
EXACT = """
SELECT -(embedding <#> %s::halfvec) FROM patina.passage WHERE %s::integer[] IS NULL OR project_id = ANY (%s)
ORDER BY (embedding <#> %s::halfvec) + 0 LIMIT 10
"""
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
        return np.asarray(mixed / np.maximum(np.linalg.norm(mixed, axis=1, keepdims=True), 1e-6), np.float32)

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


def _as_built(built: Publishable) -> Publishable:
    return built


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
            publish_built(connection, f"p{number:04}", GROUPS if number % 2 else GROUPS[1:], partial(_as_built, built))
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


@dataclass
class Measured:
    """What questions of one kind took, in seconds, and how much of the exact answer they found."""

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    recalls: list[float] = field(default_factory=list)

    def line(self, label: str) -> str:
        """Return the figures as one line of JSON, times in milliseconds."""
        shares = {f"p{share}": share for share in (50, 99)}
        return json.dumps({
            "questions": label,
            "count": len(self.clock),
            **{f"clock_{name}_ms": percentile(self.clock, share) for name, share in shares.items()},
            **{f"processor_{name}_ms": percentile(self.processor, share) for name, share in shares.items()},
            "recall_at_10": round(float(np.mean(self.recalls)), 4),
        })  # fmt: skip


def ask(address: FleetAddress, count: int, seed: int) -> None:
    """Print times and recall for questions to all projects, to the large one, and to small ones."""
    made = MadeUp(seed)
    spec = resolve_base(load_registry(mothership()), "english-static")
    anywhere = list(questions(address, count, None))
    asked: dict[tuple[str, str], list[tuple[str, str | None]]] = {
        ("all", "board"): [(text, None) for text, _ in anywhere],
        ("all, half of the projects hidden", "staff"): [(text, None) for text, _ in anywhere],
        ("the large project", "board"): [(text, name) for text, name in questions(address, count, LARGE)],
        ("one small project", "board"): [(text, name) for text, name in anywhere if name != LARGE],
    }
    with connected(address) as connection:
        for (label, group), texts in asked.items():
            measured = Measured()
            for number, (text, project) in enumerate(texts):
                one_question(connection, address, group, text, project, made.vectors([text])[0], spec, measured)
                if number == WARM_UP:
                    measured = Measured()
            print(measured.line(label), flush=True)


def one_question(
    connection: "psycopg.Connection[Any]",
    address: FleetAddress,
    group: str,
    text: str,
    project: str | None,
    vector: NDArray[np.float32],
    spec: BaseSpec,
    measured: Measured,
) -> None:
    """Ask one question, and compare its nearest passages with the exact ones."""
    # Learned maps turn a vector by about as much; what is made up has none.
    turns = np.random.default_rng(len(text)).normal(size=(3, DIMS)).astype(np.float32) * np.float32(TURN / DIMS**0.5)
    turned = (vector + turns) / np.linalg.norm(vector + turns, axis=1, keepdims=True)
    vectors = QuestionVectors(vector, dict(zip((Group.CODE, Group.DOCS, Group.COMMITS), turned, strict=True)))
    backend = connection.info.backend_pid
    started, used = time.perf_counter(), processor_seconds(backend)
    with asking(connection, address, (group,)) as seen:
        projects = seen_projects(seen, project)
        scope = Scope(NO_FILTERS, projects, project is None)
        names = {entry.number: entry.name for entry in projects}
        answer_of_passages(PublishedPassages(seen, scope, text), names, FleetQuestion(text), lambda: vectors, spec)
    measured.clock.append(time.perf_counter() - started)
    measured.processor.append(processor_seconds(backend) - used)
    with asking(connection, address, (group,)) as seen:
        found = PublishedPassages(seen, scope, text).near(vectors, NEAR_DEPTH).own
        measured.recalls.append(recall(seen, vector, scope, found))


def recall(
    seen: "psycopg.Connection[Any]",
    vector: NDArray[np.float32],
    scope: Scope,
    found: Mapping[Group, Sequence[Found]],
) -> float:
    """Return the share of the ten nearest visible passages that was found; one as near as the tenth counts."""
    text = json.dumps(vector.tolist())
    exact = [score for (score,) in seen.execute(EXACT, (text, scope.numbers, scope.numbers, text))]
    best = sorted((entry.score for entries in found.values() for entry in entries), reverse=True)[:10]
    return float(sum(score >= exact[-1] - 1e-4 for score in best)) / max(len(exact), 1)


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
