"""Notes that are written down now: as they are read again, and never over another file."""

import os
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, live

from patina_resources.errors import PatinaError
from patina_resources.materialize.notes.new_note import WrittenNote, write_note
from patina_resources.materialize.notes.sessions import SESSION_GLOBS
from patina_resources.materialize.notes.writing import NoteKind, note_path
from patina_resources.materialize.run import materialize

MOMENT = datetime(2026, 11, 27, 21, 30, 5, tzinfo=timezone(timedelta(hours=1)))


@pytest.fixture
def repository(tmp_path: Path) -> GitFolder:
    made = GitFolder(tmp_path / "repository")
    made.write("src/a.py", "x = 1\n")
    made.commit("Begin")
    return made


def write(
    repository: GitFolder,
    text: str,
    kind: NoteKind = "decision",
    about: tuple[str, ...] = (),
    globs: tuple[str, ...] = SESSION_GLOBS,
) -> WrittenNote:
    return write_note(repository.path, globs, text, kind, about, MOMENT)


def test_a_note_is_dated_and_read_as_what_it_is(repository: GitFolder) -> None:
    said: dict[NoteKind, str] = {
        "decision": "One queue per tenant",
        "pattern": "Names end with their unit",
        "goal": "No job waits for an hour",
        "observation": "The old queue lost jobs",
    }
    for kind, text in said.items():
        write(repository, text, kind, about=("src/a.py:1",))
    materialize(repository.path, repository.eventlog, only=["sessions"])
    for kind, text in said.items():
        (event,) = live(repository.eventlog, f"session.{kind}")
        assert event["data"]["content"] == f"{text}\n\nAbout `src/a.py:1`."
        assert event["timestamp"] == "2026-11-27T20:30:05Z"
    assert {event["data"]["branch"] for event in live(repository.eventlog, "session.started")} == {"main"}


@pytest.mark.parametrize(
    "text",
    [
        "one",
        "# 1 is no heading of the file",
        "a\n\n## Goals\n\n**Key Decisions:** b",
        "```\n## Goals\n- [x] code\n```\n\nafter",
        "12. December\nis near",
        "Note:",
        "Grüße \U0001f600 `x` *y* <!-- no comment",
        "-->\n\n# Session: other",
    ],
)
def test_whatever_a_note_says_is_one_note_with_all_its_words(repository: GitFolder, text: str) -> None:
    write(repository, text)
    materialize(repository.path, repository.eventlog, only=["sessions"])
    notes = [event for event in live(repository.eventlog, "session.") if "content" in event["data"]]
    assert {event["event_type"] for event in notes} == {"session.decision"}
    words = " ".join(event["data"]["content"] for event in notes).split()
    # A mark of Markdown alone is no word.
    assert [word for word in text.split() if word.strip("#*`-[]>x<!1234567890.:")] == [
        word for word in words if word.strip("#*`-[]>x<!1234567890.:")
    ]


def test_no_file_is_written_over(repository: GitFolder) -> None:
    paths = [write(repository, "The same").path for _ in range(3)]
    assert [path.name for path in paths] == [
        "20261127-203005-the-same.md",
        "20261127-203005-the-same-2.md",
        "20261127-203005-the-same-3.md",
    ]
    assert len({path.read_bytes() for path in paths}) == 1
    assert repository.git("status", "--porcelain").startswith(b"?? ")  # git is not told of it


def test_control_characters_are_left_out_and_long_texts_refused(repository: GitFolder) -> None:
    assert "\x1b" not in write(repository, "a\x1b[31mb\u202ec").path.read_text()
    for text, words in (("", "is empty"), (" \n\t\x00", "is empty"), ("x" * 70_000, "at most")):
        with pytest.raises(PatinaError, match=words):
            write(repository, text)


@pytest.mark.parametrize("place", ["missing.py", "../outside.py", "/etc/passwd", "src/a.py\n", "src/\0", "a:b:1"])
def test_a_note_is_about_files_of_the_project(repository: GitFolder, place: str) -> None:
    (repository.path.parent / "outside.py").write_text("")
    with pytest.raises(PatinaError, match=r"--about: .*: there is no such file"):
        write(repository, "x", about=(place,))
    assert not (repository.path / "layer").exists()


@pytest.mark.parametrize("target", [b"\xff.py", b"a`.py", b"a\n## Key Decisions\n- no decision.py"])
def test_a_link_to_an_odd_name_is_no_part_of_a_note(repository: GitFolder, target: bytes) -> None:
    (repository.path / os.fsdecode(target)).write_text("x = 1\n")
    (repository.path / "plain.py").symlink_to(os.fsdecode(target))
    with pytest.raises(PatinaError, match=r"--about: .*plain\.py.*: there is no such file"):
        write(repository, "x", about=("plain.py",))


@pytest.mark.parametrize(
    ("globs", "path"),
    [
        (("layer/sessions/*.md",), "layer/sessions/N.md"),
        (("notes/**/*.md",), "notes/N.md"),
        (("*/x/*.md", "notes/session-*.md"), "notes/session-N.md"),
        (("notes/[0-9]*.md", "a/**"), None),
        (("one.md", "n/*.txt"), None),
        ((), None),
    ],
)
def test_a_note_goes_where_notes_are_read(globs: tuple[str, ...], path: str | None) -> None:
    assert note_path(globs, "N") == path


def test_a_place_that_leads_out_is_refused(repository: GitFolder, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (repository.path / "layer").symlink_to(tmp_path / "outside")
    with pytest.raises(PatinaError, match="leads out of the project"):
        write(repository, "x")
    with pytest.raises(PatinaError, match="leads out of the project"):
        write(repository, "x", globs=(".git/hooks/*.md",))
    (repository.path / "circle").symlink_to(repository.path / "circle")
    with pytest.raises(PatinaError, match="leads out of the project"):
        write(repository, "x", globs=("circle/*.md",))
    with pytest.raises(PatinaError, match="there is no such file"):
        write(repository, "x", about=("circle",))
    with pytest.raises(PatinaError, match="none takes a new note"):
        write(repository, "x", globs=("one.md",))
    assert list((tmp_path / "outside").iterdir()) == []


def test_a_note_that_git_ignores_is_said_to_be_left_out(repository: GitFolder) -> None:
    assert write(repository, "x").left_out == ""
    repository.write(".gitignore", "layer/\n")
    assert "ignored" in write(repository, "y").left_out
