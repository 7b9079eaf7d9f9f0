"""`patina like` on a really built project: whom it finds, what it says for certain, and what is no one thing."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from materialize_helpers import GitFolder
from refusals import refusal
from root import ROOT
from small_project import build, patina
from story_project import make_story

from patina_assets import OpenProject, open_project
from patina_assets.search.indexes import Indexes
from patina_resources.project.project import find_project


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> GitFolder:
    made = make_story(tmp_path_factory.mktemp("like") / "project")
    with pytest.MonkeyPatch.context() as place:
        place.chdir(made.path)
        assert patina("materialize").code == 0
    build(find_project(made.path))
    return made


@pytest.fixture
def project(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> OpenProject:
    monkeypatch.chdir(folder.path)
    return open_project()


def like(*words: str) -> dict[str, Any]:
    """Return what the command prints as JSON."""
    ran = patina("like", *words, "--json")
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert document["version"] == 1
    return document


def lists(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    return {found["projection"]: found["hits"] for found in document["lists"]}


@pytest.mark.usefixtures("project")
def test_a_file_is_like_what_changed_with_it() -> None:
    document = like("src/cache.py")
    together = {entry["file"]: entry for entry in document["facts"]["changed_together"]}
    assert {name: entry["count"] for name, entry in together.items()} == {"docs/cache.md": 3, "tests/test_cache.py": 3}
    assert document["facts"]["commits"] == 3
    assert document["facts"]["authors"] == [{"name": "Ada", "commits": 3}]
    found = lists(document)
    assert set(found) == {"temporal", "base"}
    assert all(len(hits) == 5 for hits in found.values())
    assert "src/cache.py" not in {hit["file"] for hits in found.values() for hit in hits}
    for hit in found["temporal"]:
        assert hit["facts"]["changed_together"] == together.get(hit["file"])
    told = patina("like", "src/cache.py").out
    assert "temporal: files that change together" in told
    assert f"3 times, last in {together['docs/cache.md']['commit'][:12]}" in told
    assert told.count("3 commits by Ada (3)") == 1


@pytest.mark.usefixtures("project")
def test_a_function_is_like_what_it_calls() -> None:
    document = like("write_cache")
    assert (document["kind"], document["file"]) == ("function", "src/cache.py")
    assert document["facts"]["calls"] == [{"file": "src/cache.py", "name": "close_cache", "line": document["line"] + 4}]
    assert [entry["name"] for entry in document["facts"]["called_by"]] == ["check_cache"]
    hits = lists(document)["dependency"]
    assert {hit["kind"] for hit in hits} == {"function"}
    assert all(hit["line"] is not None for hit in hits)
    for hit in hits:
        assert hit["facts"]["calls"] == (hit["symbol"] == "close_cache")
        assert hit["facts"]["called"] == (hit["symbol"] == "check_cache")
    # A line names the function around it.
    assert like(f"src/cache.py:{document['line'] + 1}") == document


@pytest.mark.usefixtures("project")
def test_a_commit_and_a_session_are_known_by_a_part_of_their_names(folder: GitFolder) -> None:
    sha = folder.git("log", "--format=%H", "--grep=feat(report): turn 1", "--fixed-strings").decode().strip()
    document = like(sha[:7])
    assert (document["kind"], document["name"]) == ("commit", sha)
    assert document["facts"]["files"] == ["docs/report.md", "src/report.py", "tests/test_report.py"]
    assert {hit["kind"] for hit in lists(document)["base"]} == {"commit"}
    assert all(hit["facts"]["same_author"] for hit in lists(document)["base"])
    assert like("commit", sha[:12]) == like(f"commit {sha}") == document
    newest = folder.git("rev-parse", "HEAD~1").decode().strip()
    assert like("HEAD~1")["name"] == newest
    session = like("20240102-000000")
    assert (session["kind"], session["facts"]["commits"]) == ("session", 0)
    assert set(lists(session)) == {"semantic", "base"}
    assert "20240102-000000" not in {hit["session"] for hit in lists(session)["semantic"]}
    assert len({hit["session"] for hit in lists(session)["semantic"]}) == 5


@pytest.mark.usefixtures("project")
def test_one_projection_answers_alone() -> None:
    assert set(lists(like("src/cache.py", "--projection", "temporal", "-k", "2"))) == {"temporal"}
    assert len(lists(like("src/cache.py", "--projection", "temporal", "-k", "2"))["temporal"]) == 2
    ran = patina("like", "open_cache", "--projection", "temporal")
    assert (ran.code, ran.out) == (2, "")
    assert "temporal does not hold the function open_cache: leave --projection out" in ran.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["test_"], "nothing is called 'test_'"),
        (["open_cahce"], "nothing is called 'open_cahce' (did you mean 'open_cache'?): expected a path, PATH:LINE"),
        (["src"], "'src' is a folder: expected a file, such as src/cache.py"),
        (["2024010"], "'2024010' is the name of 8 things: session 20240101-000000, "),
        (["session", "nosuch"], "there is no session 'nosuch': `patina recent` shows the newest"),
        (["open_cache", "--projection", "lexical"], "lexical: words have no vectors"),
        (["open_cache", "--projection", "temporl"], "(did you mean 'temporal'?)"),
        ([" "], "nothing is named: expected a path"),
        (["\udcff\x1b[31m"], "nothing is called"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_no_one_thing_is_one_sentence(words: list[str], said: str) -> None:
    ran = patina("like", *words)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err
    assert len(ran.err.splitlines()) == 1


@pytest.mark.usefixtures("project")
def test_what_is_newer_than_the_index_is_said(folder: GitFolder) -> None:
    path = folder.write("src/new.py", "def new():\n    pass\n")
    before = folder.head()
    try:
        folder.git("commit", "-q", "--allow-empty", "-m", "newer")
        newest = folder.head()
        for words in (["HEAD"], [newest[:8]], ["commit", newest]):
            ran = patina("like", *words)
            assert f"commit {newest[:12]} is not in the index: run `patina materialize --oxidize`" in ran.err
        for place in ("src/new.py", "src/new.py:1"):
            assert "src/new.py is not in the index: run `patina materialize --oxidize`" in patina("like", place).err
            assert "src/new.py is not in the eventlog: run `patina materialize`" in patina("why", place).err
        assert patina("like", "x" * 4_000).code == 2
        assert "the eventlog is older than HEAD" in patina("recent").err
    finally:
        folder.git("reset", "-q", "--soft", before)
        path.unlink()


@pytest.mark.usefixtures("project")
def test_a_line_of_nothing_is_about_its_file(folder: GitFolder) -> None:
    ran = patina("like", "src/cache.py:9999", "--json")
    assert json.loads(ran.out)["kind"] == "file"
    assert "src/cache.py:9999: nothing that is searched stands at this line: this is about its file" in ran.err
    document = like("docs/cache.md:1")
    assert document["file"] == "docs/cache.md"
    assert (folder.path / "docs/cache.md").exists()


def test_without_an_eventlog_the_vectors_answer(
    project: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(project.root, tmp_path / "project"))
    (copy / ".patina/data/patina.db").unlink()
    monkeypatch.chdir(copy)
    ran = patina("like", "src/cache.py", "--json")
    document = json.loads(ran.out)
    assert document["facts"] is None
    assert set(lists(document)) == {"temporal", "base"}
    assert "not searched: facts: no eventlog at" in ran.err


def test_without_a_whole_projection_the_others_answer(
    project: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = Path(shutil.copytree(project.root, tmp_path / "project"))
    monkeypatch.chdir(copy)
    model = Indexes(find_project(copy)).spec.name
    find_project(copy).projection_paths(model, "temporal").index.write_bytes(b"damaged")
    ran = patina("like", "src/cache.py", "--json")
    assert set(lists(json.loads(ran.out))) == {"base"}
    assert "not searched: temporal: " in ran.err
    assert patina("like", "src/cache.py", "--projection", "temporal").code == 2


def test_the_api_gives_the_same(project: OpenProject) -> None:
    found = project.like("write_cache", limit=2)
    assert (found.thing.kind, found.thing.path) == ("function", "src/cache.py")
    assert [found.name for found in found.lists] == ["dependency", "base"]
    assert all(len(entry.hits) == 2 for entry in found.lists)
    assert found.facts is not None
    assert [entry.name for entry in found.facts.calls.callees] == ["close_cache"]
    assert found.facts_of(found.lists[0].hits[0]).changed_together is None
    assert refusal(lambda: project.like("close_cache", limit=0)) == "limit: expected a whole number >= 1, got 0"


def test_nothing_heavy_is_loaded(folder: GitFolder, tmp_path: Path) -> None:
    script = (
        "import sys; from patina_assets.cli import main; code = main(['like', 'close_cache']) or main(['recent']);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATINA_HOME": os.environ["PATINA_HOME"]}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=folder.path, env=environment, capture_output=True, text=True, check=False
    )
    loaded = set(done.stderr.split())
    assert "usearch" in loaded, done.stderr[:500]
    assert not loaded & {"dagster", "pydantic", "sqlalchemy", "onnx", "huggingface_hub", "tokenizers"}
