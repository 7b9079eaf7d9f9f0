"""Small changes of a Python source that its tests should notice."""

import ast
import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass

# How each is written, and what is put in its place.
COMPARISONS = {
    ast.Lt: ("<", "<="), ast.LtE: ("<=", "<"), ast.Gt: (">", ">="), ast.GtE: (">=", ">"), ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="), ast.In: ("in", "not in"), ast.NotIn: ("not in", "in"), ast.Is: ("is", "is not"),
    ast.IsNot: ("is not", "is"),
}  # fmt: skip
ARITHMETIC = {
    ast.Add: "-", ast.Sub: "+", ast.Mult: "+", ast.Div: "*", ast.FloorDiv: "*", ast.Mod: "*",
    ast.BitOr: "&", ast.BitAnd: "|",
}  # fmt: skip
# What is written in parentheses where it is a part of another.
COMPOUND = (ast.BinOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Lambda, ast.NamedExpr, ast.UnaryOp)
CALLS = {"min": "max", "max": "min", "any": "all", "all": "any", "sorted": "list"}
# A word of the program's own: a key, the name of a kind or a column. A sentence for people is none.
WORD = re.compile(r"[\w.-]{1,40}")
SQL = re.compile(r"\bSELECT\b")
SQL_CHANGES = (
    (r"\bAND\b", "OR"), (r"\bOR\b", "AND"), (r"\bMIN\(", "MAX("), (r"\bMAX\(", "MIN("), (r"\bDISTINCT\b", ""),
    (r"(?<![<>!=])=(?!=)", "!="), (r"(?<!<)>(?!=)", ">="), (r"\bNOT IN\b", "IN"), (r"(?<!NOT )\bIN\b", "NOT IN"),
    (r"\bIS NOT NULL\b", "IS NULL"), (r"\bORDER BY (\w+)", r"ORDER BY -\1"), (r"\bNOT EXISTS\b", "EXISTS"),
)  # fmt: skip


@dataclass(frozen=True)
class Change:
    """One change of a source.

    Attributes:
        line: Where it is, from 1.
        text: The line as it was.
        before: What stands there.
        after: What stands there instead.
        source: The whole source with the change.
    """

    line: int
    text: str
    before: str
    after: str
    source: str


def changes(source: str) -> list[Change]:
    """Return all changes of a source, in the order of their places."""
    tree = ast.parse(source)
    starts = [0]
    for line in source.encode().splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found = {}
    lines = source.splitlines()
    for node, after in _replacements(tree, source):
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[(node.end_lineno or node.lineno) - 1] + (node.end_col_offset or 0)
        content = source.encode()
        before = content[start:end].decode()
        changed = (content[:start] + after.encode() + content[end:]).decode()
        if after != before:
            found[start, end, after] = Change(
                node.lineno, lines[node.lineno - 1].strip(), _short(before), _short(after), changed
            )
    return [found[key] for key in sorted(found)]


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 90 else f"{line[:60]} … {line[-27:]}"


def _replacements(tree: ast.Module, source: str) -> Iterator[tuple[ast.expr | ast.stmt, str]]:
    left_alone = set(_left_alone(tree))
    for node in ast.walk(tree):
        if node in left_alone or not isinstance(node, ast.expr | ast.stmt):
            continue
        for test in _tests(node):
            yield test, f"(not ({ast.get_source_segment(source, test)}))"
        for after in _of_expression(node, source) if isinstance(node, ast.expr) else _of_statement(node, source):
            yield node, after


def _left_alone(tree: ast.Module) -> Iterator[ast.AST]:
    """Yield what decides nothing: annotations, names of types, docstrings, decorators, and sentences for people."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        if isinstance(node, ast.FunctionDef):
            parts += [node.returns, *node.decorator_list, *(argument.annotation for argument in ast.walk(node.args)
                                                           if isinstance(argument, ast.arg))]  # fmt: skip
        elif isinstance(node, ast.ClassDef):
            parts += node.decorator_list
        elif isinstance(node, ast.AnnAssign):
            parts.append(node.annotation)
        elif isinstance(node, ast.Subscript) and ast.unparse(node.value) == "Literal":
            parts.append(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            parts += [node, node.value]
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "TypeVar":
            parts += node.args
        elif isinstance(node, ast.Call) and ast.unparse(node.func) == "zip":  # `strict` says what holds anyway
            parts += [keyword.value for keyword in node.keywords]
        elif isinstance(node, ast.JoinedStr):
            parts += [value for value in node.values if isinstance(value, ast.Constant)]
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            parts.append(node)
        for part in parts:
            if part is not None:
                yield from ast.walk(part)


def _tests(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the conditions of a node that are changed in no other way."""
    tests: list[ast.expr] = []
    if isinstance(node, ast.If | ast.While):
        tests = [node.test]
    elif isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
        tests = [test for generator in node.generators for test in generator.ifs]
    for test in tests:
        if not isinstance(test, ast.Compare | ast.BoolOp | ast.UnaryOp):
            yield test


def _of_expression(node: ast.expr, source: str) -> Iterator[str]:
    def text(part: ast.AST) -> str:
        return ast.get_source_segment(source, part) or ""

    def operand(part: ast.AST) -> str:
        # The parentheses around a part do not belong to it.
        return f"({text(part)})" if isinstance(part, COMPOUND) else text(part)

    match node:
        case ast.Compare(left, ops, comparators):
            operands = [left, *comparators]
            for place in range(len(ops)):
                words = [COMPARISONS[type(op)][at == place] for at, op in enumerate(ops)]
                pairs = zip(words, operands[1:], strict=True)
                yield " ".join([operand(left), *(f"{word} {operand(compared)}" for word, compared in pairs)])
        case ast.BoolOp(op, values):
            word, other = (" and ", " or ") if isinstance(op, ast.And) else (" or ", " and ")
            yield "(" + other.join(f"({text(value)})" for value in values) + ")"
            for left_out in values:
                yield "(" + word.join(f"({text(value)})" for value in values if value is not left_out) + ")"
        case ast.UnaryOp(ast.Not(), operand):
            yield f"bool({text(operand)})"
        case ast.BinOp(left, op, right) if type(op) in ARITHMETIC and not _has_text(node):
            yield f"({operand(left)} {ARITHMETIC[type(op)]} {operand(right)})"
        case ast.IfExp(test, body, orelse):
            yield f"({operand(orelse)} if {operand(test)} else {operand(body)})"
        case ast.Call(ast.Name(name), [_, *_]) if name in CALLS:
            yield CALLS[name] + text(node)[len(name) :]
        case ast.Constant(value):
            yield from _of_constant(value, text(node))


def _of_constant(value: object, written: str) -> Iterator[str]:
    if isinstance(value, bool):
        yield str(not value)
    elif isinstance(value, int | float):
        yield f"({value} + 1)"
    elif isinstance(value, str) and SQL.search(value):
        for pattern, instead in SQL_CHANGES:
            for found in re.finditer(pattern, written):
                yield written[: found.start()] + found.expand(instead) + written[found.end() :]
    elif isinstance(value, str) and WORD.fullmatch(value):
        yield repr(f"x{value}" if _is_codec(value) else f"{value}_")


def _is_codec(word: str) -> bool:
    """Return whether a word names an encoding: Python takes `utf-8_` for the same one."""
    try:
        return bool(codecs.lookup(word))
    except (LookupError, ValueError):
        return False


def _of_statement(node: ast.stmt, source: str) -> Iterator[str]:
    match node:
        case ast.Expr(ast.Call()):
            yield "pass"
        case ast.Return(value) if value is not None and not _is_nothing(value):
            yield "return None"
        case ast.Continue():
            yield "break"
        case ast.AugAssign(target, op, value) if type(op) in ARITHMETIC:
            parts = (ast.get_source_segment(source, part) for part in (target, value))
            yield f" {ARITHMETIC[type(op)]}= ".join(part or "" for part in parts)
        case ast.Raise():
            yield "pass"


def _is_nothing(value: ast.expr) -> bool:
    """Return whether a value counts as None in a condition, and is changed to another in another way."""
    return isinstance(value, ast.Constant) and (value.value is None or value.value is False)


def _has_text(node: ast.AST) -> bool:
    return any(
        isinstance(part, ast.JoinedStr) or (isinstance(part, ast.Constant) and isinstance(part.value, str | bytes))
        for part in ast.walk(node)
    )
