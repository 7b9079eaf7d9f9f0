"""What search answers from where something is missing, and what it says of its age."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from eventlog_builder import commit, note
from made_once import built_project
from materialize_helpers import GitFolder
from small_project import RECIPE, add_events, build, make_project, patina, set_validation_gain, workspace_of

from patina_assets.pipeline.lock import compose_lock
from patina_assets.pipeline.workspace import look_at_sources, projection_state
from patina_assets.search.built import BASE, LEXICAL, plainly_written, read_built
from patina_assets.search.freshness import AgeNote, age_notes, index_age
from patina_assets.search.searcher import Searcher
from patina_resources.errors import PatinaError
from patina_resources.eventlog.looks.memory import RecalledLook, recalled_look
from patina_resources.eventlog.news import News, read_news
from patina_resources.materialize.git.head import head_of
from patina_resources.project.project import Project, find_project
from patina_resources.store.manifests import StageInput

QUERY = "search query ranking"


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that is built once for this module."""
    made = built_project(tmp_path_factory.mktemp("built") / "project")
    set_validation_gain(made, 0.1, 0.2, "semantic", "temporal", "dependency")
    return made.root


@pytest.fixture
def project(built_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a copy of the built project, and stand in it."""
    copy = find_project(Path(shutil.copytree(built_root, tmp_path / "project", copy_function=shutil.copy2)))
    monkeypatch.chdir(copy.root)
    look_at_sources(workspace_of(copy))  # the copy's eventlog is another file
    return copy


def cut(path: Path) -> None:
    """Damage a file."""
    path.write_bytes(path.read_bytes()[:-10])


# What is whole answers


def test_one_damaged_index_is_named_and_the_others_answer(project: Project) -> None:
    cut(project.projection_paths("corpus-static", "temporal").index)
    answer = Searcher(project).answer(QUERY)
    assert list(answer.found) == [BASE, "semantic", "dependency", LEXICAL]
    assert list(answer.missing) == ["temporal"]
    ran = patina("scry", QUERY)
    assert (ran.code, ran.err.count("\n")) == (0, 1)
    assert ran.err.startswith("patina: not searched: temporal: ")
    assert "patina oxidize" in ran.err
    assert json.loads(patina("scry", QUERY, "--json").out)
    assert patina("scry", QUERY, "--projection", "temporal").code == 2


@pytest.mark.parametrize("change", ["damaged", "missing"])
def test_without_base_the_projections_answer(project: Project, change: str) -> None:
    paths = project.base_paths("corpus-static")
    cut(paths.search) if change == "damaged" else paths.manifest.unlink()
    answer = Searcher(project).answer(QUERY)
    assert list(answer.found) == ["semantic", "temporal", "dependency"]
    assert list(answer.missing) == [BASE, LEXICAL]
    ran = patina("scry", QUERY)
    assert (ran.code, ran.err.count("\n")) == (0, 1)
    assert ran.err.startswith("patina: not searched: base, lexical: ")


@pytest.mark.parametrize("change", ["damaged", "missing"])
def test_without_the_vectors_of_base_words_and_projections_answer(project: Project, change: str) -> None:
    index = project.base_paths("corpus-static").index
    cut(index) if change == "damaged" else index.unlink()
    answer = Searcher(project).answer(QUERY)
    assert list(answer.found) == ["semantic", "temporal", "dependency", LEXICAL]
    assert list(answer.missing) == [BASE]
    ran = patina("scry", QUERY)
    assert (ran.code, ran.err.count("\n")) == (0, 1)
    assert ran.err.startswith("patina: not searched: base: ")
    assert Searcher(project).answer(QUERY, LEXICAL).hits


def test_without_a_model_words_answer(project: Project) -> None:
    cut(project.corpus_model_folder() / "model.onnx")
    ran = patina("scry", QUERY, "--explain")
    assert ran.code == 0
    assert "lexical      #1" in ran.out
    assert ran.err.count("not searched: base, semantic, temporal, dependency: ") == ran.err.count("\n") == 1


def test_an_index_of_other_bytes_of_the_model_takes_no_part(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    searcher = Searcher(project)
    opened = searcher._indexes.opened("temporal")
    monkeypatch.setitem(opened.file.facts, "model_digest", "0" * 64)
    answer = searcher.answer(QUERY)
    assert "temporal" not in answer.found
    assert "other bytes or settings of corpus-static" in answer.missing["temporal"]


def test_where_nothing_is_whole_it_is_refused_in_one_sentence(project: Project) -> None:
    for name in ("semantic", "temporal", "dependency"):
        cut(project.projection_paths("corpus-static", name).index)
    cut(project.base_paths("corpus-static").index)
    cut(project.base_paths("corpus-static").search)
    ran = patina("scry", QUERY)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert "damaged" in ran.err
    assert all(name in ran.err for name in ("base", "semantic", "temporal", "dependency"))
    assert ran.err.count("patina oxidize") == 1


def test_one_projection_as_the_first_build_is_searched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = make_project(tmp_path / "project")
    monkeypatch.chdir(made.root)
    build(made, "temporal")
    ran = patina("scry", QUERY, "-k", "2", "--explain")
    assert ran.code == 0
    assert "temporal     #1" in ran.out
    assert ran.err == "patina: not searched: base, lexical: base/index is not built: run `patina oxidize`\n"


# What the lock names


def test_a_lock_is_read_line_by_line_as_a_yaml_reader_reads_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = project.lock.read_text()
    built = plainly_written(text)
    assert built is not None
    assert (built.model, built.projections) == ("corpus-static", ["semantic", "temporal", "dependency"])
    monkeypatch.setattr("patina_assets.search.built.plainly_written", lambda _: None)
    assert read_built(project) == built


@pytest.mark.parametrize(
    "text",
    [
        "",
        "projections: [",
        "embedding_model: corpus-static\n",
        "embedding_model: corpus-static\nprojections: {}\n",
        "embedding_model: 'corpus-static'\nprojections:\n  a:\n    b: 1\n",
        "embedding_model: true\nprojections:\n  a:\n    b: 1\n",
        "embedding_model: a\nembedding_model: b\nprojections:\n  a:\n    b: 1\n",
        "embedding_model: a\nprojections:\n  'a':\n    b: 1\n",
        "embedding_model: a\nprojections:\n  yes:\n    b: 1\n",
        "embedding_model: a\nprojections:\n  ../a:\n    b: 1\n",
        "embedding_model: a\nprojections:\n  a: {b: 1}\n",
        "embedding_model: a\nprojections:\n  a:\n    b: 1\n  a:\n    b: 1\n",
        "embedding_model: a\nprojections:\n- a\n",
        "embedding_model: a # b\nprojections:\n  a:\n    b: 1\n",
        "embedding_model: &x a\nprojections:\n  a:\n    b: 1\n",
        "{embedding_model: a}\n",
        "embedding_model: a\x85\nprojections:\n  a:\n    b: 1\n",
    ],
)
def test_any_other_layout_is_left_to_the_yaml_reader(text: str) -> None:
    assert plainly_written(text) is None


def test_every_lock_that_is_composed_is_read(project: Project) -> None:
    workspace = workspace_of(project)
    manifests = {name: projection_state(workspace.paths(name)).manifest for name in workspace.names()}
    for model in ("all-minilm-l6-v2+corpus-static", "hf:org/name@0123", "on", "a b"):
        project.lock.write_bytes(compose_lock(workspace.recipe, model, manifests))
        assert read_built(project).model == model
        assert read_built(project).projections == ["semantic", "temporal", "dependency"]


# Age


def test_the_index_says_how_many_commits_it_lacks(project: Project) -> None:
    assert Searcher(project).age_notes() == []
    add_events(project, [commit("e" * 40, "src/a.py", "src/b.py", hour=600)])
    assert patina("scry", QUERY).err == (
        "patina: the index is older than the eventlog: 1 commit: run `patina oxidize`\n"
    )
    add_events(project, [note("another thing", "s"), note("one more", "s"), commit("d" * 40, "src/a.py", hour=601)])
    assert Searcher(project).age_notes() == [
        AgeNote("index", "the index is older than the eventlog: 2 commits and 2 other events", "patina oxidize")
    ]
    assert patina("oxidize", "--dry-run").code == 0  # a look: what is newer than it is not what the index lacks
    assert Searcher(project).age_notes() == [AgeNote("index", "the index is older than the eventlog", "patina oxidize")]
    build(project)
    assert Searcher(project).age_notes() == []


LOOK = RecalledLook("probe", {"git.commits": "a" * 64}, 7)
INPUTS = {"git.commits": StageInput("a" * 64, 3), "stage version": StageInput("1")}


@pytest.mark.parametrize(
    ("look", "probe", "news", "expected"),
    [
        (LOOK, "probe", News(), ""),
        (LOOK, "other", News(), ""),
        (LOOK, "other", None, ""),
        (LOOK, "probe", News(1), ""),
        (LOOK, "other", News(1), ": 1 commit"),
        (LOOK, "other", News(0, 1), ": 1 event"),
        (LOOK, "other", News(0, 3), ": 3 events"),
        (LOOK, "other", News(3, 1), ": 3 commits and 1 other event"),
        (replace(LOOK, digests={"git.commits": "b" * 64}), "other", News(3), None),
        (replace(LOOK, digests={}), "other", News(3), ""),
        (replace(LOOK, digests={"git.other": "b" * 64}), "probe", News(), ""),
    ],
)
def test_the_age_of_an_index(look: RecalledLook, probe: str, news: News | None, expected: str | None) -> None:
    found = [note.text for note in index_age(INPUTS, look, probe, news)]
    sentence = "the index is older than the eventlog"
    assert found == ([] if expected == "" else [f"{sentence}{expected or ''}"])


def test_a_look_is_recalled_as_long_as_it_is_whole(project: Project) -> None:
    document = project.source_digests.read_bytes()
    look = recalled_look(document)
    assert look.last_seq == workspace_of(project).eventlog.last_seq()
    assert "git.co_changes" in look.digests
    for damaged in (b"", b"[]", b"{", document.replace(b'"last_seq": ', b'"last_seq": 1'), b'{"probe": 1}'):
        assert recalled_look(damaged).digests == {}
        assert recalled_look(damaged).last_seq is None


@pytest.mark.parametrize("kind", ["missing", "text", "view", "pipe"])
def test_news_of_no_eventlog_is_none(tmp_path: Path, kind: str) -> None:
    import os
    import sqlite3

    path = tmp_path / "patina.db"
    if kind == "text":
        path.write_text("no database " * 100)
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "view":
        with sqlite3.connect(path) as connection:
            connection.execute("CREATE VIEW eventlog AS SELECT 9 AS seq, 'git.commit' AS event_type")
            connection.execute("CREATE VIEW scrape_meta AS SELECT 'materialize_git_head' AS key, 'x' AS value")
    assert read_news(path, 0) == (News() if kind == "view" else None)


def test_the_eventlog_says_that_head_has_moved_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write(".patina/oxidize.yaml", RECIPE)
    for number in range(3):
        folder.write("a.py", f"def f():\n    return {number}\n")
        folder.write("b.py", f"def g():\n    return {number}\n")
        folder.commit(f"change {number}")
    monkeypatch.chdir(folder.path)
    assert patina("materialize").code == 0
    project = find_project(folder.path)
    workspace = workspace_of(project)
    look_at_sources(workspace)
    monkeypatch.setattr("patina_assets.search.freshness.index_age", lambda *_: [])
    assert age_notes(project, "corpus-static") == []
    folder.commit("another")
    expected = [AgeNote("eventlog", "the eventlog is older than HEAD", "patina materialize")]
    assert age_notes(project, "corpus-static") == expected
    folder.git("pack-refs", "--all")
    assert age_notes(project, "corpus-static") == expected
    assert patina("materialize").code == 0
    assert age_notes(project, "corpus-static") == []


def test_a_plan_says_that_head_has_moved_on_as_a_search_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write(".patina/oxidize.yaml", RECIPE)
    for name in ("a.py", "b.py"):
        folder.write(name, "def f():\n    return 1\n")
        folder.commit(f"add {name}")
    monkeypatch.chdir(folder.path)
    assert patina("materialize").code == 0
    assert patina("oxidize", "--dry-run").err == ""  # nothing was ever built
    folder.commit("another")
    expected = "patina: the eventlog is older than HEAD: run `patina materialize`\n"
    assert [patina("oxidize", *more).err for more in (["--dry-run"], ["--dry-run", "--json"])] == [expected] * 2
    assert patina("oxidize", "--only", "base").err.endswith(expected)
    assert patina("scry", "f").err == expected
    assert patina("materialize").code == 0
    assert patina("oxidize", "--dry-run").err == ""


def test_head_is_read_where_git_says_it_plainly(tmp_path: Path) -> None:
    folder = GitFolder(tmp_path / "project")
    assert head_of(folder.path) is None
    folder.write("deep/a", "1")
    sha = folder.commit("one")
    assert head_of(folder.path) == head_of(folder.path / "deep") == sha
    folder.git("pack-refs", "--all")
    assert head_of(folder.path) == sha
    folder.git("checkout", "-q", "--detach")
    assert head_of(folder.path) == sha
    for text in ("ref: refs/../../secret", "ref: refs/heads/no", "x" * 9000, "\xff", "ref: /etc/passwd", ""):
        (folder.path / ".git" / "HEAD").write_text(text, "latin-1")
        assert head_of(folder.path) is None
    (folder.path / ".git" / "HEAD").unlink()
    (folder.path / ".git" / "HEAD").symlink_to("/etc/hostname")
    assert head_of(folder.path) is None
    assert head_of(Path("/")) is None


def test_searching_an_unbuilt_project_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PatinaError, match="nothing is built yet"):
        read_built(make_project(tmp_path / "project"))
