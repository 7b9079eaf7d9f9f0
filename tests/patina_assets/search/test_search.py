"""Search over a really built project: words, vectors, and both."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal
from root import ROOT
from searched_project import UNKNOWN_WORD, without_module
from small_project import patina, set_validation_gain

from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import Filters
from patina_assets.search.base_model import asked_with
from patina_assets.search.built import BASE, LEXICAL, IndexesAhead, read_index
from patina_assets.search.files.search_file import SearchFile, encode_search
from patina_assets.search.index import IndexOptions, build_index, load_index
from patina_assets.search.indexes import OpenIndex
from patina_assets.search.lexical import match_expression
from patina_assets.search.searcher import Searcher
from patina_resources.embedding.side_by_side import BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.models.registry import ModelSpec
from patina_resources.project.project import find_project
from patina_resources.store.artifacts import publish_stage
from patina_resources.store.manifests import read_manifest


@pytest.fixture
def searcher(built_root: Path) -> Searcher:
    return Searcher(find_project(built_root))


# A built project


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("chunked body", "parseChunkedBody"),
        ("parse_chunked_body", "parseChunkedBody"),
        ("parsechunkedbody", "parseChunkedBody"),
        ("http header parser", "parseChunkedBody"),
        ("next delay", "nextDelay"),
        ("backoff::nextDelay", "nextDelay"),
        ("parse utils", "src/http/parse_utils.py"),
        ("http/retry", "src/http/retry.rs"),
        ("why did we reject redis", "rejected Redis"),
        ("grusse", "Grüße"),
    ],
)
def test_words_and_identifiers_are_found_by_their_parts(searcher: Searcher, query: str, expected: str) -> None:
    best = searcher.search(query, LEXICAL, 3)
    assert expected in best[0].item.text
    assert best[0].places[LEXICAL].rank == 1


def test_a_session_is_found_by_its_id(searcher: Searcher) -> None:
    found = searcher.search("2025-session-redis", LEXICAL, 2)
    assert found[0].item.session == "2025-session-redis"


def test_a_rare_word_reaches_the_fused_results(searcher: Searcher) -> None:
    hits = searcher.search("why did we reject redis", k=5)
    assert 1 in [hit.places[LEXICAL].rank for hit in hits if hit.item.session == "2025-session-redis"]


def test_every_list_takes_part(searcher: Searcher) -> None:
    answer = searcher.answer("search query ranking")
    assert list(answer.found) == [BASE, "semantic", "temporal", "dependency", LEXICAL]
    assert answer.left_out == {}
    things = [hit.passage.thing for hit in answer.hits if hit.passage is not None]
    assert len(things) == len(set(things)) == 10


def test_a_file_tells_of_the_definitions_that_it_has_where_words_find_little(searcher: Searcher) -> None:
    hits = searcher.search("frobnicate wibble next delay")
    file = next(hit for hit in hits if hit.passage is not None and hit.passage.symbol.endswith("nextDelay"))
    assert file.passage is not None
    definitions = searcher.indexes.passages().definitions(file.passage.thing, 10)
    assert {passage.symbol for passage in file.others} <= {entry.symbol for entry in definitions}


def test_a_group_is_asked_with_its_own_vector(searcher: Searcher, monkeypatch: pytest.MonkeyPatch) -> None:
    query = "search query ranking"

    def ranks() -> dict[Group, dict[str, int]]:
        found: dict[Group, dict[str, int]] = {}
        for hit in searcher.answer(query, k=50).hits:
            if hit.passage is not None and BASE in hit.places:
                found.setdefault(hit.passage.group, {})[hit.passage.thing] = hit.places[BASE].rank
        return found

    before = ranks()
    base, passages = searcher.indexes.opened(BASE), searcher.indexes.passages()
    defining = [thing for thing in before[Group.CODE] if passages.definitions(thing, 1)]
    last = max(defining, key=lambda thing: before[Group.CODE][thing])
    key = passages.definitions(last, 1)[0].key
    monkeypatch.setattr("patina_assets.search.indexes.by_group", lambda *_: {Group.CODE: base.vectors([key])[0]})
    after = ranks()
    assert before[Group.CODE][last] > after[Group.CODE][last] == 1
    for group in (Group.COMMITS, Group.NOTES):
        both = before[group].keys() & after[group].keys()
        assert both
        assert all(before[group][thing] == after[group][thing] for thing in both)


def test_indexes_that_are_read_ahead_give_the_same_answer(built_root: Path) -> None:
    project = find_project(built_root)
    ahead = IndexesAhead(project)
    answer = Searcher(project, ahead).answer("search query ranking")
    assert answer == Searcher(project).answer("search query ranking")
    paths = project.base_paths(Searcher(project).indexes.spec.name)
    assert ahead.read(paths) == read_index(paths)


def test_what_cannot_be_read_ahead_is_said_by_who_opens_it(built_root: Path, tmp_path: Path) -> None:
    project = find_project(Path(shutil.copytree(built_root, tmp_path / "project")))
    model = Searcher(project).indexes.spec.name
    project.projection_paths(model, "temporal").search.write_bytes(b"")
    missing = Searcher(project, IndexesAhead(project)).answer("search query ranking").missing
    assert list(missing) == ["temporal"]
    assert "damaged" in missing["temporal"]
    project.lock.unlink()
    ahead = IndexesAhead(project)
    with pytest.raises(PatinaError, match="nothing is built yet"):
        Searcher(project, ahead)


@pytest.mark.parametrize(("low", "high"), [(-0.1, 0.2), (-0.2, -0.1), (0.0, 0.0)])
def test_weights_that_validation_does_not_show_to_be_better_are_searched_only_by_name(
    built_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, low: float, high: float
) -> None:
    project = find_project(Path(shutil.copytree(built_root, tmp_path / "project")))
    set_validation_gain(project, low, high, "temporal")
    searcher = Searcher(project)
    answer = searcher.answer("search query ranking")
    assert list(answer.found) == [BASE, "semantic", "dependency", LEXICAL]
    assert list(answer.left_out) == ["temporal"]
    assert f"[{low:+.4f}, {high:+.4f}] at 95 %, 50 queries" in answer.left_out["temporal"]
    assert not any("temporal" in hit.places for hit in answer.hits)
    monkeypatch.chdir(project.root)
    ran = patina("scry", "search query", "--projection", "temporal", "--json")
    assert ran.err.startswith("patina: temporal is searched only where it is named: validation does not show ")
    assert json.loads(ran.out)
    assert "where it is named" not in patina("scry", "search query", "--projection", "dependency").err


@pytest.mark.parametrize(
    "query",
    [
        '"redis OR ( NEAR',
        "redis AND",
        "NOT redis",
        "NEAR(redis, 2)",
        "place: redis* ^redis -redis",
        "redis'; DROP TABLE lexical; --",
        "redis \x00 \udcff \U0001f600",
        "{redis} + [redis]",
        "redis " * 50_000,
        "redis " + " ".join(f"w{number}" for number in range(5000)),
    ],
)
def test_no_query_is_taken_for_syntax(searcher: Searcher, query: str) -> None:
    assert searcher.search(query, k=2)
    words = searcher.search(query, LEXICAL, 10**30)
    assert "2025-session-redis" in {hit.item.session for hit in words[:3]}


def test_a_query_of_nothing_is_refused(searcher: Searcher) -> None:
    assert "query is empty" in refusal(lambda: searcher.search(" \n"))
    sentence = refusal(lambda: searcher.search("?!" * 500))
    assert sentence.startswith("no word of '?!?!")
    assert len(sentence) < 200
    assert "no word of" in refusal(lambda: searcher.search("?!", BASE))
    assert "no word of" in refusal(lambda: searcher.search("?!", LEXICAL))


def test_words_that_no_item_has_leave_the_lexical_list_out(searcher: Searcher) -> None:
    answer = searcher.answer(UNKNOWN_WORD)
    assert answer.left_out == {LEXICAL: "no word of the query stands in a passage"}
    assert BASE in answer.found


@pytest.mark.parametrize(("kind", "asked_for"), [("note", True), ("state", False)])
def test_states_are_not_asked_for(kind: str, asked_for: bool) -> None:
    items = [Item(kind, "src/a.py src/b.py")]
    index = load_index(build_index(np.eye(1, 4, dtype=np.float32), IndexOptions()), "x.usearch")
    spec = BaseSpec((ModelSpec("m", 4, 8, "mean"),))
    opened = OpenIndex("x", index, SearchFile(encode_search(items, {}, None), "x.search.db"), None, spec)
    assert opened.answers_questions() == asked_for
    assert list(opened.nearest(np.eye(1, 4, dtype=np.float32)[0], 3)) == [(0, pytest.approx(1))]


def test_a_model_of_words_counts_less_beside_one_of_meanings() -> None:
    words, english, meanings = (ModelSpec(name, 2, 8, "mean") for name in ("corpus-static", "english-static", "m"))
    vector = np.asarray([0.6, 0.0, 0.0, 0.8], np.float32)
    asked = asked_with(BaseSpec((meanings, words)), vector)
    assert asked.dtype == np.float32
    assert np.linalg.norm(asked) == pytest.approx(1)
    assert asked[3] / asked[0] == pytest.approx(0.5 * 0.8 / 0.6)
    for unchanged in (BaseSpec((words, english)), BaseSpec((meanings, replace(meanings, name="n")))):
        assert asked_with(unchanged, vector) == pytest.approx(vector)
    assert not asked_with(BaseSpec((meanings, words)), np.zeros(4, np.float32)).any()
    file = SearchFile(encode_search([Item("note", "a"), Item("note", "b")], {}, None), "x.search.db")
    index = load_index(build_index(np.eye(4, dtype=np.float32)[[0, 2]], IndexOptions()), "x.usearch")
    opened = OpenIndex("x", index, file, None, BaseSpec((words, meanings)))
    near = np.asarray([0.8, 0.0, 0.6, 0.0], np.float32)
    assert [key for key, _ in opened.nearest(near, 2)] == [1, 0]
    assert [key for key, _ in opened.around(near, 2)] == [0, 1]


def test_without_an_index_of_words_search_falls_back(built_root: Path, tmp_path: Path) -> None:
    project = find_project(Path(shutil.copytree(built_root, tmp_path / "project")))
    paths = project.base_paths("corpus-static")
    record = read_manifest(paths.manifest)["index"]
    changed = without_module(paths.search.read_bytes())
    publish_stage(paths, "index", record, {paths.search: changed, paths.index: paths.index.read_bytes()})
    searcher = Searcher(project)
    answer = searcher.answer("search query ranking")
    assert BASE in answer.found
    assert answer.hits
    assert "FTS5" in answer.left_out[LEXICAL]
    assert "FTS5" in refusal(lambda: searcher.search("search", LEXICAL))


def test_a_query_loads_nothing_heavy(built_root: Path, tmp_path: Path) -> None:
    script = (
        "import sys; from patina_assets.cli import main; code = main(['scry', 'reject redis', '--explain']);"
        "print(*sorted(sys.modules), file=sys.stderr); sys.exit(code)"
    )
    environment = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path), "PATINA_HOME": os.environ["PATINA_HOME"]}
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=built_root, env=environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[:500]
    assert "Redis" in done.stdout
    loaded = {name.split(".")[0] for name in done.stderr.split()}
    assert "usearch" in loaded
    assert loaded & {"dagster", "pydantic", "sqlalchemy", "onnx", "huggingface_hub"} == set()


def test_a_phrase_must_stand_there(searcher: Searcher) -> None:
    hits = searcher.search('"one more server" redis', LEXICAL, 9)
    assert [hit.item.session for hit in hits] == ["2025-session-redis"]
    assert match_expression('say "read recipe" now') == '"read recipe" AND ("say" OR "read" OR "recipe" OR "now")'


def test_one_kind_alone_can_be_asked_for(searcher: Searcher) -> None:
    answer = searcher.answer("search query ranking", filters=Filters(groups=(Group.COMMITS,)))
    assert {hit.item.kind for hit in answer.hits} == {"commit"}


def test_a_projection_is_not_limited_by_filters(searcher: Searcher) -> None:
    limited = Filters(path="src/*")
    assert "--projection temporal" in refusal(lambda: searcher.answer("cache", "temporal", filters=limited))
    assert searcher.answer("parse", LEXICAL, filters=limited).hits
