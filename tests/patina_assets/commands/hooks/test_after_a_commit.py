"""What a commit starts, in a real repository: one run at a time, and everything is up to date when it ends."""

import json
import os
import re
import resource
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from amounts import SOAK, amount
from materialize_helpers import GitFolder, live
from root import ROOT
from small_project import patina

from patina_assets.commands.hooks.background import HookFiles, LogLines, hook_files
from patina_resources.project.project import find_project
from patina_resources.store.mutex import exclusive

WAIT_SECONDS = 240.0
# Lines of the log that tell of the beginning and of the end of a run.
MOMENTS = re.compile(r" (begun|after)(?: [0-9.]+ s)?$", re.MULTILINE)
# What the hooks may add to a commit of a rebase, of processor time.
MOST_SECONDS = 0.2
RECIPE = "version: 2\nembedding_model: corpus-static\nprojections: {}\n"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    made = GitFolder(tmp_path / "repository")
    made.write(".patina/config.toml", "")
    made.write(".gitignore", ".patina/data/\n")
    for name in ("queue", "retry", "cache"):
        made.write(
            f"src/{name}.py", f'def {name}(limit):\n    """Handle the {name} up to a limit."""\n    return limit\n'
        )
    made.commit("Begin")
    monkeypatch.chdir(made.path)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    assert patina("hook", "install").code == 0
    return made


def files_of(repository: GitFolder) -> HookFiles:
    return hook_files(find_project(repository.path))


def log_of(repository: GitFolder) -> str:
    path = files_of(repository).log
    return path.read_text() if path.exists() else ""


def ended_runs(repository: GitFolder, count: int) -> str:
    """Return the log once so many runs have ended."""
    deadline = time.monotonic() + WAIT_SECONDS
    while log_of(repository).count(" s\n") < count:
        assert time.monotonic() < deadline, log_of(repository)
        time.sleep(0.1)
    return log_of(repository)


def run(repository: GitFolder, **environment: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "patina_assets.cli", "hook", "run"],
        cwd=repository.path,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_commit_is_found_a_little_later(repository: GitFolder) -> None:
    repository.write(".patina/oxidize.yaml", RECIPE)
    repository.commit("Let the zeppelin land")
    assert "done after" in ended_runs(repository, 1)
    found = patina("scry", "zeppelin")
    assert "Let the zeppelin land" in found.out
    status = patina("hook", "status")
    assert "installed: after each of them" in status.out
    assert "done after" in status.out


def test_a_line_is_in_the_log_as_soon_as_it_ends(tmp_path: Path) -> None:
    log = tmp_path / "hook.log"
    lines = LogLines(log)
    print("temporal/weights:", end=" ", file=lines)
    assert not log.exists()
    print("1 of 10 epochs\n\n2", end="", file=lines)
    assert log.read_text().endswith("Z temporal/weights: 1 of 10 epochs\n")
    assert log.read_text().count("\n") == 1
    print("what no log can take", file=LogLines(tmp_path))
    assert list(tmp_path.iterdir()) == [log]


def test_what_goes_wrong_is_in_the_log_and_nowhere_else(repository: GitFolder) -> None:
    # Variables of the command that calls a hook lead to its repository, and not to this one.
    done = run(repository, GIT_DIR="/nowhere", GIT_INDEX_FILE="/nowhere/index", GIT_WORK_TREE="/nowhere")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    log = ended_runs(repository, 1)
    assert "failed: " in log
    assert "oxidize.yaml" in log
    assert len(live(repository.eventlog, "git.commit")) == 1


def test_who_comes_during_a_run_leaves_a_mark_for_it(repository: GitFolder) -> None:
    files = files_of(repository)
    with exclusive(files.mutex, 0.0, "a run of this test"):
        assert run(repository).returncode == 0
        assert "running now" in patina("hook", "status").out
        assert json.loads(patina("hook", "status", "--json").out)["running"] is True
        assert files.again.exists()
        assert log_of(repository) == ""
    assert run(repository).returncode == 0
    assert not files.again.exists()
    assert json.loads(patina("hook", "status", "--json").out)["running"] is False
    assert log_of(repository).count("begun") == 1


def test_nothing_runs_for_a_project_that_was_not_asked_for(repository: GitFolder, tmp_path: Path) -> None:
    other = GitFolder(tmp_path / "other")
    other.write(".patina/config.toml", "")
    other.commit("Begin")
    assert run(other).returncode == 0
    assert not (other.path / ".patina" / "data").exists()
    # The lines alone do not decide: the user's own record does.
    assert patina("hook", "uninstall").code == 0
    assert run(repository).returncode == 0
    assert log_of(repository) == ""


def test_doctor_tells_how_the_hooks_stand(repository: GitFolder) -> None:
    def examined() -> tuple[str, str]:
        found = json.loads(patina("doctor", "--json").out)
        return found["places"]["git hooks"].partition(":")[0], json.dumps(found["findings"])

    assert examined()[0] == "installed"
    (repository.path / ".git/hooks/post-merge").unlink()
    state, findings = examined()
    assert (state, "hooks of this project are incomplete" in findings) == ("incomplete", True)
    assert patina("hook", "uninstall").code == 0
    assert examined()[0] == "not installed"


def test_a_rebase_is_not_slowed_and_nothing_of_it_is_lost(repository: GitFolder) -> None:
    count = amount(4, 50)
    repository.write(".patina/oxidize.yaml", RECIPE)
    repository.git("checkout", "-q", "-b", "topic")
    for number in range(count):
        repository.write(f"src/part_{number}.py", f"def part_{number}(limit):\n    return limit\n")
        repository.commit(f"Add part {number} of the zeppelin")
    repository.git("checkout", "-q", "main")
    repository.write("src/other.py", "def other():\n    return 1\n")
    repository.commit("Go on elsewhere")
    repository.git("checkout", "-q", "topic")
    rest(repository)
    bare = seconds_of(repository, "-c", "core.hooksPath=/dev/null", "rebase", "-q", "main")
    repository.git("reset", "-q", "--hard", "ORIG_HEAD")
    hooked = seconds_of(repository, "rebase", "-q", "main")
    wanted = set(repository.git("rev-list", "HEAD").decode().split())
    assert len(wanted) == count + 2
    log = rest(repository)
    assert {event["source_id"] for event in live(repository.eventlog, "git.commit")} >= wanted
    assert "stale" not in patina("oxidize", "--dry-run").out
    assert f"Add part {count - 1} of the zeppelin" in patina("scry", f"part {count - 1} zeppelin").out
    # One run after the other: each has ended before the next began.
    told = MOMENTS.findall(log)
    assert told == ["begun", "after"] * (len(told) // 2)
    if SOAK:
        print(f"{count} commits: processor time {bare:.2f} s without hooks, {hooked:.2f} s with; {len(told) // 2} runs")
        assert hooked - bare <= MOST_SECONDS * count


def seconds_of(repository: GitFolder, *arguments: str) -> float:
    """Return the processor time of a git command, and of all that it waits for."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    repository.git(*arguments)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def rest(repository: GitFolder) -> str:
    """Return the log once no run goes on and none is asked for, and the newest commit is known."""
    files, deadline = files_of(repository), time.monotonic() + WAIT_SECONDS
    while True:
        log = log_of(repository)
        if MOMENTS.findall(log)[-1:] == ["after"] and not files.again.exists() and knows_head(repository):
            return log
        assert time.monotonic() < deadline, log
        time.sleep(0.2)


def knows_head(repository: GitFolder) -> bool:
    """Return whether the newest commit is in the eventlog; False while another run is making that."""
    try:
        return repository.head() in {event["source_id"] for event in live(repository.eventlog, "git.commit")}
    except sqlite3.OperationalError:
        return False
