"""A full disk, a folder that cannot be written, a wrong clock, other file systems: one sentence, and nothing lost."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from amounts import SOAK, amount
from commands import Commands, Ended
from faulty_projects import QUESTION, Change, age_leftovers, check_answer, copy, leftovers, lock_text, states

from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

CLOSED = ["", "embeddings/corpus-static/projections", *(["embeddings/corpus-static", "models"] if SOAK else [])]
YEAR = 365 * 86_400.0
AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")


def check_refused(ended: Ended, where: object) -> None:
    """Assert that a build failed with sentences, not with a traceback."""
    assert ended.code in (1, 2), (where, ended)
    assert "Traceback" not in ended.err, (where, ended)
    assert ended.sentences, (where, ended)


def check_nothing_lost(commands: Commands, folder: Path, change: Change, where: object) -> None:
    """Assert that every artifact is old or new, and that a build with the fault gone ends as ever."""
    for name, state in states(folder).items():
        assert state in (change.old.get(name), change.new[name]), (where, name)
    check_answer(commands.run(folder, "scry", QUESTION))
    age_leftovers(folder)
    again = commands.run(folder, "oxidize", "--full")
    assert again.code == 0, (where, again)
    assert states(folder) == change.new, where
    assert lock_text(folder) == change.lock, where
    assert leftovers(folder) == [], where


@contextmanager
def small_disk(size: int) -> Iterator[Path]:
    """Mount a file system in memory with room for `size` bytes, and take it away again."""
    place = Path(tempfile.mkdtemp())
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size // 1024}k", "tmpfs", str(place)], capture_output=True, check=False
    )
    if mounted.returncode:
        place.rmdir()
        pytest.skip(f"cannot mount here: {mounted.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)
        place.rmdir()


def bytes_below(folder: Path) -> int:
    """Return how much room a folder's files take, in whole pages as tmpfs counts."""
    return sum(-(-path.stat().st_size // 4096) * 4096 + 4096 for path in folder.rglob("*"))


def move_data(project: Path, place: Path) -> None:
    """Move a project's data folder, and let the user say so."""
    shutil.move(find_project(project).data, place)
    mothership().settings.write_text(f'[projects."{project}"]\ndata = "{place}"\n')


@AS_ROOT
@pytest.mark.parametrize("part", range(amount(2, 24)))
def test_a_full_disk_at_each_stage(commands: Commands, change: Change, folder: Path, part: int) -> None:
    project = copy(change.changed, folder / "project")
    data = find_project(project).data
    used = bytes_below(data)
    with small_disk(used * 4) as disk:
        move_data(project, disk / "data")
        room = shutil.disk_usage(disk).free
        # What is left free at first: from nothing to what a build takes.
        free = part * used // amount(2, 24)
        with (disk / "filler").open("wb") as filler:
            os.posix_fallocate(filler.fileno(), 0, max(room - free - 4096, 1))
        ended = commands.run(project, "oxidize", "--full")
        if ended.code != 0:
            check_refused(ended, part)
            assert any(word in ended.err for word in ("space", "full")), (part, ended)
        else:
            assert part, ended
        (disk / "filler").unlink()
        check_nothing_lost(commands, project, change, part)


LIMITS = [1_000, 4_000, 10_000, 30_000, 60_000, 100_000, 200_000, 300_000, 500_000] if SOAK else [30_000, 300_000]


@pytest.mark.parametrize("limit", LIMITS)
def test_a_file_that_cannot_grow(commands: Commands, change: Change, folder: Path, limit: int) -> None:
    project = copy(change.changed, folder / "project")
    ended = commands.run(project, "oxidize", "--full", file_bytes=limit)
    check_refused(ended, limit)
    check_nothing_lost(commands, project, change, limit)


@pytest.mark.parametrize("place", CLOSED)
def test_a_folder_without_write_permission(commands: Commands, change: Change, folder: Path, place: str) -> None:
    project = copy(change.changed, folder / "project")
    closed = find_project(project).data / place
    paths = [closed, *closed.rglob("*")]
    for path in paths:
        path.chmod(0o555 if path.is_dir() else 0o444)
    ended = commands.run(project, "oxidize", "--full", obey_permissions=True)
    check_refused(ended, place)
    assert any(words in ended.err for words in ("permission", "Permission denied", "readonly")), ended
    check_answer(commands.run(project, "scry", QUESTION, obey_permissions=True))
    for path in paths:
        if path.exists():
            path.chmod(0o755 if path.is_dir() else 0o644)
    check_nothing_lost(commands, project, change, place)


@AS_ROOT
def test_a_read_only_file_system(commands: Commands, change: Change, folder: Path) -> None:
    project = copy(change.changed, folder / "project")
    data = find_project(project).data
    with small_disk(bytes_below(data) * 4) as disk:
        move_data(project, disk / "data")
        subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        check_refused(commands.run(project, "oxidize"), "read-only")
        assert commands.run(project, "scry", QUESTION).code == 0
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
        check_nothing_lost(commands, project, change, "read-only")


@pytest.mark.parametrize("years", [-40, 60])
def test_a_clock_that_jumps(commands: Commands, change: Change, folder: Path, years: int) -> None:
    project = copy(change.before, folder / "project")
    for path in project.rglob("*"):
        moment = 1_000_000.0 if years > 0 else 4_000_000_000.0
        os.utime(path, (moment, moment))
    fresh = commands.run(project, "oxidize", shift_seconds=years * YEAR)
    assert fresh.out.startswith("nothing is stale"), fresh
    changed = copy(change.changed, folder / "changed")
    for path in changed.rglob("*"):
        os.utime(path, (4_000_000_000.0, 4_000_000_000.0))
    ended = commands.run(changed, "oxidize", "--full", shift_seconds=years * YEAR)
    assert ended.code == 0, ended
    assert lock_text(changed) == change.lock
    assert commands.run(changed, "oxidize").out.startswith("nothing is stale")


def test_a_file_system_without_hard_links(commands: Commands, change: Change, folder: Path) -> None:
    project = copy(change.changed, folder / "project")
    ended = commands.run(project, "oxidize", "--full", no_links=True)
    assert ended.code == 0, ended
    assert states(project) == change.new


def test_artifacts_on_another_device(commands: Commands, change: Change, folder: Path) -> None:
    project = copy(change.changed, folder / "project")
    with tempfile.TemporaryDirectory() as other:
        if Path(other).stat().st_dev == find_project(project).data.stat().st_dev:
            pytest.skip("there is only one device here")
        move_data(project, Path(other) / "data")
        ended = commands.run(project, "oxidize", "--full")
        assert ended.code == 0, ended
        assert states(project) == change.new
        assert lock_text(project) == change.lock
        assert leftovers(project) == []
        assert not (project / ".patina" / "data").exists()
