"""Every test can fail: it asserts something, by itself or by a helper that does."""

import ast
from collections.abc import Iterator
from functools import cache

import pytest
from root import ROOT

# What fails by an error of its own.
FAILS_BY_ITSELF = {
    "raises", "warns", "fail", "expect", "at_most", "assert_array_equal", "assert_allclose", "check_network_settings",
    "check_known",
}  # fmt: skip


def called(node: ast.AST) -> Iterator[str]:
    """Yield the names of what a function calls, or hands to something that calls it."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call):
            yield part.func.attr if isinstance(part.func, ast.Attribute) else getattr(part.func, "id", "")
            yield from (argument.id for argument in part.args if isinstance(argument, ast.Name))


def asserts(function: ast.AST, helpers: set[str]) -> bool:
    """Return whether a function asserts something that is not always so, or calls one of the helpers."""
    found = any(isinstance(part, ast.Assert) and not isinstance(part.test, ast.Constant) for part in ast.walk(function))
    return found or not helpers.isdisjoint(called(function))


@cache
def functions() -> list[tuple[str, ast.FunctionDef]]:
    """Return all functions of the tests with their files."""
    files = sorted((ROOT / "tests").rglob("*.py"))
    return [
        (str(path.relative_to(ROOT)), node)
        for path in files
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef)
    ]


def helpers_that_assert() -> set[str]:
    """Return the names of helpers that assert, or call one that does."""
    found, before = set(FAILS_BY_ITSELF), -1
    helpers = [node for _, node in functions() if not node.name.startswith("test_")]
    while len(found) != before:
        before = len(found)
        found |= {node.name for node in helpers if asserts(node, found)}
    return found


def test_every_test_asserts_something() -> None:
    helpers = helpers_that_assert()
    tests = [(file, node) for file, node in functions() if node.name.startswith("test_")]
    assert len(tests) > 1000
    assert [f"{file}:{node.lineno} {node.name}" for file, node in tests if not asserts(node, helpers)] == []


@pytest.mark.parametrize(
    ("body", "expected"),
    [("assert a", True), ("assert True", False), ("a()", False), ("check(a)", True), ("a.check()", True), ("a", False)],
)
def test_a_test_that_asserts_nothing_is_noticed(body: str, expected: bool) -> None:
    assert asserts(ast.parse(f"def test_a():\n    {body}"), {"check"}) == expected
