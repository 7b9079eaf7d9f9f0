"""Search over a really built project: lexical matches, fusion, hostile queries, explanations."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import call, commit, function, note, project_history
from refusals import refusal
from small_project import all_stages, make_project, patina, workspace_of

from patina_assets.pairs.relations import Item
from patina_assets.pipeline.runner import publish_lock, run_model, run_stage
from patina_assets.search.fusion import Hit, Place, Ranked, distinct, fuse, identity
from patina_assets.search.index import IndexOptions, build_index, load_index
from patina_assets.search.lexical import MAX_QUERY_TERMS, index_text, match_expression, terms
from patina_assets.search.search_file import SearchFile, encode_search
from patina_assets.search.searcher import BASE, LEXICAL, OpenIndex, Searcher, list_weights
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import publish_stage
from patina_resources.store.manifests import read_manifest

ROOT = Path(__file__).parents[1]
SPECIAL = [
    function("src/http/parse_utils.py", "HttpHeaderParser.parseChunkedBody", ["stream"], "bytes"),
    function("src/http/retry.rs", "backoff::nextDelay", ["attempt"], "Duration"),
    call("src/http/retry.rs", "backoff::nextDelay", "parseChunkedBody"),
    note("We rejected Redis because one more server is one more thing to run", "2025-session-redis"),
    note("The Grüße table keeps its umlauts in every export", "2025-session-redis", "pattern"),
    commit("f" * 40, "src/http/parse_utils.py", "src/http/retry.rs", hour=500),
]

# Its pieces are known to the model, as a whole it is in no item.
UNKNOWN_WORD = "vectorsearch"


def silent(_: str) -> None:
    """Drop progress lines."""


def build(project: Project) -> None:
    """Run every stage in order."""
    workspace = workspace_of(project)
    run_model(workspace, silent)
    for name, stage in all_stages(workspace):
        run_stage(workspace, name, stage, silent)
    publish_lock(workspace)


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that is built once for this module."""
    made = make_project(tmp_path_factory.mktemp("built") / "project", events=[*project_history(), *SPECIAL])
    build(made)
    return made.root


@pytest.fixture
def searcher(built_root: Path) -> Searcher:
    return Searcher(find_project(built_root))


# Words


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("read_recipe", ["read", "recipe", "readrecipe"]),
        ("readRecipe", ["read", "recipe", "readrecipe"]),
        ("HTTPServer", ["http", "server", "httpserver"]),
        ("src/scrape/mod.rs", ["src", "scrape", "mod", "rs"]),
        ("secrets::add", ["secrets", "add"]),
        ("__init__", ["init"]),
        ("e5_base_v2", ["e5", "base", "v2", "e5basev2"]),
        ("(a) 'quoted' \"OR\" * NEAR\x00 \udcff", ["a", "quoted", "or", "near"]),
        ("___ ... ?", []),
    ],
)
def test_an_identifier_is_its_parts_and_itself(text: str, expected: list[str]) -> None:
    assert terms(text) == expected


def test_an_expression_quotes_every_word_and_drops_question_words() -> None:
    assert match_expression("why did we reject Redis OR redis?") == '"reject" OR "redis"'
    assert match_expression("why are we") == '"why" OR "are" OR "we"'
    assert match_expression("?!") is None
    many = match_expression(" ".join(f"word{number}" for number in range(9999)))
    assert many is not None
    assert many.count(" OR ") == MAX_QUERY_TERMS - 1
    assert index_text(["a/B", None, "", "cD"]) == "a b c d cd"


# The search file


def lexical_file(*texts: str) -> bytes:
    return encode_search([Item("note", text, seq=row + 1) for row, text in enumerate(texts)], {}, None, lexical=True)


def test_a_rare_word_counts_more_than_a_common_one() -> None:
    file = SearchFile(
        lexical_file("the cache grows", "the cache shrinks", "the cache is purged nightly"), "base.search.db"
    )
    found = file.matches('"cache" OR "purged"', 10)
    assert found is not None
    assert found[0][0] == 2
    assert [score for _, score in found] == sorted((score for _, score in found), reverse=True)
    assert found[0][1] > 0
    assert file.matches('"purges"', 10) == [(2, pytest.approx(found[0][1], rel=0.5))]
    assert file.matches('"absent"', 10) == []
    assert len(file.matches('"cache"', 2) or []) == 2


def test_equal_items_give_equal_bytes() -> None:
    assert lexical_file("read_recipe", "b") == lexical_file("read_recipe", "b")


def test_without_an_index_of_words_there_are_no_matches() -> None:
    assert SearchFile(encode_search([Item("note", "cache")], {}, None), "x.search.db").matches('"cache"', 3) is None


def without_module(content: bytes) -> bytes:
    """Return a search file whose index of words asks for a module that this SQLite does not have."""
    connection = sqlite3.connect(":memory:")
    connection.deserialize(content)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute("UPDATE sqlite_master SET sql = replace(sql, 'USING fts5', 'USING fts9') WHERE name = 'lexical'")
    connection.commit()
    changed = connection.serialize()
    connection.close()
    return changed


def test_without_the_module_the_rest_of_the_file_still_answers() -> None:
    file = SearchFile(without_module(lexical_file("cache")), "base.search.db")
    assert file.matches('"cache"', 3) is None
    assert file.item(0).text == "cache"


# Fusion

Items = list[tuple[Item, float]]


def listed(items: Items, k: int = 50, without: Collection[str] = ()) -> Ranked:
    """Return the list of these items; their keys are their places in it."""
    found = enumerate(score for _, score in items)
    return distinct(found, lambda key: identity(items[key][0]), k, without)


def fused(lists: Mapping[str, Items], k: int, weights: Mapping[str, float] | None = None) -> list[Hit]:
    """Return the fusion of these lists."""
    ranked = {name: listed(items) for name, items in lists.items()}
    return fuse(ranked, lambda name, key: lists[name][key][0], k, weights)


def test_fusion_adds_weighted_reciprocal_ranks() -> None:
    first, second, third = (Item("note", text, session="s", seq=row) for row, text in enumerate("abc", 1))
    hits = fused(
        {
            "base": [(first, 0.9), (second, 0.8)],
            "semantic": [(second, 0.7)],
            "lexical": [(third, 12.0), (second, 3.0), (first, 1.0)],
        },
        10,
        {"semantic": 0.5},
    )
    assert [hit.item for hit in hits] == [second, first, third]
    assert hits[0].score == pytest.approx(1 / 12 + 0.5 / 11 + 1 / 12)
    assert hits[1].score == pytest.approx(1 / 11 + 1 / 13)
    assert hits[2] == Hit(third, 1 / 11, {"lexical": Place(1, 12.0)})
    assert hits[0].places == {"base": Place(2, 0.8), "semantic": Place(1, 0.7), "lexical": Place(2, 3.0)}


def test_fusion_returns_at_most_k_and_breaks_ties_by_content() -> None:
    items = [Item("note", text, seq=9 - row) for row, text in enumerate("dacb", 1)]
    lists = {str(row): [(item, 1.0)] for row, item in enumerate(items)}
    assert [hit.item.text for hit in fused(lists, 3)] == ["a", "b", "c"]
    assert [fused(lists, k) for k in range(6)] == [fused(lists, 9)[:k] for k in range(6)]
    assert fused({}, 3) == []


def test_the_same_thing_is_one_hit_however_it_is_worded() -> None:
    short = Item("file", "File: a.py", file="a.py", seq=4)
    rich = Item("file", "File: a.py defines f", file="a.py", seq=2)
    hits = fused({"base": [(rich, 0.9), (short, 0.8)], "temporal": [(short, 0.5)]}, 10)
    assert hits == [Hit(rich, pytest.approx(2 / 11), {"base": Place(1, 0.9), "temporal": Place(1, 0.5)})]
    one, other = (
        Item("function", f"Function: {name}() in a.py", file="a.py", seq=seq) for name, seq in (("f", 1), ("g", 2))
    )
    commits = [Item("commit", text, commit="c0ffee", seq=seq) for text, seq in (("a", 3), ("b", 4))]
    assert identity(commits[0]) == identity(commits[1])
    assert identity(one) != identity(other) != identity(short)
    assert identity(Item("function", "Function: f(x) in a.py", file="a.py", seq=1)) == identity(one)


def test_a_list_names_each_thing_once() -> None:
    f, again, g, state = (
        Item("function", "Function: f()", file="a.py", seq=1),
        Item("function", "f of a.py", file="a.py", seq=1),
        Item("function", "Function: g()", file="a.py", seq=2),
        Item("state", "a.py b.py", commit="c0ffee", seq=3),
    )
    items = [(state, 0.9), (f, 0.8), (again, 0.7), (g, 0.6)]
    found = listed(items, 3)
    assert (found.keys, found.scores) == ([0, 1, 3], [0.9, 0.8, 0.6])
    assert [found.place(identity(item)) for item in (state, again, g)] == [Place(1, 0.9), Place(2, 0.8), Place(3, 0.6)]
    assert found.key(identity(again)) == 1
    assert listed(items, 2, {"state"}).keys == [1, 3]
    file = SearchFile(encode_search([item for item, _ in items], {}, None, lexical=True), "base.search.db")
    assert {key for key, _ in file.matches('"a"', 9) or []} == {1, 2, 3}
    assert file.matches('"b"', 9) == []


def test_base_words_and_projections_together_weigh_the_same() -> None:
    assert list_weights([BASE, "semantic", "temporal", LEXICAL]) == {"semantic": 0.5, "temporal": 0.5}
    assert list_weights([LEXICAL]) == {}


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
    assert best[0].places == {LEXICAL: Place(1, best[0].score)}


def test_a_session_is_found_by_its_id(searcher: Searcher) -> None:
    found = searcher.search("2025-session-redis", LEXICAL, 2)
    assert {hit.item.session for hit in found} == {"2025-session-redis"}


def test_a_rare_word_reaches_the_fused_results(searcher: Searcher) -> None:
    hits = searcher.search("why did we reject redis", k=5)
    assert 1 in [hit.places[LEXICAL].rank for hit in hits if hit.item.session == "2025-session-redis"]


def test_every_list_takes_part(searcher: Searcher) -> None:
    answer = searcher.answer("search query ranking")
    assert list(answer.found) == [BASE, "semantic", "temporal", "dependency", LEXICAL]
    assert answer.left_out == {}
    keys = [identity(hit.item) for hit in answer.hits]
    assert len(keys) == len(set(keys)) == 10


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
    assert searcher.search("?!", LEXICAL) == []


def test_words_that_no_item_has_leave_the_lexical_list_out(searcher: Searcher) -> None:
    answer = searcher.answer(UNKNOWN_WORD)
    assert answer.left_out == {LEXICAL: "no word of the query stands in an item"}
    assert BASE in answer.found


def test_the_command_explains_each_list(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    # Every result of a list, as which ones come first hangs on the CPU in a corpus as small as this one.
    assert "lexical #1)" in patina("scry", "reject redis", "-k", "50").out
    shown = patina("scry", "reject redis", "-k", "50", "--explain").out
    assert "     lexical      #1    BM25 " in shown
    assert "     base         #1    cosine " in shown
    assert "\nlexical: " in shown
    assert "lexical: left out, no word of the query" in patina("scry", UNKNOWN_WORD, "--explain").out


def test_json_has_rank_and_score_of_each_list(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    for options in ([], ["--explain"]):
        hits = json.loads(patina("scry", "search query ranking", "-k", "50", "--json", *options).out)
        assert all(hit["scores"].keys() == hit["ranks"].keys() != set() for hit in hits)
        for name in (BASE, "semantic", "temporal", "dependency", LEXICAL):
            listed = sorted((hit["ranks"][name], -hit["scores"][name]) for hit in hits if name in hit["ranks"])
            assert len(listed) > 1
            assert [score for _, score in listed] == sorted(score for _, score in listed)
    only = json.loads(patina("scry", "redis", "--projection", "lexical", "--json").out)
    assert [hit["ranks"] for hit in only] == [{LEXICAL: rank} for rank in range(1, len(only) + 1)]


@pytest.mark.parametrize(("kind", "asked_for"), [("note", True), ("state", False)])
def test_states_are_not_asked_for(kind: str, asked_for: bool) -> None:
    items = [Item(kind, "src/a.py src/b.py", seq=1)]
    index = load_index(build_index(np.eye(1, 4, dtype=np.float32), IndexOptions()), "x.usearch")
    opened = OpenIndex("x", index, SearchFile(encode_search(items, {}, None), "x.search.db"), None)
    assert opened.answers_questions() == asked_for
    assert list(opened.nearest(np.eye(1, 4, dtype=np.float32)[0], 3)) == [(0, pytest.approx(1))]


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
