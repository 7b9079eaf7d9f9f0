"""The operations of the API: what is taken, what is refused, and that all of it is documented."""

import re

import pytest
from refusals import refusal
from root import ROOT

from patina_assets.serving.openapi import openapi_document
from patina_assets.serving.operations import OPERATIONS, values_of

SEARCH = next(operation for operation in OPERATIONS if operation.name == "search")


def test_what_is_not_written_has_its_default() -> None:
    project, values = values_of(SEARCH, [("q", "x"), ("kind", "code"), ("kind", "docs"), ("project", "p")])
    assert project == "p"
    assert values["kind"] == ("code", "docs")
    assert (values["q"], values["limit"], values["path"]) == ("x", 8, None)
    assert set(values) == {parameter.name for parameter in SEARCH.parameters}


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ([], "q: is missing"),
        ([("q", "x"), ("q", "y")], "q: is written twice"),
        ([("q", "x"), ("limt", "1")], "unknown parameter 'limt' (did you mean 'limit'?)"),
        ([("q", "x"), ("limit", "-1")], "limit: expected a whole number, got '-1'"),
        ([("q", "x"), ("limit", "٣")], "limit: expected a whole number"),
        ([("q", "x"), ("limit", "9" * 10)], "limit: expected a whole number"),
    ],
)
def test_what_is_wrong_is_one_sentence(written: list[tuple[str, str]], sentence: str) -> None:
    assert sentence in refusal(lambda: values_of(SEARCH, written))


def test_every_operation_is_described() -> None:
    document = openapi_document("/patina/api/v1")
    names = {*(operation.name for operation in OPERATIONS), "status", "note"}
    assert {path.strip("/") for path in document["paths"]} == names
    (search,) = document["paths"]["/search"].values()
    assert [entry["name"] for entry in search["parameters"] if entry["required"]] == ["q"]
    table = re.findall(r"^\| `(\w+)` \|.*$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
    assert names <= set(table)
    for operation in OPERATIONS:
        (line,) = re.findall(rf"^\| `{operation.name}` \|.*$", (ROOT / "docs/api.md").read_text(), re.MULTILINE)
        assert [name for name in (p.name for p in operation.parameters) if f"`{name}`" not in line] == []
