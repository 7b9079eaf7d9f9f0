"""From a git repository to search through the commands alone, and what a later change of the repository makes stale."""

import re
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from small_project import patina
from story_project import NOTE, make_story, update

# A projection that is no comment.
PROJECTION = re.compile(r"^  [a-z-]+:", re.MULTILINE)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> GitFolder:
    """Return a repository, materialized and built, and stand in it."""
    made = make_story(tmp_path / "project")
    monkeypatch.chdir(made.path)
    update()
    return made


def affected() -> set[str]:
    """Return the projections that materializing makes stale, without building them."""
    assert patina("materialize").code == 0
    lines = [line.split() for line in patina("oxidize", "--dry-run").out.splitlines()]
    return {name.split("/")[0] for name, status, *_ in lines if status != "fresh"} - {"base", "oxidize_lock"}


def test_each_change_of_the_repository_concerns_its_projections_only(folder: GitFolder) -> None:
    assert affected() == set()

    folder.write("src/cache.py", (folder.path / "src/cache.py").read_text() + "# one\n")
    folder.write("docs/parser.md", "other words\n")
    folder.commit("fix: a comment and a page")
    assert affected() == {"temporal"}
    update()

    folder.write("layer/sessions/20240109-000000.md", NOTE.format(topic="index", day=9, one="nodes", two="edges"))
    folder.commit("docs: a note")
    assert affected() == {"semantic"}
    update()

    source = (folder.path / "src/cache.py").read_text()
    folder.write("src/cache.py", source.replace("return read_cache(value)", "return open_parser(value)"))
    folder.commit("fix: another call")
    assert affected() == {"dependency"}
    update()

    (folder.path / "src/report.py").unlink()
    folder.commit("refactor: no reports")
    assert affected() == {"dependency", "temporal"}  # the file is marked as removed
    update()

    folder.commit("refactor: no reports any more", "--amend")
    assert affected() == set()

    found = patina("scry", "open the cache", "-k", "3")
    assert found.code == 0
    assert "src/report.py" not in found.out


def test_the_first_events_complete_a_recipe_that_nobody_edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_story(tmp_path / "project")
    monkeypatch.chdir(folder.path)
    recipe = folder.path / ".patina/oxidize.yaml"
    edited = recipe.read_text()
    assert patina("materialize").code == 0
    assert recipe.read_text() == edited

    recipe.unlink()
    (folder.path / ".patina/data/patina.db").unlink()
    assert patina("init", "--no-build").code == 0
    assert "\n  dependency:" not in recipe.read_text()
    assert f"written  {recipe}" in patina("materialize").out
    assert "\n  dependency:" in recipe.read_text()
    before = recipe.stat()
    assert patina("materialize", "--full").code == 0
    assert recipe.stat() == before


def test_a_recipe_follows_a_small_repository_as_it_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "project")
    monkeypatch.chdir(folder.path)

    def grow(numbers: range) -> None:
        for number in numbers:
            folder.write(f"m{number}.py", f"def a{number}(x):\n    b{number}(x)\n    a{number - 1}(x)\n")
            folder.write(f"m{number - 1}.py", f"def a{number - 1}(x):\n    a{number}(x)\n")
            folder.commit(f"queue {number} is drained by worker {number}")

    grow(range(2))
    assert patina("init", "--no-build").code == 0
    recipe = folder.path / ".patina/oxidize.yaml"
    assert "next:" in patina("materialize").out
    assert not PROJECTION.search(recipe.read_text())
    grow(range(2, 16))
    assert f"written  {recipe}" in patina("materialize").out
    assert PROJECTION.search(recipe.read_text())
    recipe.write_text(recipe.read_text() + "# mine\n")
    edited = recipe.read_text()
    grow(range(16, 18))
    assert "recipe" not in patina("materialize").out
    assert recipe.read_text() == edited


def test_a_repository_without_signal_is_searched_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("token.txt", "how an expired token is refused\n")
    folder.commit("docs: a first page")
    monkeypatch.chdir(folder.path)
    ran = patina("init")
    assert ran.code == 0
    assert "built for the first time: base\n" in ran.err
    assert "held-out MRR" not in ran.out  # nothing is measured there
    assert "a first page" in patina("scry", "first page").out
    refused = patina("evaluate")
    assert refused.code == 2
    assert "projections: none is asked for" in refused.err
