"""The processes that build projections at once, seen from the one that asked for it.

A training divides its batches into few parts, so that on many processors one training leaves most of them idle, and
what is plain Python keeps to one processor anyway. So where there are enough, each projection that is trained from the
start gets a process. What is built does not depend on that, to the last byte.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from multiprocessing import Pipe
from multiprocessing.connection import Connection
from pathlib import Path
from queue import SimpleQueue
from threading import Lock, Semaphore, Thread
from typing import TYPE_CHECKING, Self

from patina_assets.pipeline.progress import Progress, Report
from patina_assets.pipeline.runner import StageOutcome, model_on_disk, publish_lock, run_model, run_stage
from patina_assets.pipeline.stages import ProjectionStages
from patina_assets.pipeline.stages.stage import FailedCheckError, TrainedStage
from patina_assets.pipeline.staleness import training_basis
from patina_assets.pipeline.workers.worker import Assignment, AssignmentFailed, Message, StageDone
from patina_assets.pipeline.workspace import Workspace, manifest_state
from patina_assets.search.built import BASE
from patina_resources.embedding.processors import processor_count
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import BuiltProjection

WORKERS_VARIABLE = "PATINA_WORKERS"
# Each trains on up to four threads that wait for each other, and is on one for the rest. So with fewer than four
# processors no process is started: one training keeps them busy.
PROCESSORS_FOR_EACH = 2
START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from {module} import serve; serve()"
WORKER = "patina_assets.pipeline.workers.worker"
ENDED = "the process that built {name} ended: run `patina oxidize` again; where memory was short, with PATINA_WORKERS=1"

if TYPE_CHECKING:
    OurEnd = Connection[Assignment | None, Message]


def assignments(
    workspace: Workspace,
    wanted: Mapping[str, Sequence[str]],
    is_forced: Callable[[str], bool],
    *,
    renew: bool = False,
    model_is_stale: bool = False,
) -> list[Assignment]:
    """Return what is built at once: projections that are trained from the start, if there are several, and `base`.

    Args:
        workspace: The project.
        wanted: Names of the stages to bring up to date, by projection, in the order of building.
        is_forced: Whether a projection is built even if it is fresh.
        renew: Train anew what was not trained from the start on exactly what there is.
        model_is_stale: The model is built first.

    Raises:
        PatinaError: `PATINA_WORKERS` is no number.
    """
    if most_at_once() < 2:
        return []
    found = [
        projection.name
        for projection in workspace.projections
        if is_forced(projection.name)
        or model_is_stale
        or trains_from_the_start(workspace, projection, wanted.get(projection.name, ()), renew=renew)
    ]
    trained = [name for name in found if name != BASE and wanted.get(name)]
    if len(trained) < 2:
        return []
    # `base` first: most of its work is on one processor.
    return [
        Assignment(workspace, name, tuple(wanted[name]), full=is_forced(name), renew=renew)
        for name in (BASE, *trained)
        if wanted.get(name)
    ]


def trains_from_the_start(
    workspace: Workspace, projection: ProjectionStages, wanted: Sequence[str], *, renew: bool
) -> bool:
    """Return whether a projection's weights are trained from the start, as far as that is known before its pairs are.

    Args:
        workspace: The project.
        projection: The projection.
        wanted: Names of its stages to bring up to date.
        renew: Train anew what was not trained from the start on exactly what there is.
    """
    weights = next((stage for stage in projection.stages if isinstance(stage, TrainedStage)), None)
    if weights is None or weights.name not in wanted:
        return False
    record = manifest_state(workspace.paths(projection.name)).manifest.get(weights.name)
    if record is None or record.lineage is None or weights.refresh.always or (renew and not record.is_clean):
        return True
    return record.lineage.basis != training_basis(weights, model_on_disk(workspace))


def most_at_once() -> int:
    """Return how many projections may be built at once: what `PATINA_WORKERS` says, else what there are processors for.

    Raises:
        PatinaError: It is no number.
    """
    said = os.environ.get(WORKERS_VARIABLE, "")
    if said and not (said.isdecimal() and len(said) < 4):
        raise PatinaError(
            f"{WORKERS_VARIABLE}={said!r}: expected a whole number, such as 1 to build one projection after another"
        )
    return int(said) if said else processor_count() // PROCESSORS_FOR_EACH


class Workers:
    """Processes that build at once; use as a context manager, so that none is left behind."""

    def __init__(self, assigned: Sequence[Assignment]) -> None:
        """Start what there are processors for; the rest follows as they end."""
        self._messages: dict[str, SimpleQueue[Message | None]] = {entry.projection: SimpleQueue() for entry in assigned}
        self._assigned = {entry.projection: entry for entry in assigned}
        self._done: dict[tuple[str, str], StageDone] = {}
        self._slots = Semaphore(max(most_at_once(), 1))
        self._lock = Lock()
        self._running: dict[str, tuple[subprocess.Popen[bytes], OurEnd]] = {}
        self._model_is_ready = self._stopped = False
        for entry in assigned:
            Thread(target=self._follow, args=(entry,), name=f"worker-{entry.projection}", daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def model_is_ready(self) -> None:
        """Let them embed."""
        with self._lock:
            self._model_is_ready = True
            for _, connection in self._running.values():
                _tell(connection)

    @contextmanager
    def while_model_is_built(self) -> Iterator[None]:
        """Let them embed at the end; without a model nothing of what they wait for can be built."""
        try:
            yield
        except BaseException:
            self.stop()
            raise
        self.model_is_ready()

    def outcome(self, name: str, stage: str, report: Report) -> StageOutcome | None:
        """Wait for a stage, and return what became of it; None where no process builds it.

        Args:
            name: The projection.
            stage: Its stage.
            report: Told how far that projection is, and was since it was last asked for.

        Raises:
            PatinaError: It cannot be built, or the process has ended.
            RuntimeError: The process failed in another way.
        """
        if name not in self._assigned or stage not in self._assigned[name].stages:
            return None
        try:
            while (name, stage) not in self._done:
                self._take(name, report)
        except PatinaError:
            raise
        except BaseException:  # such as Ctrl-C
            self.stop()
            raise
        done, workspace = self._done[name, stage], self._assigned[name].workspace
        paths = workspace.paths(name)
        built = BuiltProjection(paths, manifest_state(paths).manifest)
        chosen = workspace.projection(name).stage(stage)
        return StageOutcome(chosen, built, done.reused, done.reasons, done.seconds, done.checked)

    def _take(self, name: str, report: Report) -> None:
        """Take the next message of a process."""
        match self._messages[name].get():
            case Progress() as progress:
                report(progress)
            case StageDone() as done:
                self._done[name, done.stage] = done
            case AssignmentFailed(text, is_expected, held_back, checks):
                self._messages[name].put(None)
                if held_back:
                    raise FailedCheckError(name, held_back, checks)
                raise PatinaError(text) if is_expected else RuntimeError(text)
            case None:
                self._messages[name].put(None)
                raise PatinaError(ENDED.format(name=name))

    def stop(self) -> None:
        """End what still runs; what was built stays."""
        with self._lock:
            self._stopped = True
            running = [process for process, _ in self._running.values()]
        for process in running:
            process.kill()
        for process in running:
            process.wait()

    def _follow(self, entry: Assignment) -> None:
        """Run one process, and keep what it says."""
        messages = self._messages[entry.projection]
        with self._slots:
            started = self._start(entry)
            if started is not None:
                process, connection = started
                with suppress(EOFError, OSError):
                    while True:
                        messages.put(connection.recv())
                process.wait()
                with self._lock:
                    del self._running[entry.projection]
                connection.close()
        messages.put(None)

    def _start(self, entry: Assignment) -> tuple[subprocess.Popen[bytes], "OurEnd"] | None:
        package_root = str(Path(__file__).resolve().parents[3])
        path = [package_root, *(folder for folder in sys.path if Path(folder).is_absolute())]
        with self._lock:
            if self._stopped:
                return None
            ours, theirs = Pipe()
            command = [sys.executable, "-I", "-c", START.format(module=WORKER), json.dumps(path), str(theirs.fileno())]
            process = subprocess.Popen(  # noqa: S603 - this interpreter, isolated from the working folder
                command,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                start_new_session=True,  # Ctrl-C is for this process, which ends them
            )
            theirs.close()
            self._running[entry.projection] = process, ours
            with suppress(OSError):  # it has ended already: its messages will say so
                ours.send(entry)
            if self._model_is_ready:
                _tell(ours)
            return process, ours


def _tell(connection: "OurEnd") -> None:
    with suppress(OSError):
        connection.send(None)


def build_all(workspace: Workspace, report: Report, *, full: bool = False, renew: bool = False) -> list[StageOutcome]:
    """Bring the model and all stages of a project up to date; return what became of each stage.

    Args:
        workspace: The project.
        report: Told how far it is.
        full: Build everything, fresh or not.
        renew: Build anew what was not made from exactly what there is.

    Raises:
        PatinaError: Something cannot be built; what was built until then stays.
    """
    wanted = {entry.name: [stage.name for stage in entry.stages] for entry in workspace.projections}
    is_stale = full or not model_on_disk(workspace).digest
    assigned = assignments(workspace, wanted, lambda _: full, renew=renew, model_is_stale=is_stale)
    with Workers(assigned) as workers:
        with workers.while_model_is_built():
            run_model(workspace, report, full=full, renew=renew)
        outcomes = [
            workers.outcome(name, stage, report) or run_stage(workspace, name, stage, report, full=full, renew=renew)
            for name, stages in wanted.items()
            for stage in stages
        ]
    publish_lock(workspace)
    return outcomes
