"""What the hooks start: the repository is read and rebuilt, one run at a time, however many commits there were.

Who comes while a run is going on leaves a mark and ends. The run goes on once more for all who left one.
"""

import io
import os
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, redirect_stderr, redirect_stdout, suppress
from dataclasses import dataclass
from pathlib import Path

from patina_resources.errors import PatinaError
from patina_resources.hooks.records import wanted
from patina_resources.materialize.git.repository import find_repository
from patina_resources.project.project import Project, project_at
from patina_resources.store.files import append_line, utc_now, write_atomic
from patina_resources.store.folders.removal import remove
from patina_resources.store.mothership import mothership
from patina_resources.store.mutex import exclusive

REBASE = ("rebase-merge", "rebase-apply")
# A rebase calls its last hook before it has put its own files away.
REBASE_SECONDS = 30.0
LOOK_SECONDS = 0.2


@dataclass(frozen=True)
class HookFiles:
    """What the runs of one project leave, outside of the repository.

    Attributes:
        log: What was done, a line each; the newer half is kept.
        again: The mark of those who came while a run was going on.
        mutex: Held by the run.
    """

    log: Path
    again: Path
    mutex: Path


def hook_files(project: Project) -> HookFiles:
    """Return the files of a project's runs."""
    folder = mothership().project_folder(project.root)
    return HookFiles(folder / "hook.log", folder / "hook.again", folder / "hook.mutex")


def run_after_hook() -> int:
    """Bring the projects up to date whose hooks git called in this folder; return the exit code, always 0.

    What goes wrong is in the log. Nobody reads what this process prints.
    """
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        del os.environ[name]  # they speak of the command that called the hook
    with suppress(OSError):
        os.setsid()  # the end of the terminal is not the end of this
    here = Path.cwd().resolve()
    for entry in wanted(mothership()):
        if entry.top == here and (entry.root / ".patina").is_dir():
            _bring_up_to_date(project_at(entry.root))
    return 0


def _bring_up_to_date(project: Project) -> None:
    files = hook_files(project)
    write_atomic(files.again, b"")
    while files.again.exists():
        with _if_free(files.mutex) as is_ours:
            if not is_ours:
                return
            while files.again.exists():
                remove([files.again], files.again.parent)
                _run(project, files.log)
        # Who came after the last look and before the mutex was free has left a mark.


@contextmanager
def _if_free(mutex: Path) -> Iterator[bool]:
    """Hold a mutex if nobody else does; yield whether it is held."""
    with ExitStack() as stack:
        try:
            stack.enter_context(exclusive(mutex, 0.0, "a run after a hook"))
        except PatinaError:
            yield False
            return
        yield True


def _run(project: Project, log: Path) -> None:
    """Read and build once; what is said of it goes to the log, its tables do not."""
    if not _rebase_has_ended(project.root):
        append_line(log, f"{utc_now()} left out: a rebase is going on; it calls again when it ends")
        return
    started = time.monotonic()
    append_line(log, f"{utc_now()} begun")
    try:
        with redirect_stdout(io.StringIO()), redirect_stderr(LogLines(log)):
            _materialize_and_build(project)
        outcome = "done"
    except PatinaError as error:
        outcome = f"failed: {error}"
    except Exception as error:  # this process has no terminal to tell it to
        outcome = f"failed: {type(error).__name__}: {error}"
    append_line(log, f"{utc_now()} {outcome} after {time.monotonic() - started:.1f} s")


class LogLines(io.TextIOBase):
    """A stream whose lines go to a log, each with the time at which it was written; threads may share it."""

    def __init__(self, log: Path) -> None:
        self._log, self._rest, self._lock = log, "", threading.Lock()

    def write(self, text: str) -> int:
        """Append the lines that this text ends; what a log cannot take does not stop a build."""
        with self._lock:
            *lines, self._rest = (self._rest + text).split("\n")
            for line in filter(str.strip, lines):
                with suppress(PatinaError):
                    append_line(self._log, f"{utc_now()}   {line}")
        return len(text)


def _materialize_and_build(project: Project) -> None:
    from patina_assets.commands.materialize import materialize
    from patina_assets.commands.oxidize import oxidize

    materialize(project, only=None, full=False, says_next=False)
    oxidize(project)


def _rebase_has_ended(root: Path) -> bool:
    git_dir = find_repository(root).git_dir
    deadline = time.monotonic() + REBASE_SECONDS
    while any((git_dir / name).exists() for name in REBASE):
        if time.monotonic() > deadline:
            return False
        time.sleep(LOOK_SECONDS)
    return True
