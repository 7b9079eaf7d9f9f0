"""A replay of real life: what kept, continued and renewed weights cost and are worth, beside training anew each time.

    python benchmarks/bench_drift.py replay OLD.db NEW.db FOLDER [--steps 50] [--layers 512 128] [--only NAME ...]
    python benchmarks/bench_drift.py report FOLDER [--plot docs/replay.svg]

OLD and NEW are eventlogs of one project at two times. What NEW has beyond the newest commit of OLD is appended in steps
of equally many commits. Each projection has a project of its own, so that projections are replayed at once; `base` and
the model have one, too. After each step the project is built by the recipe's default policy, and the processor time of
that is taken. Before the next build, the weights are measured on what they will be asked: the relations that are new
then, with all texts as candidates (MRR, *next*). Beside that, in processes of their own, the weights of each step are
trained anew and indexed as a whole, as `refresh: always` does, and measured on the same.

At the end: a teammate who builds from nothing before the last step, and after it one clean build of both.

Each process keeps to one processor where there are enough. Lines of JSON go to FOLDER/replay.jsonl as they come.
"""

import argparse
import json
import multiprocessing
import os
import sqlite3
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from drift_builds import (
    applied,
    build,
    build_clean,
    build_stage,
    common_neighbours,
    digests_of,
    keep,
    on_disk,
    weights_of,
    worth_on_new_relations,
)
from drift_report import MEASURED, Line, print_report
from history_steps import Row, append_rows, batches_of
from projects import PROJECTIONS
from replay_options import lines_of, replay_parser

from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.pipeline.runner import run_model, run_stage
from patina_assets.pipeline.stages.stage import Work
from patina_assets.pipeline.workspace import open_workspace
from patina_assets.search.built import BASE
from patina_resources.embedding.side_by_side import BaseFiles
from patina_resources.eventlog.schema import EVENTLOG_SQL
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.project.project import find_project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import StageRecord, read_manifest
from patina_resources.store.paths import ProjectionPaths

LINES = "replay.jsonl"
FORK = multiprocessing.get_context("fork")

# The events of each step; processes that are forked have them, too.
_BATCHES: list[list[Row]] = []


def main() -> None:
    """Replay, or report."""
    parser, replay = replay_parser(__doc__, ("old", "new"), every=1)
    replay.add_argument("--steps", type=int, default=50)
    replay.add_argument("--only", nargs="+", default=[*MEASURED, BASE], choices=[*PROJECTIONS, BASE])
    options = parser.parse_args()
    if options.command == "replay":
        Replay(options).run()
    else:
        print_report([line for folder in options.folders for line in lines_of(folder / LINES)], options.plot)


class Replay:
    """The processes of a replay: one for each projection, and those that train anew."""

    def __init__(self, options: argparse.Namespace) -> None:
        """Read the events; processes that are forked have them, too."""
        self.folder: Path = options.folder
        self.names, self.layers = list(options.only), options.layers
        self.every = options.every
        _BATCHES[:] = batches_of(options.old, options.new, options.steps)
        self.lines: multiprocessing.Queue[Line] = FORK.Queue()
        self.begun = time.monotonic()

    def run(self) -> None:
        """Replay all of it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        chains = self.names
        trainers = max(len(os.sched_getaffinity(0)) - len(chains), 1)
        pool = FORK.Pool(trainers, initializer=_on_one_of, initargs=(len(chains),))
        running = [FORK.Process(target=self.chain, args=(name, place)) for place, name in enumerate(chains)]
        for process in running:
            process.start()
        waiting = len(chains)
        with (self.folder / LINES).open("w") as file:
            while waiting:
                line = self.lines.get()
                waiting -= line["what"] == "end"
                if self._is_trained_anew(line):
                    self._submit(pool, self.train_anew, line["projection"], line["step"] - 1)
                    waiting += 1
                if line["what"] == "build" and line["projection"] != BASE and line["step"] == self.last:
                    self._submit(pool, self.teammate, line["projection"])
                    waiting += 1
                if line["what"] != "end" or "error" in line:
                    print(json.dumps(line | {"at": round(time.monotonic() - self.begun, 1)}), file=file, flush=True)
        for process in running:
            process.join()
        pool.close()

    def _is_trained_anew(self, line: Line) -> bool:
        """Return whether a build asks something of weights that are trained anew at the step before it."""
        if line["what"] != "build" or line["projection"] == BASE or not line["step"]:
            return False
        return bool(line["step"] % self.every == 0 or line["step"] == self.last)

    @property
    def last(self) -> int:
        """The number of the last step."""
        return len(_BATCHES) - 1

    def _submit(self, pool: Any, work: Any, *arguments: Any) -> None:
        pool.apply_async(
            work,
            arguments,
            callback=self._end,
            error_callback=lambda error: self.lines.put({"what": "end", "error": repr(error), "of": arguments}),
        )

    def _end(self, line: Line) -> None:
        self.lines.put(line)
        self.lines.put({"what": "end"})

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key != "lines"}

    def chain(self, name: str, place: int) -> None:
        """Replay one projection, or `base` with the model."""
        _on(place)
        try:
            for line in self._steps(name):
                self.lines.put(line | {"projection": name})
            self.lines.put({"what": "end"})
        except BaseException as error:
            self.lines.put({"what": "end", "error": repr(error), "of": name})
            raise

    def _steps(self, name: str) -> Iterator[Line]:
        root = self._project(name, "by drift")
        for step, rows in enumerate(_BATCHES):
            append_rows(root, rows)
            workspace = open_workspace(find_project(root))
            spent: dict[str, float] = defaultdict(float)
            if step and name != BASE:
                for stage in ("pairs", "embeddings"):
                    build_stage(workspace, name, stage, spent)
                keep(on_disk(workspace, name), self._copy(name, "asked", step))
                asked = self._copied(name, "asked", step)
                before = self._copied(name, "trained", step - 1)
                figures = worth_on_new_relations(workspace, name, asked, before)
                yield {"what": "next", "arm": "by drift", "step": step, **figures}
            yield {"what": "build", "step": step, "events": len(rows), **build(workspace, name, spent)}
            if name != BASE:
                keep(on_disk(workspace, name), self._copy(name, "trained", step))
        if name != BASE:
            run_model(workspace, lambda _: None, renew=True)
            for built in workspace.projection(name).stages:
                run_stage(workspace, name, built.name, lambda _: None, renew=True)
            yield {"what": "clean", "arm": "by drift", "digests": digests_of(workspace, name)}

    def train_anew(self, name: str, step: int) -> Line:
        """Train on what there was at a step, index it as a whole, and ask what is new at the next step."""
        workspace = open_workspace(find_project(self.folder / name / "by drift"))
        trained = self._copied(name, "trained", step)
        projection = workspace.projection(name)
        weights = weights_of(workspace, name)
        work = Work(workspace.project, workspace.spec, BaseFiles(()), workspace.eventlog, trained, lambda _: None)
        begun = time.process_time()
        with blas_on_one_thread():
            made = weights.build(work)
            record = StageRecord("", {}, made.digest, {}, made.facts)
            trained = trained.replaced("weights", record, made.contents)
            projection.last.build(
                Work(workspace.project, workspace.spec, BaseFiles(()), workspace.eventlog, trained, lambda _: None)
            )
        spent = time.process_time() - begun
        asked = self._copied(name, "asked", step + 1)
        return {
            "what": "next",
            "arm": "always",
            "projection": name,
            "step": step + 1,
            "cpu": round(spent, 2),
            "epoch": made.facts["best_epoch"],
            **worth_on_new_relations(workspace, name, asked, trained),
        }

    def teammate(self, name: str) -> Line:
        """Build from nothing before the last step, compare it there, and build from nothing after it."""
        figures: Line = {"what": "teammate", "projection": name}
        root = self._project(name, "before")
        append_rows(root, [row for rows in _BATCHES[: self.last] for row in rows])
        workspace = open_workspace(find_project(root))
        begun = time.process_time()
        build_clean(workspace, name)
        figures["cpu"] = round(time.process_time() - begun, 2)
        keep(on_disk(workspace, name), self._copy(name, "fresh", self.last - 1))
        fresh = self._copied(name, "fresh", self.last - 1)
        append_rows(root, _BATCHES[self.last])
        workspace = open_workspace(find_project(root))
        build_clean(workspace, name, ("pairs", "embeddings"))
        asked = on_disk(workspace, name)
        figures |= worth_on_new_relations(workspace, name, asked, fresh)
        theirs = self._copied(name, "trained", self.last - 1)
        figures["neighbours"] = common_neighbours(
            applied(workspace, name, fresh, asked),
            applied(workspace, name, theirs, self._copied(name, "asked", self.last)),
        )
        root = self._project(name, "after")
        append_rows(root, [row for rows in _BATCHES for row in rows])
        workspace = open_workspace(find_project(root))
        build_clean(workspace, name)
        return figures | {"digests": digests_of(workspace, name)}

    def _project(self, name: str, what: str) -> Path:
        root = self.folder / name / what
        (root / ".patina" / "data").mkdir(parents=True)
        own = MEASURED[1] if name == BASE else name
        source, pair_type = PROJECTIONS[own]
        training = f"{{source: {source}, pair_type: {pair_type}, epochs: 10}}"
        lines = ["version: 2", f"embedding_model: {CORPUS_STATIC}", "projections:"]
        lines.append(f"  {own}: {{layers: {self.layers}, training: {training}}}")
        (root / ".patina" / "oxidize.yaml").write_text("\n".join(lines) + "\n")
        with closing(sqlite3.connect(root / ".patina" / "data" / "patina.db")) as connection:
            connection.executescript(EVENTLOG_SQL)
        return root

    def _copy(self, name: str, what: str, step: int) -> Path:
        return self.folder / name / what / str(step)

    def _copied(self, name: str, what: str, step: int) -> BuiltProjection:
        paths = ProjectionPaths(self._copy(name, what, step), name)
        return BuiltProjection(paths, read_manifest(paths.manifest))


def _on(place: int) -> None:
    """Keep this process to one processor, where there are enough for all."""
    processors = sorted(os.sched_getaffinity(0))
    if len(processors) > len(MEASURED) + 1:
        os.sched_setaffinity(0, {processors[place % len(processors)]})


def _on_one_of(first: int) -> None:
    """Keep a process of the pool to one of the processors that are left."""
    number = multiprocessing.current_process()._identity[-1] - 1
    count = len(os.sched_getaffinity(0))
    if count > len(MEASURED) + 1:
        _on(first + number % max(count - first, 1))


if __name__ == "__main__":
    main()
