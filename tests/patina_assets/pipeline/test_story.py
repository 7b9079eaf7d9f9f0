"""From a git repository to search through the commands alone, and what a later change of the repository makes stale."""

import hashlib
import re
from pathlib import Path
from unittest import mock

import pytest
from materialize_helpers import GitFolder
from small_project import patina
from story_project import NOTE, make_story, update

from patina_assets.commands.initialise import RECIPE_MARK
from patina_resources.errors import PatinaError

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


def test_a_recipe_that_somebody_edited_or_protected_follows_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = GitFolder(tmp_path / "project")
    monkeypatch.chdir(folder.path)
    folder.write("a.py", "def a():\n    b()\n")
    folder.commit("one")
    assert patina("init", "--no-build").code == 0
    recipe = folder.path / ".patina/oxidize.yaml"
    # Nobody has edited this one either, and it would be written anew.
    text = "version: 2\nprojections: {}\n"
    written = (RECIPE_MARK.format(digest=hashlib.sha256(text.encode()).hexdigest()[:16]) + text).encode()

    def kept() -> None:
        before = recipe.read_bytes()
        folder.write("a.py", (folder.path / "a.py").read_text() + "# more\n")
        folder.commit("more")
        found = patina("materialize")
        assert (found.code, found.err, "written" in found.out, recipe.read_bytes()) == (0, "", False, before)

    for edited in (written + b"# mine\n", written.replace(b"2\n", b"2\r\n"), b"\xef\xbb\xbf" + written):
        recipe.write_bytes(edited)
        kept()
    recipe.write_bytes(written)
    recipe.chmod(0o444)
    kept()
    recipe.chmod(0o644)
    refused = PatinaError("there is no room left")
    with mock.patch("patina_assets.commands.initialise.write_atomic", side_effect=refused):
        kept()
    # As `core.autocrlf` checks it out, it is the same recipe.
    recipe.write_bytes(written.replace(b"\n", b"\r\n"))
    folder.write("a.py", "# nothing\n")
    folder.commit("less")
    assert f"written  {recipe}" in patina("materialize").out
    anew = recipe.read_bytes()
    assert anew.count(b"\n") == anew.count(b"\r\n") > 2


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
