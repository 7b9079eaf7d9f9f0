"""A replay of real life: what kept, continued and renewed weights cost and are worth, beside training anew each time.

    nohup python benchmarks/bench_drift.py OLD.db NEW.db FOLDER [--steps 12] [--layers 512 128] [--only NAME ...] &

OLD and NEW are eventlogs of one project at two times. What NEW has beyond the newest commit of OLD is appended in steps
of equally many commits to two projects in FOLDER: in one the recipe says `refresh: always`, in the other nothing. After
each step both are built, and the processor time of that is taken. Before the next build, the weights of both are
measured on what they will be asked: the relations that are new then, with all texts as candidates (MRR, *next*).

A log may hold code events of one moment only, that of a scan. Such a file is taken to be scanned at one of its commits.
Prints a line of JSON for each build and measure.
"""

import argparse
import json
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path

import numpy as np
from projects import PROJECTIONS

from patina_assets.learning.evaluate import mean_reciprocal_rank, new_relations_task
from patina_assets.learning.projection import from_safetensors
from patina_assets.pairs.hash_sample import HashSample
from patina_assets.pairs.splits import hash_share
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.pipeline.stages import BASE
from patina_assets.pipeline.stages.weights import WEIGHTS, WeightsStage
from patina_assets.pipeline.workspace import Workspace, open_workspace, survey
from patina_resources.eventlog.schema import EVENTLOG_SQL
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.project.project import find_project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import read_manifest

MEASURED = ("semantic", "temporal", "dependency", "syntactic", "architectural")
ARMS = {"policy": "by_drift", "always": "always"}
READ = "SELECT event_type, timestamp, source_id, source_file, data FROM eventlog ORDER BY seq"
APPEND = "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, ?, ?, ?, ?)"

Row = tuple[str, str, str, str | None, str]
Figures = dict[str, float | None]


def main() -> None:
    """Replay, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--layers", type=int, nargs=2, default=[512, 128])
    parser.add_argument("--only", nargs="+", default=list(MEASURED), choices=list(PROJECTIONS))
    options = parser.parse_args()
    batches = list(_batches(options.old, options.new, options.steps))
    arms = {arm: _project(options.folder / arm, word, options) for arm, word in ARMS.items()}
    before: dict[str, HashSample] = {}
    for step, rows in enumerate(batches):
        for arm, root in arms.items():
            _append(root, rows)
            workspace = open_workspace(find_project(root))
            figures, spent = _next_figures(workspace, before)
            if step:
                _tell(step=step, arm=arm, next=figures)
            _tell(step=step, arm=arm, events=len(rows), **_build(workspace, spent))
        before = {name: _relations(workspace, name) for name in options.only}


def _tell(**what: object) -> None:
    print(json.dumps(what), flush=True)


def _project(root: Path, refresh: str, options: argparse.Namespace) -> Path:
    (root / ".patina" / "data").mkdir(parents=True)
    lines = ["version: 2", f"embedding_model: {CORPUS_STATIC}", f"refresh: {refresh}", "projections:"]
    for name in options.only:
        source, pair_type = PROJECTIONS[name]
        training = f"{{source: {source}, pair_type: {pair_type}, epochs: 10}}"
        lines.append(f"  {name}: {{layers: {options.layers}, training: {training}}}")
    (root / ".patina" / "oxidize.yaml").write_text("\n".join(lines) + "\n")
    with closing(sqlite3.connect(root / ".patina" / "data" / "patina.db")) as connection:
        connection.executescript(EVENTLOG_SQL)
    return root


def _append(root: Path, rows: Sequence[Row]) -> None:
    with closing(sqlite3.connect(root / ".patina" / "data" / "patina.db")) as connection, connection:
        connection.executemany(APPEND, rows)


def _batches(old: Path, new: Path, steps: int) -> Iterator[list[Row]]:
    """Yield what is there at first, and then what is new in each step."""
    start = max(_moment(row[1]) for row in _rows(old) if row[0] == "git.commit")
    rows = list(_rows(new))
    commits = sorted(_moment(row[1]) for row in rows if row[0] == "git.commit" and _moment(row[1]) > start)
    ends = [commits[len(commits) * step // steps - 1] for step in range(1, steps + 1)]
    scans = sorted({row[1] for row in rows if row[0].startswith("code.")})
    times = _commit_times(rows, start)
    dated = []
    for row in rows:
        moment = _moment(row[1])
        if row[0].startswith("code."):
            moment = start if row[1] == scans[0] else _scanned(row[3] or "", times, commits)
        dated.append((moment, row))
    yield [row for moment, row in dated if moment <= start]
    for first, last in zip([start, *ends], ends, strict=False):
        yield [row for moment, row in dated if first < moment <= last]


def _commit_times(rows: Sequence[Row], start: float) -> dict[str, list[float]]:
    """Return the times of each path's commits after `start`."""
    times: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row[0] == "git.commit" and _moment(row[1]) > start:
            for file in json.loads(row[4]).get("files") or ():
                times[file["path"]].append(_moment(row[1]))
    return times


def _scanned(file: str, times: dict[str, list[float]], commits: Sequence[float]) -> float:
    """Return when a file is taken to be scanned: at one of its commits, or at any where none touches it."""
    moments = times.get(file.removeprefix("./")) or commits
    return moments[int(hash_share(file) * len(moments))]


def _rows(path: Path) -> Iterator[Row]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        yield from connection.execute(READ)


def _moment(timestamp: str) -> float:
    """Return seconds since 1970; 0 for what is no time, which is there from the beginning."""
    try:
        return datetime.fromisoformat(timestamp).timestamp()
    except ValueError:
        return 0.0


def _on_disk(workspace: Workspace, name: str) -> BuiltProjection:
    paths = workspace.paths(name)
    return BuiltProjection(paths, read_manifest(paths.manifest))


def _relations(workspace: Workspace, name: str) -> HashSample:
    """Return the relations that a projection's pairs have; both projects have the same."""
    return _weights(workspace, name).pairs.known(_on_disk(workspace, name)).relations


def _weights(workspace: Workspace, name: str) -> WeightsStage:
    return next(stage for stage in workspace.projection(name).stages if isinstance(stage, WeightsStage))


def _next_figures(workspace: Workspace, before: dict[str, HashSample]) -> tuple[Figures, float]:
    """Return the MRR of each projection's weights as they are, on the relations that have come since.

    Pairs and embeddings are built for that, with the model as it is: the processor time of it belongs to the build.
    """
    found: Figures = {}
    spent = 0.0
    for name, seen in before.items():
        weights = _weights(workspace, name)
        trained = from_safetensors(_on_disk(workspace, name).stage("weights").read(WEIGHTS), name)
        begun = time.process_time()
        for stage in ("pairs", "embeddings"):
            run_stage(workspace, name, stage, lambda _: None)
        spent += time.process_time() - begun
        built = _on_disk(workspace, name)
        known, file = weights.pairs.known(built), weights.pairs.relations(built)
        task = new_relations_task(
            file.relations, lambda first, second, known=known, seen=seen: seen.lacks(known.hashes(first, second))
        )
        vectors = weights.embeddings.vectors(built)
        found[name] = mean_reciprocal_rank(trained.apply(vectors), task)
        found[f"{name} base"] = mean_reciprocal_rank(vectors, task)
        found[f"{name} queries"] = int(np.size(task.queries))
    return found, spent


def _build(workspace: Workspace, spent: float) -> dict[str, object]:
    """Build what is stale; return the processor time, what became of weights, and of the model.

    Args:
        workspace: The project.
        spent: Processor time of what is built already.
    """
    started = time.process_time()
    survey(workspace)
    model = run_model(workspace, lambda _: None)
    done: dict[str, str] = {}
    seconds: dict[str, float] = defaultdict(float)
    for projection in workspace.projections:
        for stage in projection.stages:
            begun = time.process_time()
            outcome = run_stage(workspace, projection.name, stage.name, lambda _: None)
            seconds[stage.name] += time.process_time() - begun
            if stage.name == "weights":
                kinds = [reason.kind.name.lower() for reason in outcome.reasons]
                done[projection.name] = ("kept" if outcome.reused else "") or ", ".join(kinds)
    publish_lock(workspace)
    return {
        "cpu": round(spent + time.process_time() - started, 2),
        "stages": {name: round(value, 2) for name, value in seconds.items()},
        "weights": done,
        "drift": {name: _drift(workspace, name) for name in workspace.names() if name != BASE},
        "model": "kept" if model.reused else "built",
    }


def _drift(workspace: Workspace, name: str) -> list[float]:
    lineage = read_manifest(workspace.paths(name).manifest)["weights"].lineage
    return [] if lineage is None else [round(lineage.drift, 4), round(lineage.total_drift, 4), lineage.continued]


if __name__ == "__main__":
    main()
