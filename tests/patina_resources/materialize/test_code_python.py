"""Python in full, and beside Python's own parser."""

import argparse
import ast
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from code_facts import facts

import patina_resources
from patina_resources.materialize.code.facts import read_facts
from patina_resources.materialize.code.languages.languages import BY_NAME

PYTHON = """import os.path as path, sys
from ..pkg import (a, b as c)
from __future__ import annotations


@decorate(1)
class Trainer(Base):
    rate = compute()

    async def fit(self, x: int, *, k=3) -> int | None:
        self.model.fit(x)(1)
        return ", ".join(sorted(x))


def _helper():
    def inner():
        run()
    return [item[0].go() for item in y]
"""


def test_python_in_full() -> None:
    assert facts("Python", PYTHON, "code.function") == ["Trainer.fit", "_helper", "_helper.inner"]
    assert facts("Python", PYTHON, "code.class") == ["Trainer"]
    assert facts("Python", PYTHON, "code.import") == ["os.path", "sys", "..pkg", "__future__"]
    assert facts("Python", PYTHON, "code.call") == [
        "<module>→decorate",
        "Trainer→compute",
        "Trainer.fit→self.model.fit()",
        "Trainer.fit→self.model.fit",
        'Trainer.fit→"".join',
        "Trainer.fit→sorted",
        "_helper.inner→run",
        "_helper→item[0].go",
    ]


@pytest.mark.parametrize(
    "path",
    [
        *sorted(Path(patina_resources.__file__).parent.rglob("*.py")),
        *(Path(module.__file__) for module in (argparse, ast, json, os)),
        Path(__file__),
    ],
    ids=lambda path: path.name,
)
def test_python_agrees_with_ast_to_the_last_call(path: Path) -> None:
    """The one known difference: the grammar takes `type(x).name = value` for a type alias, so this call is missing."""
    source = path.read_bytes()
    expected: Counter[tuple[str, object, int]] = Counter()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            expected["function", node.name, 0] += 1
        elif isinstance(node, ast.Call):
            expected["call", None, node.lineno] += 1
        elif isinstance(node, ast.ClassDef):
            expected["class", node.name, 0] += 1
    found: Counter[tuple[str, object, int]] = Counter()
    for fact in read_facts(BY_NAME["Python"], source).facts:
        kind = fact.event_type.removeprefix("code.")
        if kind in ("function", "call", "class"):
            found[kind, fact.fields.get("name"), fact.fields["line_number"] if kind == "call" else 0] += 1
    assert found == expected
