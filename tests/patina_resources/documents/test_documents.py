"""Where everything stands in a document, and what is said of what is wrong in it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from refusals import refusal

from patina_resources.documents.checks import (
    FILLED_TEXT,
    SWITCH,
    TEXT,
    Check,
    InvalidError,
    list_of,
    number,
    one_of,
    or_nothing,
    read_by,
    read_document,
    record,
    table,
    table_of,
    whole,
)
from patina_resources.documents.document import Document, Fault, Location
from patina_resources.documents.json_file import read_json
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError
from patina_resources.models.registry import hub_reference

TOML = """\
# a = 1
top = "x # y"
'quo ted'."a.b\\u0041" = [ # a list
  { one = 1,\ttwo = [2] },
  \"\"\"
[not.a.table]
\"\"\",
]
[a]
b.c = 1\r
[ a . d ]  # comment
"e" = { f = 2 }
[[many]]
x = ''
[[many]]
y = 1
"""
JSON = """{"a": 1,
 "b": [true,
  {"c \\" d": {}, "e": [[], [
 2]]}
  , "f"], "g":
 null}"""


def written(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text, newline="")
    return path


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("top",), 2),
        (("quo ted",), 3),
        (("quo ted", "a.bA"), 3),
        (("quo ted", "a.bA", 0), 3),
        (("not",), 1),
        (("a",), 9),
        (("a", "b"), 10),
        (("a", "b", "c"), 10),
        (("a", "d"), 11),
        (("a", "d", "e"), 12),
        (("a", "d", "e", "f"), 12),
        (("many",), 13),
        (("many", 0, "x"), 14),
        (("many", 1), 15),
        (("many", 1, "y"), 16),
    ],
)
def test_lines_of_toml(tmp_path: Path, location: Location, line: int) -> None:
    assert read_toml(written(tmp_path, "a.toml", TOML)).line_of(location) == line


@pytest.mark.parametrize(
    ("location", "line"),
    [
        (("a",), 1),
        (("b",), 2),
        (("b", 0), 2),
        (("b", 1, 'c " d'), 3),
        (("b", 1, "e", 0), 3),
        (("b", 1, "e", 1), 3),
        (("b", 1, "e", 1, 0), 4),
        (("b", 2), 5),
        (("g",), 5),
        (("none",), 1),
    ],
)
def test_lines_of_json(tmp_path: Path, location: Location, line: int) -> None:
    assert read_json(written(tmp_path, "a.json", JSON)).line_of(location) == line


@pytest.mark.parametrize("text", ["", "{", "[1,]", "[" * 100_000, "nul"])
def test_what_is_not_json_is_one_sentence(tmp_path: Path, text: str) -> None:
    path = written(tmp_path, "a.json", text)
    assert refusal(lambda: read_json(path)).startswith(f"{path}: not valid JSON: ")


@dataclass(frozen=True)
class Inner:
    count: Annotated[int, whole(1, 5)]
    word: Annotated[str | None, one_of("red", "green", "blue")] = None


def together(values: dict[str, Any]) -> dict[str, Any]:
    if values.get("on") and "inner" not in values:
        raise PatinaError("is on, but has no inner")
    return values


OUTER = table(
    {
        "name": FILLED_TEXT,
        "inner": record(Inner),
        "rate": number("> 0"),
        "on": SWITCH,
        "items": list_of(TEXT, "a list of strings"),
        "many": or_nothing(table_of(record(Inner), "tables")),
        "place": read_by(hub_reference),
        "secret": Check("a key", lambda value: value == "key", secret=True),
    },
    needed=("name",),
    foreign_keys=True,
    then=together,
)


def test_what_fits_is_read() -> None:
    value = {"name": "x", "inner": {"count": 2}, "rate": 1, "items": ["a"], "many": {"m": {"count": 1}}, "other": 1}
    assert OUTER.read(value, ()) == {
        "name": "x", "inner": Inner(2), "rate": 1, "items": ("a",), "many": {"m": Inner(1)}
    }  # fmt: skip
    assert OUTER.read({"name": "x", "many": None}, ())["many"] == {}
    assert OUTER.read({"name": "x", "place": "hf:a/b"}, ())["place"] == hub_reference("a/b")


@pytest.mark.parametrize(
    ("value", "faults"),
    [
        (3, [Fault("no table", (), 3, known=("name",))]),
        ({"nane": 1}, [Fault("unknown key", (), "nane", known=tuple(OUTER.keys))]),
        ({}, [Fault("missing key", (), "name", FILLED_TEXT.expected)]),
        ({"name": " "}, [Fault("value", ("name",), " ", FILLED_TEXT.expected)]),
        ({"name": "x", "rate": float("inf")}, [Fault("value", ("rate",), float("inf"), "a number > 0")]),
        ({"name": "x", "rate": True}, [Fault("value", ("rate",), True, "a number > 0")]),
        ({"name": "x", "on": 1}, [Fault("value", ("on",), 1, SWITCH.expected)]),
        ({"name": "x", "items": ["a", 2]}, [Fault("value", ("items", 1), 2, "a string")]),
        ({"name": "x", "many": 1}, [Fault("value", ("many",), 1, "tables")]),
        (
            {"name": "x", "many": {"m": {"count": 6, "word": "grean"}}},
            [
                Fault("value", ("many", "m", "count"), 6, "a whole number >= 1 and <= 5"),
                Fault("value", ("many", "m", "word"), "grean", "red, green or blue", ("red", "green", "blue")),
            ],
        ),
        ({"name": "x", "on": True}, [Fault("rule", (), expected="is on, but has no inner")]),
        ({"name": "x", "inner": {}}, [Fault("missing key", ("inner",), "count", "a whole number >= 1 and <= 5")]),
    ],
)
def test_a_fault_is_a_value(value: object, faults: list[Fault]) -> None:
    with pytest.raises(InvalidError) as caught:
        OUTER.read(value, ())
    assert list(caught.value.faults) == faults


@pytest.mark.parametrize(
    ("format_name", "value", "sentence"),
    [
        ("YAML", 3, "f:1: expected a mapping with name, got 3"),
        ("TOML", 3, "f:1: expected a table with name, got 3"),
        ("JSON", 3, "f:1: expected an object with name, got 3"),
        ("TOML", {"nmae": "x"}, "f:1: unknown section [nmae] (did you mean 'name'?): expected name, inner, rate"),
        ("YAML", {"nmae": "x"}, "f:1: unknown key 'nmae' (did you mean 'name'?): expected name, inner, rate"),
        (
            "TOML",
            {"name": "x", "inner": {"word": "rad"}},
            "f:1: [inner] word: expected red, green or blue, got 'rad' (did",
        ),
        (
            "YAML",
            {"name": "x", "inner": {"word": "rad"}},
            "f:1: inner.word: expected red, green or blue, got 'rad' (did",
        ),
        ("YAML", {"name": "x", "items": [1]}, "f:1: items[0]: expected a string, got 1"),
        ("JSON", {"name": "x", "inner": 1}, "f:1: inner: expected an object with count, got 1"),
        ("TOML", {"name": "x", "count": 1}, "f:1: unknown section [count] (it belongs under inner): expected name"),
        ("TOML", {"name": "x", "many": {"a b": 1}}, 'f:1: [many] "a b": expected a table with count, got 1'),
        ("TOML", {"name": "x", "secret": "sesame"}, "f:1: [secret] expected a key, got something else"),
        ("TOML", {"name": "x", "place": "c"}, "f:1: [place] model name: 'c' is not a hub repository"),
    ],
)
def test_sentences(format_name: str, value: object, sentence: str) -> None:
    document = Document(Path("f"), format_name, value, dict)  # type: ignore[arg-type]
    assert refusal(lambda: read_document(OUTER, document)).startswith(sentence)


def test_of_several_faults_the_first_in_the_file_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "a.toml", 'rate = 0\nname = ""\non = 3\n')
    assert refusal(lambda: read_document(OUTER, read_toml(path))) == f"{path}:1: [rate] expected a number > 0, got 0"
