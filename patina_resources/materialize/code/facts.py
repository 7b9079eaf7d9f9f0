"""One source file -> what it defines, calls and imports, as facts with the eventlog's payload keys.

A function, method or type is qualified by the classes, inline modules and functions around it: `Trainer.fit`. This
qualified name is the caller of a call, and ends the source_id of a function; its `name` is the plain one. Code outside
of every function is called by `<module>`, or by the class that it is in.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tree_sitter import Node, Parser, QueryCursor

from patina_resources.materialize.code.imports import imports_of
from patina_resources.materialize.code.languages import Language, grammar, relevant_nodes
from patina_resources.materialize.code.names import Source, callee_text, definition_name, own_qualifier
from patina_resources.materialize.code.signatures import is_public, signature

OUTSIDE_FUNCTIONS = "<module>"
MAXIMUM_DEFINITION = 200
MAXIMUM_DEPTH = 16
GO_TYPES = {"struct_type": "struct", "interface_type": "interface"}
ORDER = ("code.function", "code.struct", "code.enum", "code.class", "code.trait", "code.interface", "code.type",
         "code.import", "code.call")  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """One event of a file, without time and file; `key` follows `file::` in its source_id."""

    event_type: str
    key: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class FileFacts:
    """All facts of a file, functions first, each kind in the order of the source.

    Attributes:
        facts: The facts.
        has_errors: Whether parts of the file could not be parsed; the facts are those of the other parts.
    """

    facts: tuple[Fact, ...]
    has_errors: bool


def read_facts(language: Language, content: bytes) -> FileFacts:
    """Return what the file says. Never raises for any content, but see `code_worker` for hostile ones."""
    tree = Parser(grammar(language.name)).parse(content)
    captured = QueryCursor(relevant_nodes(language.name)).captures(tree.root_node)
    nodes = sorted(captured.get("node", []), key=lambda node: (node.start_byte, -node.end_byte))
    facts = list(_facts(Source(language, content), nodes))
    facts.sort(key=lambda fact: ORDER.index(fact.event_type))
    return FileFacts(tuple(facts), tree.root_node.has_error)


@dataclass(frozen=True)
class _Scope:
    path: tuple[str, ...]
    end: int


def _facts(source: Source, nodes: list[Node]) -> Iterator[Fact]:
    language = source.language
    scopes: list[_Scope] = []
    for node in nodes:
        while scopes and scopes[-1].end <= node.start_byte:
            scopes.pop()
        path = scopes[-1].path if scopes else ()
        kind = node.type
        if kind in language.calls:
            yield from _call(source, node, path)
        if kind in language.imports or kind in language.calls:
            yield from _imports(source, node)
        if kind not in language.functions and kind not in language.types and kind not in language.scopes:
            continue
        name = definition_name(source, node)
        if not name:
            continue
        path = (*path, *own_qualifier(source, node))
        if kind in language.functions:
            yield _function(source, node, name, path)
        elif kind in language.types:
            yield from _type(source, node, name)
        scopes.append(_Scope((*path, name)[-MAXIMUM_DEPTH:], node.end_byte))


def _qualified(source: Source, path: tuple[str, ...]) -> str:
    return source.language.separator.join(path)


def _function(source: Source, node: Node, name: str, path: tuple[str, ...]) -> Fact:
    fields = {"name": name, **signature(source, node, name)}
    return Fact("code.function", _qualified(source, (*path, name)), fields)


def _type(source: Source, node: Node, name: str) -> Iterator[Fact]:
    event = source.language.types[node.type]
    kind = event
    if source.language.name == "Go" and (held := node.child_by_field_name("type")):
        event = kind = GO_TYPES.get(held.type, event)
    elif node.type in ("struct_specifier", "union_specifier", "enum_specifier", "class_specifier"):
        if node.child_by_field_name("body") is None:  # a mention, not a definition
            return
        kind = node.type.removesuffix("_specifier")
    elif node.type in ("const_item", "static_item", "union_item"):
        kind = node.type.removesuffix("_item")
    fields = {
        "name": name,
        "kind": kind,
        "definition": source.line_of(node)[:MAXIMUM_DEFINITION],
        "visibility": "pub" if is_public(source, node, name) else "private",
        "usage_count": 0,
    }
    yield Fact(f"code.{event}", name, fields)


def _call(source: Source, node: Node, path: tuple[str, ...]) -> Iterator[Fact]:
    callee = callee_text(source, node)
    if not callee:
        return
    caller = _qualified(source, path) or OUTSIDE_FUNCTIONS
    fields = {
        "caller": caller,
        "callee": callee,
        "call_type": source.language.calls[node.type],
        "line_number": node.start_point.row + 1,
    }
    yield Fact("code.call", f"{caller}→{callee}", fields)


def _imports(source: Source, node: Node) -> Iterator[Fact]:
    for imported in imports_of(source, node):
        fields = {
            "import_path": imported.path,
            "imported_names": list(imported.names),
            "import_kind": imported.kind,
            "line_number": node.start_point.row + 1,
        }
        yield Fact("code.import", imported.path, fields)
