"""Macros that begin a function, and what they call it: `Parser.Empty` of `TEST(Parser, Empty) {`."""

import re
from dataclasses import dataclass

from patina_resources.materialize.code.c_macros.tokens import BEGINNINGS, STATEMENTS, TOKEN

# Macros of test frameworks that begin a function, and which of their arguments name it.
FIRST, SECOND, BOTH = slice(0, 1), slice(1, 2), slice(0, 2)
# This one begins a method of a module of PHP, and no test.
PHP_METHOD = b"PHP_METHOD"
TEST_MACROS = {
    **dict.fromkeys(
        b"TEST TEST_F TEST_P TYPED_TEST TYPED_TEST_P IGNORE_TEST Test ParameterizedTest Theory ZTEST ZTEST_F "
        b"BENCHMARK_F BENCHMARK_DEFINE_F BENCHMARK_TEMPLATE_F MOCK_TEST".split(),
        BOTH,
    ),
    PHP_METHOD: BOTH,
    **dict.fromkeys(
        b"TEST_CASE_METHOD TEST_CASE_FIXTURE SCENARIO_METHOD TEMPLATE_TEST_CASE_METHOD".split(),
        SECOND,
    ),
    **dict.fromkeys(
        b"TEST_CASE SCENARIO TEMPLATE_TEST_CASE TEMPLATE_LIST_TEST_CASE TEMPLATE_PRODUCT_TEST_CASE TEST_CASE_TEMPLATE "
        b"TEST_METHOD TEMPLATE_TEST_CASE_SIG BOOST_AUTO_TEST_CASE BOOST_FIXTURE_TEST_CASE BOOST_DATA_TEST_CASE "
        b"BOOST_AUTO_TEST_CASE_TEMPLATE BOOST_DATA_TEST_CASE_F BOOST_PARAM_TEST_CASE START_TEST".split(),
        FIRST,
    ),
}
# Projects may ask Catch2 and doctest for names with a prefix.
TEST_MACROS |= {prefix + name: part for name, part in TEST_MACROS.items() for prefix in (b"CATCH_", b"DOCTEST_")}
# Macros around test macros, such as doctest's `TEST_SUITE("parser") {`.
SUITE_MACROS = frozenset(b"TEST_SUITE DOCTEST_TEST_SUITE".split())
# Macros that begin a class of tests: `TEST_CLASS(Parser) {` of Visual C++, `TEST_GROUP(Parser) {` of CppUTest.
CLASS_MACROS = frozenset(b"TEST_CLASS TEST_GROUP TEST_GROUP_BASE".split())
MOST_NAMES = 2
RESERVED = BEGINNINGS | STATEMENTS | frozenset(b"and false noexcept not nullptr or this true typeid xor".split())
NOT_WORD = re.compile(r"\W+")
STRING = re.compile(rb'"((?:[^"\\]|\\.)*+)"?', re.DOTALL)
IDENTIFIER = re.compile(rb"[A-Za-z_]\w*")


@dataclass(frozen=True)
class Head:
    """What a macro calls a function.

    Attributes:
        name: An identifier, or two with a dot between them: `Parser.Empty`, `parses_nothing`.
        title: As it is written where it is a text, `parses nothing` of `TEST_CASE("parses nothing")`; else "".
        is_test: Whether the macro is one of a test framework.
    """

    name: str
    title: str
    is_test: bool = False


def read_head(macro: bytes, arguments: bytes) -> Head | None:
    """Return what a macro with these arguments calls a function; None if they name nothing."""
    parts = _split(arguments)
    known = FIRST if macro in CLASS_MACROS else TEST_MACROS.get(macro)
    chosen = [part for part in parts[:MOST_NAMES] if _names(part)] if known is None else parts[known]
    names, title = [], ""
    for part in chosen:
        if found := STRING.match(part):
            title = found[1].decode("utf-8", "replace")
            names.append(_plain(NOT_WORD.sub("_", title).strip("_")))
        elif _names(part) or (known is not None and IDENTIFIER.fullmatch(part)):  # `TEST(Parser, bool)`
            names.append(_plain(part.decode()))
    name = ".".join(name for name in names if name)
    return Head(name, title, known is not None and macro != PHP_METHOD) if name else None


def _plain(word: str) -> str:
    """Return a word as an identifier: with an underscore before a digit or what is a keyword."""
    return f"_{word}" if word[:1].isdigit() or word.encode() in RESERVED else word


def _names(part: bytes) -> bool:
    """Return whether an argument is a plain identifier."""
    return IDENTIFIER.fullmatch(part) is not None and part not in BEGINNINGS and part not in STATEMENTS


def _split(arguments: bytes) -> list[bytes]:
    """Return the arguments of a macro, without comments; those after a nested bracket are not told apart."""
    parts, start = [], 0
    for found in TOKEN.finditer(arguments):
        if found["mark2"] in (b"(", b"{", b"[", b"<"):
            break
        if found["mark2"] == b",":
            parts.append(arguments[start : found.start()].strip())
            start = found.end()
    return [*parts, arguments[start:].strip()]
