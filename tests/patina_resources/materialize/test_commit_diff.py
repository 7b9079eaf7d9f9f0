"""What a commit changed, of a repository that wants to run something, and bounded."""

import os
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from refusals import refusal

from patina_resources.materialize.git.commit_diff import commit_diff
from patina_resources.materialize.git.repository import find_repository


@pytest.fixture
def repository(tmp_path: Path) -> GitFolder:
    made = GitFolder(tmp_path / "repository")
    made.write("a.txt", "one\ntwo\n")
    made.commit("first")
    return made


def test_a_commit_is_compared_with_its_first_parent(repository: GitFolder) -> None:
    first = repository.head()
    repository.write("a.txt", "one\nthree\n")
    second = repository.commit("second")
    found = commit_diff(find_repository(repository.path), second)
    assert found.text.splitlines()[0] == "diff --git a/a.txt b/a.txt"
    assert found.text.splitlines()[-3:] == [" one", "-two", "+three"]
    assert not found.cut
    assert "+one" in commit_diff(find_repository(repository.path), first).text  # of the first commit, all
    repository.git("checkout", "-q", "-b", "side", first)
    repository.write("b.txt", "b\n")
    repository.commit("beside")
    repository.git("merge", "-q", "--no-ff", "-m", "merged", second)
    merged = commit_diff(find_repository(repository.path), repository.head()).text
    assert "+three" in merged
    assert "b.txt" not in merged


def test_a_long_diff_is_cut_at_a_line(repository: GitFolder) -> None:
    repository.write("long.txt", "".join(f"line {number}\n" for number in range(200_000)))
    sha = repository.commit("long")
    found = commit_diff(find_repository(repository.path), sha, most_bytes=10_000)
    assert found.cut
    assert 9_900 < len(found.text) <= 10_000
    assert found.text.endswith("\n")


def test_git_is_ended_where_it_takes_too_long(repository: GitFolder, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"  # git waits for a writer, for ever
    os.mkfifo(pipe)
    found = find_repository(repository.path)

    def read() -> list[bytes]:
        with found.stream("hash-object", "--no-filters", str(pipe), seconds=0.1) as blocks:
            return list(blocks)

    assert "`git hash-object` failed" in refusal(read)


@pytest.mark.parametrize("name", ["HEAD", "--output=x", "abc", "", "a" * 41, "a" * 40 + "\n"])
def test_only_whole_names_are_taken(repository: GitFolder, name: str) -> None:
    assert "expected the whole name of a commit" in refusal(lambda: commit_diff(find_repository(repository.path), name))


def test_nothing_of_the_repository_is_run(repository: GitFolder, tmp_path: Path) -> None:
    repository.write(".gitattributes", "*.txt diff=evil\n")
    (repository.path / ".git/info/attributes").write_text("*.txt diff=evil\n")
    repository.write("a.txt", "one\nthree\n")
    sha = repository.commit("second")
    trap = f"touch {tmp_path}/ran #"
    for key in (
        "diff.external",
        "core.pager",
        "diff.evil.command",
        "diff.evil.textconv",
        "pager.log",
        "core.fsmonitor",
    ):
        repository.git("config", key, trap)
    repository.git("config", "diff.noprefix", "true")
    repository.git("config", "color.ui", "always")
    assert "diff --git a/a.txt b/a.txt" in commit_diff(find_repository(repository.path), sha).text
    assert not (tmp_path / "ran").exists()
