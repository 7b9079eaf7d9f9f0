"""The eventlog, replaced, truncated, locked or growing during a build: a sentence or success, and right afterwards."""

import json
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from amounts import SOAK, amount, moments
from commands import Commands, Ended
from eventlog_builder import commit
from faulty_projects import QUESTION, Change, check_answer, copy, copy_eventlog, leftovers, lock_text, states, succeed
from small_project import add_events

from patina_resources.project.project import find_project


def copied(changed: Path, to: Path) -> Path:
    """Copy a project whose weights are to follow every event: else they depend on when builds ran."""
    recipe = find_project(copy(changed, to)).recipe
    recipe.write_text(recipe.read_text().replace("version: 2\n", "version: 2\nrefresh: always\n", 1))
    return to


def check_built_or_said(ended: Ended, where: object) -> None:
    assert ended.code in (0, 1, 2), (where, ended)
    assert "Traceback" not in ended.err, (where, ended)
    if ended.code:
        assert ended.sentences, (where, ended)


def check_as_ever(commands: Commands, disturbed: Path, undisturbed: Path, where: object) -> None:
    """Assert that a build in peace ends with what a build of the same events gives that was never disturbed."""
    states(disturbed)
    check_answer(commands.run(disturbed, "scry", QUESTION))
    succeed(commands, disturbed, "oxidize")
    states(disturbed)
    copy_eventlog(disturbed, undisturbed)
    # What an extended index looks like depends on when builds ran.
    for project in (disturbed, undisturbed):
        succeed(commands, project, "oxidize", "--full")
    assert states(disturbed) == states(undisturbed), where
    assert lock_text(disturbed) == lock_text(undisturbed), where
    assert leftovers(disturbed) == [], where


@pytest.mark.parametrize("how", ["replaced", "emptied", "halved"])
def test_an_eventlog_that_is_swapped_during_a_build(commands: Commands, change: Change, folder: Path, how: str) -> None:
    kept = find_project(change.changed).eventlog().read_bytes()
    peaceful = commands.run(copied(change.changed, folder / "peaceful"), "oxidize")
    for number, moment in enumerate(moments(amount(1, 15), peaceful.operations * 9 // 10, 4)):
        disturbed = copied(change.changed, folder / f"disturbed-{number}")
        other = copy(change.changed, folder / f"other-{number}")
        eventlog = find_project(disturbed).eventlog()
        source = folder / f"swapped-{number}"
        if how == "replaced":
            add_events(find_project(other), [commit(f"{n:040x}", "src/x.py", "src/y.py") for n in range(2000, 2020)])
            source.write_bytes(find_project(other).eventlog().read_bytes())
        else:
            source.write_bytes(b"" if how == "emptied" else kept[: len(kept) // 2])
        swap = {"at": moment, "source": str(source), "target": str(eventlog)}
        ended = commands.run(disturbed, "oxidize", swap=swap)
        check_built_or_said(ended, (how, moment))
        assert not source.exists(), (how, moment, ended)
        if how != "replaced":
            refused = commands.run(disturbed, "oxidize")
            check_built_or_said(refused, (how, moment))
            assert refused.code == 2, refused
            assert str(eventlog) in refused.err, refused
            eventlog.write_bytes(kept)
        check_as_ever(commands, disturbed, copied(change.changed, folder / f"undisturbed-{number}"), (how, moment))


@contextmanager
def locked(eventlog: Path, seconds: float) -> Iterator[None]:
    """Hold the eventlog exclusively for so long from now."""
    with closing(sqlite3.connect(eventlog, isolation_level=None, check_same_thread=False)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        timer = threading.Timer(seconds, lambda: connection.execute("ROLLBACK"))
        timer.start()
        try:
            yield
        finally:
            timer.join()


def test_an_eventlog_that_is_locked_is_waited_for(commands: Commands, change: Change, folder: Path) -> None:
    project = copy(change.changed, folder / "project")
    with locked(find_project(project).eventlog(), amount(2, 30)):
        ended = commands.run(project, "oxidize", "--full")
    assert ended.code == 0, ended
    assert states(project) == change.new
    assert lock_text(project) == change.lock


@contextmanager
def growing(eventlog: Path, a_second: int) -> Iterator[None]:
    """Append commits to an eventlog, so many a second, until the block ends."""
    stopped = threading.Event()

    def append() -> None:
        number = 10_000
        query = "INSERT INTO eventlog (event_type, timestamp, source_id, data) VALUES (?, ?, ?, json(?))"
        with closing(sqlite3.connect(eventlog, timeout=60)) as connection:
            while not stopped.wait(0.1):
                with connection:
                    for _ in range(a_second // 10):
                        number += 1
                        event = commit(f"{number:040x}", "src/parser/token.py", f"src/new/{number % 50}.py")
                        data = json.dumps(event.data)
                        connection.execute(query, (event.kind, event.timestamp, event.source_id, data))

    thread = threading.Thread(target=append)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


@pytest.mark.skipif(not SOAK, reason="long form: make soak")
def test_an_eventlog_that_grows_during_a_build(commands: Commands, change: Change, folder: Path) -> None:
    disturbed = copied(change.changed, folder / "disturbed")
    with growing(find_project(disturbed).eventlog(), 1000):
        for _ in range(amount(1, 4)):
            ended = commands.run(disturbed, "oxidize")
            assert ended.code == 0, ended
            check_answer(commands.run(disturbed, "scry", QUESTION))
    check_as_ever(commands, disturbed, copied(change.changed, folder / "undisturbed"), "growing")
