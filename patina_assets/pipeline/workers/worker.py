"""The other process: it builds the stages of one projection, one after another, and says what came of each."""

import os
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

from patina_assets.pipeline.progress import Progress
from patina_assets.pipeline.reasons import Reason
from patina_assets.pipeline.runner import run_stage
from patina_assets.pipeline.stages.stage import CheckResult, FailedCheckError
from patina_assets.pipeline.workspace import Workspace
from patina_resources.errors import PatinaError


@dataclass(frozen=True)
class Assignment:
    """What one process builds.

    Attributes:
        workspace: The project.
        projection: The projection.
        stages: Names of its stages, in the order of building.
        full: Build them even if they are fresh.
        renew: Train anew what was not trained from the start on exactly what there is.
    """

    workspace: Workspace
    projection: str
    stages: tuple[str, ...]
    full: bool = False
    renew: bool = False


@dataclass(frozen=True)
class StageDone:
    """A stage was built or found fresh; the fields mean what they mean in `StageOutcome`."""

    stage: str
    reused: bool
    reasons: tuple[Reason, ...]
    seconds: float
    checked: tuple[CheckResult, ...]


@dataclass(frozen=True)
class AssignmentFailed:
    """A stage could not be built, and none that follows it.

    Attributes:
        text: The sentence of a `PatinaError`, or the traceback of anything else.
        is_expected: Whether it is the sentence.
        held_back: Name of the stage, where a check of it failed.
        checks: The results of its checks then.
    """

    text: str
    is_expected: bool
    held_back: str = ""
    checks: tuple[CheckResult, ...] = ()


Message = Progress | StageDone | AssignmentFailed


def serve() -> None:
    """Build what the other end of a connection asks for; it is the descriptor that the second argument names."""
    connection = Connection(int(sys.argv[2]))
    assignment: Assignment = connection.recv()
    model_is_ready = threading.Event()
    threading.Thread(target=_follow, args=(connection, model_is_ready), daemon=True).start()
    try:
        build(assignment, connection.send, model_is_ready)
    except FailedCheckError as error:
        connection.send(AssignmentFailed(str(error), True, error.stage, error.checks))
    except PatinaError as error:
        connection.send(AssignmentFailed(str(error), is_expected=True))
    except Exception:  # told where somebody reads it
        connection.send(AssignmentFailed(traceback.format_exc(), is_expected=False))


def _follow(connection: "Connection[Message, Assignment | None]", model_is_ready: threading.Event) -> None:
    """Pass on that the model is ready. Whoever asked for the work may be gone, however that ended: then end, too."""
    with suppress(EOFError, OSError):
        while True:
            connection.recv()
            model_is_ready.set()
    os._exit(1)


def build(assignment: Assignment, say: Callable[[Message], None], model_is_ready: threading.Event) -> None:
    """Build the stages of an assignment.

    Args:
        assignment: What to build.
        say: Called with each message.
        model_is_ready: Waited for before the first stage that embeds.

    Raises:
        PatinaError: A stage cannot be built; those before it stay.
    """
    workspace, name = assignment.workspace, assignment.projection
    for stage in assignment.stages:
        if workspace.projection(name).stage(stage).embeds:
            model_is_ready.wait()
        outcome = run_stage(workspace, name, stage, say, full=assignment.full, renew=assignment.renew)
        say(StageDone(stage, outcome.reused, outcome.reasons, outcome.seconds, outcome.checked))
