"""A file is replaced wholly or not at all, and a log keeps its newer half."""

import errno
import os
import resource
import signal
import time
from functools import partial
from pathlib import Path

import pytest
from refusals import refusal
from scripts import names, run

from patina_resources.errors import PatinaError
from patina_resources.store.files import (
    append_line,
    cannot_write,
    file_sha256,
    kept_mode,
    leads_out,
    open_regular,
    remove_leftovers,
    sha256,
    sync_folder,
    write_atomic,
    write_if_changed,
    write_new,
)
from patina_resources.store.mutex import exclusive

# One file


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "folder" / "file"
    write_atomic(path, b"one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert path.stat().st_mode & 0o777 == 0o644
    assert names(path.parent) == ["file"]


def test_equal_content_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "file"
    assert write_if_changed(path, b"one")
    before = path.stat()
    assert not write_if_changed(path, b"one")
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert write_if_changed(path, b"two")
    assert path.read_bytes() == b"two"


def test_leftovers_of_killed_writers_go_once_nobody_can_be_writing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in (".tmp-old", ".tmp-new", "file"):
        (tmp_path / name).touch()
    os.utime(tmp_path / ".tmp-old", (0, 0))
    os.utime(tmp_path / "file", (0, 0))
    remove_leftovers(tmp_path)
    assert names(tmp_path) == [".tmp-new", "file"]
    monkeypatch.setattr(time, "time", lambda: 10_000.0)
    for seconds, kept in ((3600, [".tmp-new", "file"]), (3601, ["file"])):
        os.utime(tmp_path / ".tmp-new", (0, 10_000 - seconds))
        remove_leftovers(tmp_path)
        assert names(tmp_path) == kept


def test_a_folder_in_the_place_of_a_file_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.mkdir()
    assert f"{place}: cannot be written" in refusal(partial(write_atomic, place, b"data"))
    assert names(tmp_path) == ["file"]


def test_a_folder_in_the_place_of_a_derived_file_makes_way(tmp_path: Path) -> None:
    place = tmp_path / "file"
    for content in (b"one", b"two"):
        place.unlink(missing_ok=True)
        place.mkdir()
        (place / "kept").write_bytes(content)
        assert write_if_changed(place, b"data")
    assert names(tmp_path) == ["file", "file.aside", "file.aside1"]
    assert (tmp_path / "file.aside1" / "kept").read_bytes() == b"two"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "folder").write_bytes(b"kept")
    path = tmp_path / "folder" / "file"
    assert refusal(lambda: write_atomic(path, b"data")).startswith(f"{path}: cannot be written")
    assert (tmp_path / "folder").read_bytes() == b"kept"


LIMITED = """
import resource, sys
from pathlib import Path
from patina_resources.store.files import write_atomic
from patina_resources.errors import PatinaError
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_atomic(Path(sys.argv[1]), b"x" * 101)
except PatinaError as error:
    print(error)
"""


def test_a_write_that_does_not_fit_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    done = run(LIMITED, path)
    assert done.stderr == ""
    assert done.stdout == f"{path}: cannot be written (File too large): what was there before is untouched\n"
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


READ_ONLY = """
import os, shutil, sys, tempfile
from pathlib import Path
from patina_resources.store.files import write_atomic
from patina_resources.errors import PatinaError
folder = Path(tempfile.mkdtemp())
(folder / "file").write_bytes(b"old")
folder.chmod(0o555)
if os.geteuid() == 0:
    os.seteuid(65534)  # the superuser may write anywhere
try:
    write_atomic(folder / "file", b"new")
except PatinaError as error:
    print(str(error).replace(str(folder), "FOLDER"))
os.seteuid(os.getuid())
folder.chmod(0o755)
print(sorted(os.listdir(folder)), (folder / "file").read_bytes())
shutil.rmtree(folder)
"""


def test_a_read_only_folder_keeps_the_old_file() -> None:
    done = run(READ_ONLY)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "FOLDER/file: cannot be written (Permission denied): give yourself write permission there",
        "['file'] b'old'",
    ]


@pytest.mark.parametrize(
    ("number", "way_on"),
    [(errno.ENOSPC, "free some space"), (errno.EROFS, "use a copy elsewhere"), (errno.EIO, "untouched")],
)
def test_what_cannot_be_written_names_the_way_on(number: int, way_on: str) -> None:
    assert way_on in str(cannot_write(Path("/x"), OSError(number, os.strerror(number))))


# A log


def test_a_log_has_one_line_an_entry_and_does_not_grow_for_ever(tmp_path: Path) -> None:
    log = tmp_path / "new" / "failures.log"
    append_line(log, "one\n  two\x00")
    append_line(log, "three \ud800")
    assert log.read_bytes() == b"one two\x00\nthree ?\n"
    append_line(log, "long " + "x" * 1_000_000)
    assert log.stat().st_size == 17 + 10_000 + 1
    for number in range(150):
        append_line(log, f"{number} " + "x" * 9_000)
    assert log.stat().st_size <= 1_000_000
    assert log.read_text().splitlines()[-1].startswith("149 x")


def test_of_a_log_of_more_than_a_megabyte_the_newer_half_is_kept(tmp_path: Path) -> None:
    log = tmp_path / "failures.log"
    log.write_bytes(b"o" * 99 + b"\n" * 1 + (b"n" * 98 + b"\n") * 10_099)
    size = log.stat().st_size
    assert size < 1_000_000
    append_line(log, "m" * (1_000_000 - size - 1))
    assert log.stat().st_size == 1_000_000
    append_line(log, "")
    kept = log.read_bytes()
    assert kept.endswith(b"m\n\n")
    assert kept.startswith(b"n" * 98 + b"\n")
    assert 499_000 < len(kept) <= 500_001


def test_a_log_that_cannot_be_written_is_refused_and_closed(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    before = open_files()
    (tmp_path / "failures.log").write_bytes(b"x" * 100)
    handler, limits = signal.signal(signal.SIGXFSZ, signal.SIG_IGN), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        told = refusal(lambda: append_line(tmp_path / "failures.log", "more"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert "cannot be written (File too large)" in told
    append_line(tmp_path / "failures.log", "one")
    os.mkfifo(tmp_path / "pipe")
    assert "is a named pipe" in refusal(lambda: append_line(tmp_path / "pipe", "one"))
    (tmp_path / "link").symlink_to(tmp_path / "failures.log")
    assert "is a symbolic link" in refusal(lambda: append_line(tmp_path / "link", "one"))
    os.link(tmp_path / "failures.log", tmp_path / "second")
    assert "hard link" in refusal(lambda: append_line(tmp_path / "second", "one"))
    assert open_files() == before


def test_a_pipe_that_somebody_writes_to_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert "is a named pipe" in refusal(lambda: os.close(open_regular(tmp_path / "pipe", os.O_RDONLY)))


def test_the_folder_of_a_file_that_is_opened_is_made(tmp_path: Path) -> None:
    os.close(open_regular(tmp_path / "a" / "b" / "file", os.O_RDWR | os.O_CREAT))
    assert (tmp_path / "a" / "b" / "file").read_bytes() == b""


def next_descriptor(folder: Path) -> int:
    """Return the number of the next file that is opened: the lowest that is free."""
    descriptor = os.open(folder, os.O_RDONLY)
    os.close(descriptor)
    return descriptor


def test_every_file_is_closed(tmp_path: Path) -> None:
    before = next_descriptor(tmp_path)
    write_atomic(tmp_path / "file", b"content")
    sync_folder(tmp_path)
    with exclusive(tmp_path / "mutex", 0, "nothing"):
        pass
    assert next_descriptor(tmp_path) == before


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 5000
    (tmp_path / "file").write_bytes(data)
    assert file_sha256(tmp_path / "file") == sha256(data) == sha256(memoryview(data))


# A file where there is none


def test_a_new_file_is_written_over_nothing(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "file"
    assert write_new(path, b"first")
    assert write_new(path.with_name("other"), b"other")
    assert not write_new(path, b"second")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    assert not write_new(link, b"third")
    assert path.read_bytes() == b"first"
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize("is_gone", [False, True])
def test_of_a_file_that_cannot_be_written_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_gone: bool
) -> None:
    (tmp_path / "old").write_bytes(b"old")

    def full(_: int) -> None:
        for path in set(tmp_path.iterdir()) - {tmp_path / "old"} if is_gone else ():
            path.unlink()
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(PatinaError, match="free some space"):
        write_new(tmp_path / "file", b"content")
    with pytest.raises(PatinaError, match="free some space"):
        write_atomic(tmp_path / "old", b"content")
    assert (names(tmp_path), (tmp_path / "old").read_bytes()) == (["old"], b"old")


# What a path is


def test_a_link_may_lead_out_of_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for name, target in (("out", tmp_path), ("within", folder / "file"), ("circle", folder / "circle")):
        (folder / name).symlink_to(target)
    found = [leads_out(folder / name, folder) for name in ("out", "circle", "within", "file")]
    assert found == [True, True, False, False]


def test_permissions_are_kept(tmp_path: Path) -> None:
    (tmp_path / "file").touch(0o640)
    assert (kept_mode(tmp_path / "file", 0o600), kept_mode(tmp_path / "none", 0o600)) == (0o640, 0o600)


def test_an_error_without_a_number_is_named_by_its_words(tmp_path: Path) -> None:
    assert str(cannot_write(tmp_path, OSError("an odd disk"))).startswith(
        f"{tmp_path}: cannot be written (an odd disk): "
    )
