"""A replay of a git repository, commit by commit: weights by the recipe's policy beside weights that are trained anew.

    python benchmarks/bench_commit_replay.py replay CLONE FOLDER --last COMMIT [--commits 300] [--together 3]
        [--every 10] [--layers 512 128] [--questions QUESTIONS.json --name NAME] [--later 60]
    python benchmarks/bench_commit_replay.py report FOLDER ... [--plot docs/commit-replay.svg]

The commits before COMMIT (first parents) are checked out, read and built, so many together as one step. All of it runs
in one process; the processor time of each stage is taken, with that of git and of the parsers. At every so many steps,
the weights of each projection are trained anew beside it and indexed as a whole, as `refresh: always` does. Both are
asked for the relations that are new one step later, and as many steps later as lie between two such trainings (MRR, all
texts are candidates).

At the end, the questions of the repository are asked, and the subjects of later commits (a file that such a commit
changes answers it), before and after a clean build. For held-out entities, weights of
the training part alone go through the same: where the policy continues, they are continued on the training part of
that day. At the end they are asked for the test part, beside those of the clean build.

Each line of FOLDER/commits.jsonl is one step or measure.
"""

import argparse
import json
import resource
import subprocess
import sys
from collections import defaultdict
from contextlib import redirect_stdout, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench_locked import DEPTH, ONE, TOLD, Question, first, fits, names_of
from commit_report import ALWAYS, BY_DRIFT, CLEAN, TRAINED, print_commit_report
from drift_builds import on_disk, weights_of
from drift_report import Line
from replay_options import lines_of, replay_parser

from patina_assets.commands.materialize import materialize
from patina_assets.learning.continuing import continue_projection, of_continuation
from patina_assets.learning.evaluate import held_out_task, mean_reciprocal_rank, new_relations_task
from patina_assets.learning.parts import blas_on_one_thread
from patina_assets.learning.projection import Projection, from_safetensors
from patina_assets.pairs.hash_sample import HashSample
from patina_assets.pairs.splits import Split
from patina_assets.pipeline.formats import decode_sample
from patina_assets.pipeline.runner import StageOutcome, publish_lock, run_model, run_stage
from patina_assets.pipeline.stages import ProjectionStages
from patina_assets.pipeline.stages.pairs import NoSignalError
from patina_assets.pipeline.stages.stage import Work
from patina_assets.pipeline.stages.weights import MEASURED, TRAINED_ON, WEIGHTS, WeightsStage, training_options
from patina_assets.pipeline.workspace import Workspace, open_workspace, survey
from patina_assets.search.searcher import Searcher
from patina_resources.embedding.side_by_side import BaseFiles
from patina_resources.errors import PatinaError
from patina_resources.project.project import find_project
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.manifests import StageRecord

LINES = "commits.jsonl"
MODEL = "corpus-static+english-static"
DEFAULT_LAYERS = "[1024, 256]"
RESULTS = 400
# A later commit that changes more of today's files tells nothing of one of them.
MOST_ANSWERS = 5
LATER = "later commit"


def main() -> None:
    """Replay, or report."""
    parser, replay = replay_parser(__doc__, ("clone",), every=10)
    replay.add_argument("--last", required=True)
    replay.add_argument("--commits", type=int, default=300)
    replay.add_argument("--together", type=int, default=3, help="commits of a step")
    replay.add_argument("--questions", type=Path)
    replay.add_argument("--name", help="of the repository, in the questions")
    replay.add_argument("--later", type=int, default=0, help="ask the subjects of so many commits behind the last one")
    options = parser.parse_args()
    if options.command == "replay":
        CommitReplay(options.clone, options.folder.resolve()).run(options)
    else:
        print_commit_report({folder.name: lines_of(folder / LINES) for folder in options.folders}, options.plot)


class CommitReplay:
    """A repository at one commit after the other, with what is built of it."""

    def __init__(self, clone: Path, folder: Path) -> None:
        """Take the places."""
        self.clone, self.folder, self.root = clone, folder, folder / "clone"
        # By projection: those of the training part alone.
        self.held_back: dict[str, Projection] = {}
        # By projection and step: what was trained until then, by arm, and the relations that there were.
        self.trained: dict[tuple[str, int], dict[str, Projection]] = {}
        self.seen: dict[tuple[str, int], HashSample] = {}

    def run(self, options: argparse.Namespace) -> None:
        """Build what there is before the first step, then each step, and measure."""
        commits = self._begin(options)
        last = len(commits) - 1
        for step, commit in enumerate(commits):
            self._check_out(commit)
            self._say(self._build(step))
            for before in {step - 1, step - options.every}:
                self._ask_for_new(before, step)
            if step % options.every == 0 and step < last:
                self._train_anew(step)
        questions = json.loads(options.questions.read_text("utf-8")) if options.questions else []
        own = [entry for entry in questions if entry["repo"] == options.name]
        self._end([*own, *later_questions(self.root, options.later)])

    def _begin(self, options: argparse.Namespace) -> list[str]:
        """Clone, write a recipe as `patina init` does, and return the last commit of each step."""
        self.folder.mkdir(parents=True)
        _run(["git", "clone", "-q", self.clone, self.root], self.folder)
        listed = ["git", "rev-list", "--first-parent", f"--max-count={options.commits + 1}", options.last]
        commits = _run(listed, self.root).split()[:: options.together][::-1]
        self._check_out(commits[0])
        patina = [sys.executable, "-m", "patina_assets.cli"]
        _run([*patina, "init", "--no-build", "--model", MODEL, "."], self.root)
        _run([*patina, "materialize"], self.root)
        recipe = self.root / ".patina" / "oxidize.yaml"
        recipe.write_text(recipe.read_text("utf-8").replace(DEFAULT_LAYERS, str(options.layers)), "utf-8")
        return commits

    def _say(self, line: Line) -> None:
        with (self.folder / LINES).open("a") as file:
            print(json.dumps(line), file=file)

    def _check_out(self, commit: str) -> None:
        _run(["git", "checkout", "-q", "-f", commit], self.root)

    def _workspace(self) -> Workspace:
        return open_workspace(find_project(self.root))

    def _build(self, step: int) -> Line:
        """Do what `patina materialize --oxidize` does, in this process."""
        spent: dict[str, float] = defaultdict(float)
        begun = _spent()
        with redirect_stdout(sys.stderr):
            materialize(find_project(self.root), only=None, full=False)
        workspace = self._workspace()
        survey(workspace)
        model = run_model(workspace, lambda _: None)
        spent["look and model"] = _spent() - begun
        weights, changed = dict[str, str](), list[str]()
        for projection in workspace.projections:
            name = projection.name
            before = on_disk(workspace, name)
            fate = "kept" if name in self.held_back else ""
            with suppress(NoSignalError):  # as in a build: what there was stays
                fate = self._build_projection(workspace, projection, before, spent)
            if fate:
                weights[name] = fate
            if _digest(before, "pairs") != _digest(on_disk(workspace, name), "pairs"):
                changed.append(name)
        begun = _spent()
        publish_lock(workspace)
        spent["rest"] += _spent() - begun
        told = {"cpu": {kind: round(seconds, 3) for kind, seconds in spent.items()}, "weights": weights}
        state = "kept" if model.reused else "built"
        return {"what": "step", "step": step, **told, "changed": changed, "model": state}

    def _build_projection(
        self, workspace: Workspace, projection: ProjectionStages, before: BuiltProjection, spent: dict[str, float]
    ) -> str:
        """Build the stages of a projection, add what that took, and return what became of its weights; "" for none."""
        name, fate = projection.name, ""
        for stage in projection.stages:
            seen = _trained_on(before) if isinstance(stage, WeightsStage) else None  # it is replaced
            begun = _spent()
            try:
                outcome = run_stage(workspace, name, stage.name, lambda _: None, writes_lock=False)
            finally:
                spent[f"{name}/{stage.name}" if stage.name in TRAINED else "rest"] += _spent() - begun
            if isinstance(stage, WeightsStage):
                fate = self._follow(workspace, stage, seen, outcome)
        return fate

    def _follow(self, workspace: Workspace, stage: WeightsStage, seen: HashSample | None, outcome: StageOutcome) -> str:
        """Do with the weights of the training part what the policy did, which knew relations of before; return that."""
        name = stage.recipe.name
        if outcome.reused:
            return "kept"
        built = on_disk(workspace, name)
        lineage = outcome.record.lineage
        if seen is None or lineage is None or not lineage.continued:
            self.held_back[name] = from_safetensors(built.stage(stage.name).read(MEASURED), name)
            return ", ".join(reason.kind.name.lower() for reason in outcome.reasons)
        known, file = stage.pairs.known(built), stage.pairs.relations(built)
        epochs = outcome.record.facts["continuations"][-1]["epochs"]
        with blas_on_one_thread():
            self.held_back[name] = continue_projection(
                self.held_back[name],
                stage.embeddings.vectors(built),
                file.relations.only(Split.TRAIN),
                lambda first, second: seen.lacks(known.hashes(first, second)),
                len(file.training_triplets),
                of_continuation(training_options(stage.recipe), epochs, lineage.continued - 1),
                hard_negatives=stage.hard_negatives,
            ).projection
        return "continued"

    def _train_anew(self, step: int) -> None:
        """Train and index each projection from the start, and remember both arms and what they have seen."""
        workspace = self._workspace()
        for projection in workspace.projections:
            stage = next((entry for entry in projection.stages if isinstance(entry, WeightsStage)), None)
            if stage is None:
                continue
            name, built = projection.name, on_disk(workspace, projection.name)
            work = Work(workspace.project, workspace.spec, BaseFiles(()), workspace.eventlog, built, lambda _: None)
            begun = _spent()
            with blas_on_one_thread():
                made = stage.build(work)
                anew = built.replaced(stage.name, StageRecord("", {}, made.digest, {}, made.facts), made.contents)
                projection.last.build(replace(work, built=anew))
            self._say({"what": "anew", "projection": name, "step": step, "cpu": round(_spent() - begun, 2)})
            self.trained[name, step] = {
                BY_DRIFT: from_safetensors(built.stage(stage.name).read(WEIGHTS), name),
                ALWAYS: from_safetensors(made.contents[WEIGHTS], name),
            }
            self.seen[name, step] = stage.pairs.known(built).relations

    def _ask_for_new(self, before: int, step: int) -> None:
        """Ask both arms of an earlier step for the relations that have come since."""
        workspace = self._workspace()
        for (name, trained_at), arms in self.trained.items():
            if trained_at != before:
                continue
            stage, built = weights_of(workspace, name), on_disk(workspace, name)
            known, seen = stage.pairs.known(built), self.seen[name, before]
            task = new_relations_task(
                stage.pairs.relations(built).relations,
                lambda first, second, seen=seen, known=known: seen.lacks(known.hashes(first, second)),  # type: ignore[misc]
            )
            vectors = stage.embeddings.vectors(built)
            found = {arm: mean_reciprocal_rank(trained.apply(vectors), task) for arm, trained in arms.items()}
            told = {"queries": int(np.size(task.queries)), "base": mean_reciprocal_rank(vectors, task), **found}
            self._say({"what": "next", "projection": name, "trained": before, "step": step, **told})

    def _end(self, questions: list[Question]) -> None:
        """Ask questions, and for held-out entities, of what was kept and continued, and of a clean build."""
        self._say({"what": "ranks", "arm": BY_DRIFT, "ranks": self._ranks(questions)})
        workspace = self._workspace()
        held = {name: self._worth_held_out(workspace, name, trained) for name, trained in self.held_back.items()}
        begun = _spent()
        run_model(workspace, lambda _: None, renew=True)
        for projection in workspace.projections:
            with suppress(NoSignalError):
                for stage in projection.stages:
                    run_stage(workspace, projection.name, stage.name, lambda _: None, renew=True)
        self._say({"what": "clean", "cpu": round(_spent() - begun, 1)})
        self._say({"what": "ranks", "arm": CLEAN, "ranks": self._ranks(questions)})
        for name, found in held.items():
            clean = from_safetensors(on_disk(workspace, name).stage("weights").read(MEASURED), name)
            arms = {BY_DRIFT: found, CLEAN: self._worth_held_out(workspace, name, clean)}
            self._say({"what": "held", "projection": name, **arms})

    def _worth_held_out(self, workspace: Workspace, name: str, trained: Projection) -> Line:
        """Return the MRR of some weights, and of the base vectors, on the test part."""
        stage, built = weights_of(workspace, name), on_disk(workspace, name)
        task, vectors = held_out_task(stage.pairs.relations(built).relations), stage.embeddings.vectors(built)
        mrr, base = mean_reciprocal_rank(trained.apply(vectors), task), mean_reciprocal_rank(vectors, task)
        return {"mrr": mrr, "base": base, "queries": int(np.size(task.queries))}

    def _ranks(self, questions: list[Question]) -> list[Line]:
        searcher = Searcher(find_project(self.root))
        ranks = list[Line]()
        for question in questions:
            try:
                hits = searcher.answer(question["question"], None, RESULTS).hits
            except PatinaError:  # no word of it is known
                hits = []
            told = (names_of(hit) for hit in hits if fits(hit, question["kind"]))
            found = {ONE: first(map(names_of, hits[:DEPTH]), question), TOLD: first(told, question)}
            ranks.append({"kind": question["kind"], **found})
        return ranks


def later_questions(clone: Path, count: int) -> list[Question]:
    """Return the subjects of the commits behind the one that is checked out: a file that such a commit changes answers.

    Args:
        clone: A clone, its files as at an earlier commit.
        count: So many commits at most; merges are left out.
    """
    behind = _run(["git", "rev-list", "--first-parent", "--no-merges", "--reverse", "HEAD..origin/HEAD"], clone)
    asked = list[Question]()
    for commit in behind.split()[:count]:
        subject, *changed = _run(["git", "show", "--format=%s", "--name-only", commit], clone).splitlines()
        answers = [path for path in changed if path and (clone / path).is_file()]
        if 0 < len(answers) <= MOST_ANSWERS:
            asked.append({"question": subject, "kind": LATER, "answers": answers})
    return asked


def _trained_on(built: BuiltProjection) -> HashSample | None:
    """Return the relations that weights were trained on last; None where there are none yet."""
    return decode_sample(built.stage("weights").read(TRAINED_ON)) if "weights" in built.manifest else None


def _digest(built: BuiltProjection, stage: str) -> str:
    record = built.manifest.get(stage)
    return record.digest if record else ""


def _spent() -> float:
    """Return the processor seconds of this process and of those that it has waited for."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(entry.ru_utime + entry.ru_stime for entry in used)


def _run(command: list[Any], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
