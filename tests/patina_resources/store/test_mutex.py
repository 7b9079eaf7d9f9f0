"""A mutex is held by one process, or by all that share it, and is let go however a process ends."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from refusals import refusal
from root import ROOT
from scripts import names, run

from patina_resources.errors import PatinaError
from patina_resources.store.mutex import exclusive, is_held, shared

HOLDER = """
import sys
from pathlib import Path
from patina_resources.store.mutex import exclusive
with exclusive(Path(sys.argv[1]), 0, "holding"):
    print("held", flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """Another process that holds `tmp_path / "mutex"`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "mutex")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.communicate()


def enter(path: Path, wait_seconds: float = 0) -> None:
    with exclusive(path, wait_seconds, "building temporal/index"):
        pass


def test_only_one_process_holds_the_mutex(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    assert refusal(lambda: enter(tmp_path / "mutex", 0.1)) == (
        f"busy: another process (pid {holder.pid}) is writing here, so building temporal/index cannot: "
        "try again when it is done"
    )
    holder.communicate("\n")
    enter(tmp_path / "mutex")


def test_who_shares_a_mutex_waits_for_whoever_holds_it_alone(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    path = tmp_path / "mutex"

    def enter_shared() -> None:
        with shared(path, 0.1, "building temporal/index"), shared(path, 0, "building another/index"):
            assert is_held(path)
            assert f"pid {os.getpid()}" in refusal(lambda: enter(path))

    assert f"pid {holder.pid}" in refusal(enter_shared)
    holder.communicate("\n")
    enter_shared()
    assert not is_held(path)
    enter(path)


def test_a_waiting_process_goes_on_when_the_other_is_done(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()
    enter(tmp_path / "mutex", 60)


def test_a_killed_process_holds_nothing(tmp_path: Path, holder: "subprocess.Popen[str]") -> None:
    holder.kill()
    holder.wait()
    enter(tmp_path / "mutex")


def test_the_mutex_is_let_go_after_a_failure_and_not_entered_twice(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "mutex"

    def fail() -> None:
        with exclusive(path, 0, "failing"):
            assert f"pid {os.getpid()}" in refusal(lambda: enter(path))
            raise PatinaError("failed")

    assert refusal(fail) == "failed"
    enter(path)


def test_a_mutex_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert "cannot be written" in refusal(lambda: enter(tmp_path / "file" / "mutex"))
    assert "cannot be written" in refusal(lambda: enter(tmp_path))


FULL_MUTEX = """
import resource, sys
from pathlib import Path
from patina_resources.store.mutex import exclusive
resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
with exclusive(Path(sys.argv[1]), 0, "holding"):
    print("held")
"""


def test_a_full_disk_does_not_keep_the_mutex_from_being_held(tmp_path: Path) -> None:
    done = run(FULL_MUTEX, tmp_path / "mutex")
    assert (done.stdout, done.stderr) == ("held\n", "")


def test_a_mutex_that_nobody_can_hold_is_not_held(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    (tmp_path / "dangling").symlink_to(tmp_path)
    assert [is_held(tmp_path / name) for name in ("none", "link", "dangling")] == [False, False, False]
    assert names(tmp_path) == ["dangling", "link"]


def test_a_file_system_that_cannot_tell_is_no_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mutex").touch()

    def refuse(*_: object) -> None:
        raise OSError(errno.EBADF, "Bad file descriptor")  # of NFS, where a file is open for reading alone

    monkeypatch.setattr(fcntl, "flock", refuse)
    assert not is_held(tmp_path / "mutex")


def test_who_holds_a_mutex_may_be_unknown(tmp_path: Path) -> None:
    with exclusive(tmp_path / "mutex", 0, "holding"):
        (tmp_path / "mutex").write_bytes(b"\xff")
        assert "(pid unknown)" in refusal(lambda: enter(tmp_path / "mutex"))
