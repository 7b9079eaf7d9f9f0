"""`patina init`: what it writes, keeps and suggests."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from eventlog_builder import build_eventlog, project_history
from materialize_helpers import GitFolder
from small_project import patina

from patina_assets.pairs.types.same_author import LEAST_COMMITS
from patina_resources.project.project import find_project


def test_init_writes_what_is_missing_and_keeps_the_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / "deeper").mkdir()
    (tmp_path / ".gitignore").write_text("*.pyc")
    monkeypatch.chdir(tmp_path / "deeper")
    first = patina("init", "--no-build")
    assert first.code == 0
    assert (tmp_path / ".gitignore").read_text() == "*.pyc\n.patina/data/\n.patina/local/\n"
    recipe = (tmp_path / ".patina/oxidize.yaml").read_text()
    assert "\n  temporal:" in recipe
    assert "\n  semantic:" not in recipe
    again = patina("init", "--no-build")
    assert again.out.count("kept") == 3
    assert (tmp_path / ".patina/oxidize.yaml").read_text() == recipe


def test_init_makes_the_home_of_dagsters_own_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert patina("init", "--no-build").code == 0
    assert (find_project(tmp_path).dagster_home / "dagster.yaml").is_file()


def test_init_suggests_what_the_eventlog_has_signal_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    build_eventlog(tmp_path / ".patina/data/patina.db", project_history())
    patina("init", "--no-build")
    recipe = (tmp_path / ".patina/oxidize.yaml").read_text()
    dimensions = ["semantic", "temporal", "dependency", "syntactic", "architectural", "social"]
    world_models = ["state-encoder", "action-encoder"]
    projections = yaml.safe_load(recipe)["projections"]
    assert list(projections) == [*dimensions, *world_models]
    assert [name for name in projections if projections[name].get("type") == "world-model"] == world_models
    assert projections["semantic"]["training"]["source"] == "sessions.observations"
    assert patina("oxidize", "--dry-run").code == 0


def test_init_suggests_nothing_that_only_the_newest_commits_tell_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    commits = [event for event in project_history() if event.kind == "git.commit" and isinstance(event.data, dict)]
    for newcomers, suggests in ((LEAST_COMMITS, False), (len(commits) // 2, True)):
        authors = ["ada@example.org"] * (len(commits) - newcomers) + ["bob@example.org"] * newcomers
        events = [
            replace(event, data={**event.data, "author_email": author})
            for event, author in zip(commits, authors, strict=True)
        ]
        build_eventlog(tmp_path / str(suggests) / ".patina/data/patina.db", events)
        patina("init", "--no-build", str(tmp_path / str(suggests)))
        recipe = yaml.safe_load((tmp_path / str(suggests) / ".patina/oxidize.yaml").read_text())
        assert ("social" in recipe["projections"]) is suggests


def test_init_without_sessions_suggests_to_learn_from_commits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    commits = [event for event in project_history() if event.kind == "git.commit" and isinstance(event.data, dict)]
    commits = [replace(event, data={**event.data, "author_email": "ada@example.org"}) for event in commits]
    build_eventlog(tmp_path / ".patina/data/patina.db", commits)
    patina("init", "--no-build")
    recipe = (tmp_path / ".patina/oxidize.yaml").read_text()
    projections = yaml.safe_load(recipe)["projections"]
    assert list(projections) == ["semantic", "temporal", "state-encoder", "action-encoder"]
    assert projections["semantic"]["training"]["pair_type"] == "commit_touches"
    assert "\n  # social needs two authors" in recipe
    assert "\n  # syntactic needs functions" in recipe
    assert patina("oxidize", "--dry-run").code == 0


@pytest.fixture
def edited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the recipe of a project with signal for everything: one projection, and a key behind it."""
    monkeypatch.chdir(tmp_path)
    build_eventlog(tmp_path / ".patina/data/patina.db", project_history())
    recipe = tmp_path / ".patina/oxidize.yaml"
    recipe.write_text(
        "version: 2\nprojections:\n  temporal:\n    layers: [64, 32]\n    training:\n      source: git.co_changes\n"
        "      pair_type: co_changed\n      epochs: 2\n  semantic:\n    layers: [64, 32]\n    training:\n"
        "      source: git.commits\n      pair_type: commit_touches\n      epochs: 2\n\nrefresh: always\n"
    )
    return recipe


def test_update_adds_to_an_edited_recipe_what_has_signal(edited: Path) -> None:
    before = edited.read_text()
    ran = patina("init", "--update")
    assert ran.code == 0, ran.err
    added = [line.split()[1] for line in ran.out.splitlines() if line.startswith("added ")]
    # The name is taken, so what learns from notes is called by its pair type.
    assert added == ["same-session", "dependency", "syntactic", "architectural", "social", "state-encoder",
                     "action-encoder"]  # fmt: skip
    assert ran.out.endswith("next: run `patina oxidize`\n")
    after = yaml.safe_load(edited.read_text())
    assert list(after["projections"]) == ["temporal", "semantic", *added]
    assert after["refresh"] == "always"
    assert edited.read_text().startswith(before.removesuffix("\nrefresh: always\n"))
    assert patina("oxidize", "--dry-run").code == 0
    again = patina("init", "--update")
    assert "it has all that has signal" in again.out
    assert "next" not in again.out


def test_update_leaves_a_recipe_of_another_form_as_it_is(edited: Path) -> None:
    edited.write_text(json.dumps(yaml.safe_load(edited.read_text())))
    before = edited.read_bytes()
    ran = patina("init", "--update")
    assert ran.code == 0
    assert "its form is another one" in ran.out
    assert "pair_type: caller_callee" in ran.out
    assert edited.read_bytes() == before


@pytest.mark.usefixtures("edited")
def test_doctor_names_what_a_recipe_could_have() -> None:
    ran = patina("doctor", "--json")
    found = json.loads(ran.out)["suggestions"]
    assert {"what": "the recipe could have dependency: functions that call each other",
            "command": "patina init --update"} in found  # fmt: skip
    patina("init", "--update")
    assert json.loads(patina("doctor", "--json").out)["suggestions"] == []


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--update", "--no-build"], "--update goes with no other option"),
        (["--update", "--model", "all-minilm-l6-v2"], "--update goes with no other option"),
        (["--update"], "no .patina folder"),
    ],
)
def test_wrong_updates_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], sentence: str
) -> None:
    monkeypatch.chdir(tmp_path)
    ran = patina("init", *arguments)
    assert ran.code == 2
    assert sentence in ran.err


@pytest.mark.parametrize("is_edited", [False, True])
def test_new_signal_is_followed_or_where_the_recipe_is_edited_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_edited: bool
) -> None:
    folder = GitFolder(tmp_path / "project")
    monkeypatch.chdir(folder.path)
    folder.write("a.py", "def f(): ...\n")
    folder.commit("first")
    assert patina("init", "--no-build").code == 0
    assert "could have" not in patina("materialize").out
    recipe = folder.path / ".patina/oxidize.yaml"
    if is_edited:
        recipe.write_text("version: 2\nprojections: {}\n")
    before = recipe.read_text()
    for day in range(1, 9):
        rules = "".join(f"- this is rule {number} of day {day}, and it holds\n" for number in range(9))
        folder.write(f"layer/sessions/2025010{day}-000000.md", f"# Session: {day}\n\n**Key Decisions:**\n{rules}")
    folder.commit("notes")
    ran = patina("materialize")
    assert ran.code == 0
    assert ("the recipe could have semantic now: `patina init --update` adds that" in ran.out) is is_edited
    assert ("\n  semantic:" in recipe.read_text()) is not is_edited
    assert (recipe.read_text() == before) is is_edited
    assert "could have" not in patina("materialize").out


def test_a_repository_without_commits_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "project")
    monkeypatch.chdir(folder.path)
    (folder.path / "a.py").write_text("def f(): pass\n")
    ran = patina("init")
    reason = "nothing is committed yet: make a first commit, then run `patina init`"
    assert (ran.code, ran.out, ran.err) == (2, "", f"patina: {folder.path}: {reason}\n")
    assert sorted(path.name for path in folder.path.iterdir()) == [".git", "a.py"]


@pytest.mark.parametrize(
    ("head", "said"),
    [
        (
            "ref: refs/heads/gone\n",
            ": HEAD is the branch 'gone', which has no commits yet: make one, or go to another ",
        ),
        ("", "/.git/HEAD: names neither a branch nor a commit, so git does not read this repository: write into it "),
    ],
)
def test_a_broken_head_is_told_by_init_and_doctor(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, head: str, said: str
) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.commit("one")
    monkeypatch.chdir(folder.path)
    folder.write(".git/HEAD", head)
    ran = patina("init")
    assert (ran.code, ran.out, ran.err.startswith(f"patina: {folder.path}{said}")) == (2, "", True), ran.err
    assert [path.name for path in folder.path.iterdir()] == [".git"]
    (folder.path / ".patina").mkdir()
    if not head:
        findings = json.loads(patina("doctor", "--json").out)["findings"]
        assert any(said in finding["what"] for finding in findings), findings


def test_a_history_that_git_cannot_walk_is_a_failure_beside_what_is_read(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("a.py", "def f(): pass\n")
    for number in range(3):
        folder.commit(f"commit {number}")
    sha = folder.git("rev-parse", "HEAD~1").decode().strip()
    (folder.path / ".git/objects" / sha[:2] / sha[2:]).unlink()
    assert patina("init", "--no-build", str(folder.path)).code == 0
    done = patina("materialize", str(folder.path))
    assert (done.code, done.err) == (1, ""), done
    assert "skipped git: the history is not read: " in done.out
    assert "code.function" in done.out


def test_the_users_own_folder_is_no_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "folder").path
    monkeypatch.setenv("PATINA_HOME", str(folder / ".patina"))
    done = patina("init", str(folder))
    assert (done.code, done.err.count("\n")) == (2, 1), done
    assert "holds your own settings and models" in done.err
    assert not (folder / ".gitignore").exists()
    assert not (folder / ".patina" / "config.toml").exists()


def test_outside_of_git_nothing_is_written_and_the_next_step_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.chdir(tmp_path / "folder")
    ran = patina("init")
    reason = "is in no git repository: run `git init`, commit, then `patina init`"
    assert (ran.code, ran.out, ran.err) == (2, "", f"patina: {tmp_path / 'folder'} {reason}\n")
    assert list((tmp_path / "folder").iterdir()) == []
    settings = patina("init", "--no-build")
    assert settings.code == 0
    assert settings.out.endswith(f"{reason}\n")
