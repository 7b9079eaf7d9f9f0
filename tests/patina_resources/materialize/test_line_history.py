"""The commits of some lines, the versions of a file, and the commit that a name means, as git has them."""

from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from refusals import refusal

from patina_resources.materialize.git.line_history import commits_of_lines
from patina_resources.materialize.git.repository import Repository, find_repository
from patina_resources.materialize.texts import versions_of

ODD = "odd: name\n-L1.py"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> GitFolder:
    made = GitFolder(tmp_path_factory.mktemp("lines") / "repository")
    made.write("old.py", "a = 1\nb = 1\nc = 1\n" + "# filler\n" * 20)
    made.write(ODD, "x = 1\n")
    made.commit("first")
    made.write("old.py", "a = 1\nb = 2\nc = 1\n" + "# filler\n" * 20)
    made.commit("b is two")
    made.git("mv", "old.py", "new.py")
    made.commit("moved")
    made.write("new.py", "a = 3\nb = 2\nc = 1\n" + "# filler\n" * 20)
    made.commit("a is three")
    made.git("tag", "v1.0", "HEAD~1")
    made.git("tag", "-a", "-m", "annotated", "v2", "HEAD")
    made.write("new.py", "a = 4\n")
    return made


@pytest.fixture
def repository(folder: GitFolder) -> Repository:
    return find_repository(folder.path)


def subjects(folder: GitFolder, shas: list[str]) -> list[str]:
    return [folder.git("log", "-1", "--format=%s", sha).decode().strip() for sha in shas]


@pytest.mark.parametrize(
    ("path", "first", "last", "expected"),
    [
        ("new.py", 1, 1, ["a is three", "first"]),
        ("new.py", 2, 2, ["b is two", "first"]),
        ("new.py", 1, 3, ["a is three", "b is two", "first"]),
        (ODD, 1, 1, ["first"]),
    ],
)
def test_the_commits_of_lines_are_followed_through_a_rename(
    folder: GitFolder, repository: Repository, path: str, first: int, last: int, expected: list[str]
) -> None:
    assert subjects(folder, list(commits_of_lines(repository, path, first, last))) == expected


@pytest.mark.parametrize(
    ("path", "first", "last", "said"),
    [
        ("new.py", 98, 99, "has only 23 lines"),
        ("old.py", 1, 1, "There is no path old.py in the commit"),
        ("new.py", 0, 1, "not lines of a file"),
        ("new.py", 2, 1, "not lines of a file"),
        ("a\0b", 1, 1, "not lines of a file"),
    ],
)
def test_lines_that_head_does_not_have_are_refused(
    repository: Repository, path: str, first: int, last: int, said: str
) -> None:
    assert said in refusal(lambda: list(commits_of_lines(repository, path, first, last)))


def test_a_reader_may_stop_early(repository: Repository) -> None:
    found = commits_of_lines(repository, "new.py", 1, 3)
    assert len(next(found)) == 40
    found.close()  # type: ignore[attr-defined]


def test_a_file_has_the_version_of_the_working_tree_and_of_head(folder: GitFolder, repository: Repository) -> None:
    worktree, head = versions_of(repository, "new.py")
    assert worktree == b"a = 4\n"
    assert head is not None
    assert head.startswith(b"a = 3\nb = 2\n")
    assert versions_of(repository, "old.py") == (None, None)
    for outside in ("../secret", str(folder.path / "new.py"), "a\nb", ".git/config"):
        assert versions_of(repository, outside)[1] is None
    assert versions_of(repository, "../repository/new.py") == (None, None)


def test_a_name_means_a_commit(folder: GitFolder, repository: Repository) -> None:
    shas = folder.git("rev-list", "HEAD").decode().split()
    for name, place in {"HEAD": 0, "main": 0, "v2": 0, "v1.0": 1, "v2^": 1, "HEAD~2": 2}.items():
        assert repository.commit_named(name) == shas[place], name
    for none in ("nosuch", "-h", "--git-dir", ":/first", "HEAD@{1 year ago}", "HEAD^{/first}", "HEAD:new.py", "", "é"):
        assert repository.commit_named(none) is None, none


def test_without_commits_there_are_no_versions(tmp_path: Path) -> None:
    made = GitFolder(tmp_path / "empty")
    made.write("a.py", "x = 1\n")
    repository = find_repository(made.path)
    assert versions_of(repository, "a.py") == (b"x = 1\n", None)
    assert repository.commit_named("HEAD") is None
