"""Words of a text, as they are indexed and as they are looked for."""

import random

import pytest

from patina_assets.search.lexical import MAX_QUERY_TERMS, index_text, match_expression, terms


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
    assert match_expression("redis cache", {"cache"}) == '"redis"'
    assert match_expression('"redis cache" cache', {"cache", "redis"}) == '"redis cache" AND ("redis" OR "cache")'
    many = match_expression(" ".join(f"word{number}" for number in range(9999)))
    assert many is not None
    assert many.count(" OR ") == MAX_QUERY_TERMS - 1
    assert index_text(["a/B", None, "", "cD"]) == "a b c d cd"


def test_an_index_holds_the_terms_of_a_text() -> None:
    chosen = random.Random(0)
    letters = [*map(chr, range(0x180)), *"_²ßÀ日\u0301\u2028\ud800\U0001f600"]
    texts = ["__", "x" * 200, "HTTPServer_x", *("".join(chosen.choices(letters, k=40)) for _ in range(200))]
    texts += ["".join(chosen.choices(letters[:128], k=40)) for _ in range(200)]
    for text in texts:
        assert index_text([text, None, text]) == " ".join(terms(text) * 2)
