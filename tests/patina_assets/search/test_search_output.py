"""What `patina scry` prints: lists, lines, JSON, and what it refuses."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from searched_project import UNKNOWN_WORD
from small_project import patina

from patina_assets.pairs.items import Item
from patina_assets.passages.passage import Passage
from patina_assets.search.built import BASE, LEXICAL
from patina_assets.search.fusion import Hit, Place
from patina_assets.terminal.hits import age, best_lines, hit_document, hit_lines, marked


def test_the_command_explains_each_list(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    # Every result of a list, as which ones come first hangs on the CPU in a corpus as small as this one.
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
            assert next(rank for rank, _ in listed) == 1
            assert len({rank for rank, _ in listed}) > 1
    only = json.loads(patina("scry", "redis", "--projection", "lexical", "--json").out)
    assert only
    assert all(LEXICAL in hit["ranks"] and BASE not in hit["ranks"] for hit in only)


@pytest.mark.parametrize(
    ("item", "shown"),
    [
        (Item("decision", "x", file="docs/adr/0001.md", session="0001", line=12), "docs/adr/0001.md:12  decision"),
        (
            Item("decision", "x", file="docs/adr/0000.md", line=5, state="superseded"),
            "docs/adr/0000.md:5  decision (superseded)",
        ),
        (Item("file", "x", file="a.py", state="removed"), "a.py  file (removed)"),
        (Item("goal", "x", session="0002", state="\x1b[2J"), "session 0002  goal (\ufffd[2J)"),
        (Item("commit", "x", commit="c0ffee"), "commit c0ffee  commit"),
    ],
)
def test_a_hit_shows_its_line_and_state(item: Item, shown: str) -> None:
    hit = Hit(item, 0.5, {"base": Place(1, 0.5)})
    assert "".join(text for text, _ in hit_lines(1, hit)[0]) == f"  1. {shown}"
    document = hit_document(1, hit)
    assert (document["line"], document["state"]) == (item.line, item.state)


def test_a_hit_shows_the_lines_that_match_and_marks_their_words() -> None:
    body = "def f():\n    one = 1\n    return retry_policy(limits)\n    # the limit of retries\n"
    found = Passage("function", "f", "A.f", "", body, "src/a.py", 3, 6)
    others = (replace(found, symbol="A.g", line=40), replace(found, symbol="", line=None))
    hit = Hit(found.item, 0.5, {}, found, others)
    head, *lines = hit_lines(2, hit, "where is the retry limit")
    assert "".join(text for text, _ in head) == "  2. src/a.py:3  A.f  function"
    assert ["".join(text for text, _ in line).strip() for line in lines] == [
        "return retry_policy(limits)", "# the limit of retries", "also :40 A.g",
    ]  # fmt: skip
    assert [text for text, style in lines[0] if style == "match"] == ["retry_policy", "limits"]
    assert hit_document(2, hit)["also"][0] == {"symbol": "A.g", "line": 40, "end_line": 6}


def test_a_line_with_another_form_of_a_word_is_shown_before_one_without() -> None:
    body = "import re\nimport sys\ndef follow(request):\n    retried = redirects(request)\n    lend(less)\n"
    passage = Passage("file", "a.py", "", "", body, "a.py", 1)
    assert best_lines(passage, {"redirect", "retries"}) == ["import re", "retried = redirects(request)"]
    assert best_lines(passage, {"codes", "less"}) == ["import re", "lend(less)"]  # `less` is no form of `lend`
    line = marked("lend less, retried redirects", {"less", "redirect"})
    assert [text for text, style in line if style == "match"] == ["less", "redirects"]


def test_a_comment_above_a_definition_is_shown_where_it_holds_the_words() -> None:
    doc = "distance(a, b)\nHow far two words are apart."
    passage = Passage("function", "distance", "distance", doc, "distance(a, b) {\n  let x = 0;\n}", "a.js", 3)
    assert best_lines(passage, {"words", "apart"}) == ["How far two words are apart.", "distance(a, b) {"]
    inside = replace(passage, body='def distance(a, b):\n    """How far two words are apart."""\n')
    assert best_lines(inside, {"apart"}) == ["def distance(a, b):", '"""How far two words are apart."""']


def test_equal_lines_are_shown_once() -> None:
    body = "raise Expired(\n    age)\nif late:\n        raise Expired(\nreturn expired"
    passage = Passage("function", "unsign", "unsign", "unsign(value)", body, "timed.py", 1)
    assert best_lines(passage, {"expired"}) == ["raise Expired(", "return expired"]


@pytest.mark.parametrize(
    ("time", "told"),
    [
        ("2026-01-10T00:00:00+00:00", "today"),
        ("2026-01-08", "2 days ago"),
        ("2025-12-20", "3 weeks ago"),
        ("2024-01-01", "2 years ago"),
        ("2030-01-01", ""),
        ("no time", ""),
    ],
)
def test_a_commit_says_how_old_it_is(time: str, told: str) -> None:
    assert age(time, datetime(2026, 1, 10, 12, tzinfo=UTC)) == told


def test_what_nothing_answers_is_said(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    asked = patina("scry", "zzzzqqqq wwwwvvvv redis-like-cache-of-nothing", "-k", "3")
    assert asked.code == 0
    assert "nothing matches the words of the question well" in asked.err
    assert "nothing matches" not in patina("scry", "why did we reject redis").err
    for name in ("temporal", "base"):
        assert "nothing matches the words" in patina("scry", "zzzzqqqq wwwwvvvv", "--projection", name).err, name
        assert "nothing matches" not in patina("scry", "why did we reject redis", "--projection", name).err, name
    limited = patina("scry", "why did we reject redis", "--path", "no/such/*")
    assert (limited.code, limited.out.strip()) == (0, "")
    assert limited.err.splitlines()[0] == (
        "patina: nothing matches with --path: leave out what is too narrow; a path begins at the top of the repository"
    )
    apart = patina("scry", "why did we reject redis", "--language", "python", "--since", "2020-01-01")
    assert (apart.code, apart.out.strip()) == (0, "")
    assert "commits have no language: leave out --language" in apart.err


def test_a_line_that_is_cut_says_so(built_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(built_root)
    monkeypatch.setenv("COLUMNS", "40")
    lines = patina("scry", "why did we reject redis").out.splitlines()
    texts = [line for line in lines if line.startswith("     ")]
    assert any(line.endswith("…") for line in texts)
    assert all(len(line) <= 45 for line in texts)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kind", "cod"], ["--kind", "did you mean 'code'", "docs, commits, notes"]),
        (["--language", "rus"], ["--language", "did you mean", "rust"]),
        (["--since", "yesterday"], ["--since", "2026-01-31", "yesterday"]),
    ],
)
def test_wrong_filters_are_one_sentence(
    built_root: Path, monkeypatch: pytest.MonkeyPatch, options: list[str], words: list[str]
) -> None:
    monkeypatch.chdir(built_root)
    ran = patina("scry", "redis", *options)
    assert (ran.code, ran.out, ran.err.count("\n")) == (2, "", 1)
    assert all(word in ran.err for word in words)
