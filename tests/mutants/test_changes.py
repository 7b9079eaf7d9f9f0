"""What `make mutants` changes, and that its table names what there is."""

import ast
import importlib
from pathlib import Path

import pytest
from changes import changes
from covering import EVERY, Covering
from loading import Functions, place_of
from root import ROOT
from table import EQUIVALENT, MODULES


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a = b < c", {"b <= c"}),
        ("a = b < c in d", {"b <= c in d", "b < c not in d"}),
        ("a = b and c", {"((b) or (c))", "((b))", "((c))"}),
        ("a = not b", {"bool(b)"}),
        ("a = (b := c) is None", {"(b := c) is not None"}),
        ("a = (b + c) * d", {"((b + c) + d)", "(b - c)"}),
        ("a = b + 2", {"(b - 2)", "(2 + 1)"}),
        ("a = b + 'text of two'", set()),
        ("a = True", {"False"}),
        ("a = zip(b, strict=True)", set()),
        ("a = b.encode('utf-8', 'replace')", {"'xutf-8'", "'replace_'"}),
        ("a = 'word'", {"'word_'"}),
        ("a = 'a sentence'", set()),
        ("a = 'SELECT b FROM c WHERE d = 1'", {"'SELECT b FROM c WHERE d != 1'"}),
        ("a = b if c else d", {"(d if c else b)"}),
        ("a = [b for b in c if b]", {"(not (b))"}),
        ("a = min(b)", {"max(b)"}),
        ("if a:\n    b()", {"(not (a))", "pass"}),
        ("def f():\n    'word'\n    return 'word'", {"return None", "'word_'"}),
        ("def f() -> 'word':\n    raise E('word') from e", {"pass", "'word_'"}),
        ("a += b", {"a -= b"}),
        ("for a in b:\n    continue", {"break"}),
    ],
)
def test_a_source_is_changed_in_one_place(source: str, expected: set[str]) -> None:
    found = changes(source)
    assert {change.after for change in found} == expected
    for change in found:
        assert change.source != source
        ast.parse(change.source)


def test_bytes_are_counted_where_letters_have_several() -> None:
    (change,) = changes("x = 'é ö ü'; y = a == b")
    assert change.source == "x = 'é ö ü'; y = a != b"


def test_changes_of_the_modules_are_python() -> None:
    for path in MODULES:
        for change in changes((ROOT / path).read_text("utf-8"))[::9]:
            ast.parse(change.source)


def test_the_table_names_what_there_is() -> None:
    for path, tests in MODULES.items():
        assert (ROOT / path).is_file()
        assert all((ROOT / test).is_file() for test in tests)
    types = {str(file.relative_to(ROOT)) for file in (ROOT / "patina_assets/pairs/types").glob("[!_]*.py")}
    assert types <= set(MODULES)
    there = {
        (path, change.text, change.after) for path in MODULES for change in changes((ROOT / path).read_text("utf-8"))
    }
    assert set(EQUIVALENT) <= there


def test_only_tests_that_run_a_statement_can_notice_a_change_of_it() -> None:
    source = "import a\ndef f(b):\n    if (b and\n            a):\n        return 1\n    return [\n        2,\n    ]\n"
    recorded = {EVERY: [1, 2], "one": [3, 5], "other": [3, 4, 6], "none": []}
    covering = Covering(source, recorded, dict.fromkeys(recorded, 0.0))
    assert [covering.tests(line) for line in (1, 2)] == [None, None]
    assert [covering.tests(line) for line in (3, 4)] == [{"one", "other"}] * 2
    assert [covering.tests(line) for line in (5, 6, 7)] == [{"one"}, {"other"}, {"other"}]
    assert Covering("a = 1\n", {}, {}).tests(1) == set()


FUNCTIONS = """
A = 1
class B:
    c = 2
    @staticmethod
    def d(e=3):
        return [e for e in range(4)]
def f(
    g=5,
):
    def h(): return 6
    return h
def i(): return 7
"""


@pytest.mark.parametrize(
    ("line", "place"), [(2, None), (4, None), (6, None), (7, ("B.d", 5)), (9, None), (11, ("f", 8)), (13, None)]
)
def test_what_stands_in_a_function_is_changed_there(line: int, place: tuple[str, int] | None) -> None:
    assert place_of(FUNCTIONS, line) == place


def test_a_function_gets_its_changed_code(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "changed_functions.py").write_text(FUNCTIONS)
    monkeypatch.syspath_prepend(str(tmp_path))
    module = importlib.import_module("changed_functions")
    held, functions = module.B.d, Functions(tmp_path / "changed_functions.py")
    by_text = {change.after: change for change in changes(FUNCTIONS)}
    assert not functions.change(by_text["(2 + 1)"])
    assert functions.change(by_text["(4 + 1)"])
    assert held() == [0, 1, 2, 3, 4]
