"""Lost and damaged objects, and runs that are killed or meet another one."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, rows, scrape

from patina_resources.errors import PatinaError
from patina_resources.materialize.git import reading
from patina_resources.materialize.run import materialize


def lose(folder: GitFolder, name: str) -> None:
    """Delete an object, given as git names it."""
    sha = folder.git("rev-parse", name).decode().strip()
    (folder.path / ".git/objects" / sha[:2] / sha[2:]).unlink()


def test_a_lost_blob_costs_the_line_counts_of_the_commits_that_changed_it(folder: GitFolder) -> None:
    for number in range(5):
        folder.write("a", f"{number}\n")
        folder.write(f"file{number}.py", f"def f{number}(): pass\n")
        folder.commit(f"commit {number}")
    folder.git("mv", "file1.py", "moved.py")
    folder.commit("move")
    lose(folder, "HEAD~3:a")
    lose(folder, "HEAD~4:file1.py")
    git, _, _, code = materialize(folder.path, folder.eventlog)
    events = rows(folder.eventlog, "git")
    assert git.new == {"git.commit": 6}
    assert {row["data"]["message"]: all("lines_added" in file for file in row["data"]["files"]) for row in events} == {
        "commit 0": True,
        "commit 1": False,
        "commit 2": False,
        "commit 3": False,
        "commit 4": True,
        "move": False,
    }
    assert [file["path"] for file in events[2]["data"]["files"]] == ["a", "file2.py"]
    assert events[-1]["data"]["files"][0]["old_path"] == "file1.py"
    shas = ", ".join(events[number]["source_id"][:10] for number in (1, 2, 3))
    assert git.skipped == (
        f"git: 4 commit(s) change what git cannot read, and are without line counts: check with `git fsck` "
        f"({shas}, ...)",
    )
    assert code.new["code.function"] == 5
    assert scrape("git", folder, full=True).new == {}


def test_a_damaged_blob_is_like_a_lost_one(folder: GitFolder) -> None:
    folder.write("a", "1\n" * 100)
    folder.commit("one")
    sha = folder.git("rev-parse", "HEAD:a").decode().strip()
    stored = folder.path / ".git/objects" / sha[:2] / sha[2:]
    stored.chmod(0o600)
    stored.write_bytes(stored.read_bytes()[:12])
    folder.git("commit", "-q", "--allow-empty", "-m", "two")
    assert scrape("git", folder).new == {"git.commit": 2}
    assert rows(folder.eventlog)[0]["data"]["files"] == [{"path": "a", "change_type": "added"}]


def test_a_lost_folder_costs_the_files_of_the_commits_that_changed_it(folder: GitFolder) -> None:
    for number in range(4):
        folder.write("deep/a", f"{number}\n")
        folder.write("b", f"{number}\n")
        folder.commit(f"commit {number}")
    lose(folder, "HEAD~2:deep")
    report = scrape("git", folder)
    assert report.new == {"git.commit": 4}
    assert [len(row["data"]["files"]) for row in rows(folder.eventlog)] == [2, 0, 0, 2]
    assert "2 commit(s) have folders that git cannot read" in report.skipped[0]


def test_a_lost_folder_costs_no_notes_documents_and_code(folder: GitFolder) -> None:
    folder.write(".gitignore", ".patina/\n")
    for number in range(4):
        folder.write(f"layer/sessions/{number}.md", f"## Key Decisions\n- decision {number}\n")
        folder.write(f"docs/{number}.md", f"# Page {number}\n\nText.\n")
        folder.write(f"a{number}.py", "def f(): pass\n")
        folder.commit(f"commit {number}")
    lose(folder, "HEAD~2:layer")
    materialize(folder.path, folder.eventlog)
    (report,) = materialize(folder.path, folder.eventlog, only=["sessions"], full=True)
    assert report.known["session.decision"] == 4
    assert len(rows(folder.eventlog, "doc.file")) == len(rows(folder.eventlog, "code.function")) == 4
    # Git is asked from the newest commit on, and gets as far as the first one that it cannot read.
    newest, older = (
        {row["timestamp"] for row in rows(folder.eventlog, "session.decision") if row["source_file"].endswith(name)}
        for name in ("3.md", "0.md")
    )
    assert newest == older == {rows(folder.eventlog, "git.commit")[-1]["timestamp"]}


def test_many_lost_blobs_are_not_asked_for_one_by_one(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MOST_FAILURES", 2)
    for number in range(6):
        folder.write("a", f"{number}\n")
        folder.commit(f"commit {number}")
    for number in range(5):
        lose(folder, f"HEAD~{number}:a")
    assert "5 commit(s) change what git cannot read" in scrape("git", folder).skipped[0]
    assert [row["data"]["message"] for row in rows(folder.eventlog)] == [f"commit {number}" for number in range(6)]


def test_a_lost_commit_leaves_the_eventlog_as_it_was(folder: GitFolder) -> None:
    folder.commit("one")
    scrape("git", folder)
    folder.commit("two")
    folder.commit("three")
    before = rows(folder.eventlog)
    lose(folder, "HEAD~1")
    # What git says of it, and no advice.
    with pytest.raises(PatinaError, match=r"`git rev-list` failed \((?:error|fatal): [^;]*+.*git fsck"):
        scrape("git", folder)
    assert rows(folder.eventlog) == before


def test_a_lost_commit_costs_no_notes_documents_and_code(folder: GitFolder) -> None:
    folder.write("layer/sessions/1.md", "## Key Decisions\n- one\n")
    folder.write("a.md", "# Page\n\nText.\n")
    folder.write("a.py", "def f(): pass\n")
    for number in range(3):
        folder.commit(f"commit {number}")
    lose(folder, "HEAD~1")
    git, *others = materialize(folder.path, folder.eventlog)
    assert git.skipped[0].startswith("git: the history is not read: ")
    assert git.skipped[0].endswith("check the repository with `git fsck`")
    assert [report.skipped for report in others] == [(), (), ()]
    assert [report.failed for report in (git, *others)] == [True, False, False, False]
    kinds = {row["event_type"] for row in rows(folder.eventlog)}
    assert {"session.decision", "doc.section", "code.function"} <= kinds


def test_a_lost_head_is_no_repository_without_commits(folder: GitFolder) -> None:
    folder.commit("one")
    folder.commit("two")
    head = folder.git("rev-parse", "HEAD").decode()[:10]
    lose(folder, "HEAD")
    with pytest.raises(PatinaError, match=rf"HEAD is commit {head}, which git cannot read: .*git fsck"):
        materialize(folder.path, folder.eventlog)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = GitFolder(tmp_path_factory.mktemp("whole") / "project")
    folder.write("a.py", "def f(): pass\n")
    folder.commit("one")
    return folder.path


def lines(*texts: str) -> Callable[[Path], None]:
    """Return what writes a text into each of some files of a git folder: path, text, path, text."""

    def write(git_dir: Path) -> None:
        for path, text in zip(texts[::2], texts[1::2], strict=True):
            (git_dir / path).write_text(text)

    return write


def lost_folder(name: str) -> Callable[[Path], None]:
    return lambda git_dir: shutil.rmtree(git_dir / name)


def no_head(git_dir: Path) -> None:
    (git_dir / "HEAD").unlink()
    (git_dir / "refs/heads/main").rename(git_dir / "refs/heads/work")


def lost_branch(git_dir: Path) -> None:
    (git_dir / "refs/heads/main").unlink()


def linked_nowhere(git_dir: Path) -> None:
    git_dir.rename(git_dir.with_name("elsewhere"))
    git_dir.write_text("gitdir: /no/where\n")


def linked_by_nonsense(git_dir: Path) -> None:
    git_dir.rename(git_dir.with_name("elsewhere"))
    git_dir.write_text("hello\n")


WRITE_HEAD = r"so git does not read this repository: write into it the line 'ref: refs/heads/main'"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (no_head, r"\.git/HEAD: is missing.*write into it the line 'ref: refs/heads/work'"),
        (lines("HEAD", ""), rf"\.git/HEAD: names neither a branch nor a commit, {WRITE_HEAD}"),
        (lines("HEAD", "main\n"), rf"\.git/HEAD: names neither a branch nor a commit, {WRITE_HEAD}"),
        (lines("HEAD", "\0\1"), rf"\.git/HEAD: names neither a branch nor a commit, {WRITE_HEAD}"),
        (lines("HEAD", "0123456789" * 4), r"HEAD is commit 0123456789, which git cannot read: .*`git fsck`"),
        (lines("refs/heads/main", "0123456789" * 4), r"HEAD is commit 0123456789, which git cannot read: .*`git fsck`"),
        (
            lines("refs/heads/main", ""),
            r"'refs/heads/main', which git cannot read: remove the file .* run `git update-ref HEAD [0-9a-f]{40}`",
        ),
        (lines("refs/heads/main", "zzz", "logs/HEAD", ""), r"which git cannot read: clone the repository again"),
        (lines("refs/heads/main", "ref: refs/heads/main\n"), r"git cannot read: remove .*`git update-ref HEAD "),
        (lost_branch, r"HEAD is the branch 'refs/heads/main', which is lost: run `git update-ref HEAD [0-9a-f]{40}`"),
        (lines("packed-refs", "what\n", "HEAD", "ref: refs/heads/a\n"), r"unexpected line in .*packed-refs: what"),
        (lines("config", "[core\n"), r"git does not read this repository \(fatal: bad config.*mend what it names"),
        (lost_folder("objects"), r"\.git: has no folder objects, .*: clone the repository again"),
        (lost_folder("refs"), r"\.git: has no folder refs, .*: clone the repository again"),
        (linked_nowhere, r"\.git: names '/no/where' as the git folder, .*`git worktree repair`"),
        (linked_by_nonsense, r"\.git: is neither a git folder nor a file that names one: move it away"),
    ],
)
def test_what_is_wrong_with_a_git_folder_is_told_with_a_way_on(
    whole: Path, tmp_path: Path, damage: Callable[[Path], None], said: str
) -> None:
    shutil.copytree(whole, tmp_path / "project")
    damage(tmp_path / "project" / ".git")
    with pytest.raises(PatinaError, match=said) as error:
        materialize(tmp_path / "project", tmp_path / "log.db")
    assert "git init" not in str(error.value)


def test_the_advice_about_a_lost_branch_mends_it(whole: Path, tmp_path: Path) -> None:
    shutil.copytree(whole, tmp_path / "project")
    lost_branch(tmp_path / "project" / ".git")
    with pytest.raises(PatinaError) as error:
        materialize(tmp_path / "project", tmp_path / "log.db")
    (command,) = re.findall("`(git .*)`", str(error.value))
    subprocess.run(command.split(), cwd=tmp_path / "project", check=True)
    git, *_ = materialize(tmp_path / "project", tmp_path / "log.db")
    assert git.new == {"git.commit": 1}


@pytest.mark.parametrize(
    ("branch", "others"), [(("symbolic-ref", "HEAD", "refs/heads/gone"), "'main'"), (("tag", "v1"), "'main', 'v1'")]
)
def test_a_branch_without_commits_beside_others_is_told(
    whole: Path, tmp_path: Path, branch: tuple[str, ...], others: str
) -> None:
    shutil.copytree(whole, tmp_path / "project")
    folder = GitFolder(tmp_path / "project")
    folder.git(*branch)
    folder.git("symbolic-ref", "HEAD", "refs/heads/gone")
    said = f"HEAD is the branch 'gone', which has no commits yet: make one, or go to another branch ({others})"
    assert [report.skipped for report in materialize(folder.path, tmp_path / "log.db")] == [
        (f"git: {said}",),
        (),
        (f"docs: {said}",),
        (f"code: {said}",),
    ]


def test_two_runs_at_once_append_every_commit_once(folder: GitFolder) -> None:
    for number in range(30):
        folder.commit(f"commit {number}")
    script = (
        "import sys; from pathlib import Path; from patina_resources.materialize.run import materialize; "
        "materialize(Path(sys.argv[1]), Path(sys.argv[2]), only=['git'])"
    )
    command = [sys.executable, "-c", script, str(folder.path), str(folder.eventlog)]
    processes = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors.decode()
    assert len(rows(folder.eventlog)) == 30


def test_a_killed_run_leaves_nothing_and_the_next_completes(folder: GitFolder) -> None:
    for number in range(5):
        folder.commit(f"commit {number}")
    script = (
        "import os, sys; from pathlib import Path; from patina_resources.materialize.run import materialize; "
        "materialize(Path(sys.argv[1]), Path(sys.argv[2]), only=['git'], "
        "progress=lambda doing, done, total: os.kill(os.getpid(), 9) if done else None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.path), str(folder.eventlog)], capture_output=True, check=False
    )
    assert done.returncode == -9
    assert rows(folder.eventlog) == []
    assert scrape("git", folder).new == {"git.commit": 5}


@pytest.mark.parametrize("name", ["refs/heads/../../../../etc/passwd", "refs/heads/\033[31mred", "refs/heads/a.lock"])
def test_a_head_that_names_no_branch_is_to_be_written_anew(folder: GitFolder, name: str) -> None:
    folder.commit("one")
    (folder.path / ".git/HEAD").write_text(f"ref: {name}\n")

    with pytest.raises(PatinaError, match=r"names neither a branch nor a commit.*write into it the line") as refused:
        materialize(folder.path, folder.eventlog)

    assert "update-ref" not in str(refused.value)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lambda path: Path(path).symlink_to("HEAD")])
def test_a_head_that_is_no_plain_file_is_to_be_moved_away(folder: GitFolder, make: Callable[[Path], None]) -> None:
    folder.commit("one")
    (folder.path / ".git/HEAD").unlink()
    make(folder.path / ".git/HEAD")

    with pytest.raises(PatinaError, match=r"is no plain file.*move it away, and write into it the line"):
        materialize(folder.path, folder.eventlog)
