"""One source file -> what it defines, calls and imports, as facts with the eventlog's payload keys.

A function or type has `start_line`, `end_line` (from 1, both included), `doc` (its docstring or leading comment) and
`digest` (SHA-256, hex, of its text in the file); and `is_test` where the file says that it is a test. What a class,
struct, enum, trait or interface is called is told by an event of that name, as every Patina tool has it, and once more
by `code.type`, which all kinds of types share.

A function, method or type is qualified by the classes, inline modules and functions around it: `Trainer.fit`. This
qualified name is the caller of a call, and ends the source_id of a function and of a `code.type`; `name` is the plain
one. Code outside of every function calls as `<module>`, or as the class or constant that it is in.
"""

import hashlib
from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

from tree_sitter import Node

from patina_resources.materialize.code.callees import callee_texts, calls_in_macro
from patina_resources.materialize.code.documentation import Surroundings
from patina_resources.materialize.code.languages.language import MAXIMUM_PATH, Language
from patina_resources.materialize.code.languages.languages import relevant_kinds, relevant_nodes
from patina_resources.materialize.code.languages.ruby_calls import bare_calls
from patina_resources.materialize.code.names import C_DECLARATIONS, definition_names
from patina_resources.materialize.code.parsing import in_order, parse
from patina_resources.materialize.code.signatures import is_public, is_test, says_test, signature
from patina_resources.materialize.code.source import SourceFile
from patina_resources.materialize.report import TYPES_OF_FACTS

OUTSIDE_FUNCTIONS = "<module>"
MAXIMUM_DEFINITION = 200
MAXIMUM_DEPTH = 16
# Of what stands in more than MAXIMUM_DEPTH others, the digest is that of its beginning: linear in the file's size.
DEEP_BYTES = 4096
# `typedef struct S { ... } T;` does not make S a part of T.
NO_SCOPES = frozenset({"type_definition"})
# Nodes that name a type without a body, and define it with one.
MENTIONS = frozenset({"class_specifier", "enum_specifier", "struct_specifier", "union_specifier"})


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
        unread_bytes: How much of the file could not be parsed; the facts are those of the rest.
    """

    facts: tuple[Fact, ...]
    unread_bytes: int


def read_facts(
    language: Language, content: bytes, default_name: str = "default", left_out: Iterable[slice] = ()
) -> FileFacts:
    """Return what the file says. Never raises for any content, but see `worker` for hostile ones.

    Args:
        language: The file's language.
        content: Its bytes.
        default_name: What a definition is called that has no name, but is all that the file exports.
        left_out: Parts of it that are not to be parsed.
    """
    parsed = parse(language, content, left_out)
    nodes = parsed.captures(relevant_nodes(language.name), relevant_kinds(language.name))
    source = SourceFile(language, content, parsed.unread_bytes > 0, default_name, parsed.heads)
    bare = bare_calls(source, parsed) if language.bare_calls else []
    facts = list(_facts(source, in_order([*nodes, *bare]), {node.id for node in bare}, Surroundings(source, parsed)))
    facts.sort(key=lambda fact: TYPES_OF_FACTS.index(fact.event_type))
    return FileFacts(tuple(facts), parsed.unread_bytes)


@dataclass(frozen=True)
class _Scope:
    """Where a node stands.

    Attributes:
        path: The names that lead to it.
        end: Its last byte + 1.
        caller: The path of the function, type or constant that calls what is called here; () for none.
        kind: `function`, `type` or `other`: of a namespace, say.
        in_function: Whether it is a function, or in one.
        is_test: Whether it is compiled for tests only.
    """

    path: tuple[str, ...]
    end: int
    caller: tuple[str, ...]
    kind: str
    in_function: bool
    is_test: bool = False


TOP = _Scope((), 0, (), "other", in_function=False)


def _facts(source: SourceFile, nodes: list[Node], bare: Set[int], surroundings: Surroundings) -> Iterator[Fact]:
    language = source.language
    scopes = [TOP]
    callees = callee_texts(source, [node for node in nodes if node.type in language.calls])
    end_of_attribute = 0
    for node in nodes:
        while len(scopes) > 1 and scopes[-1].end <= node.start_byte:
            scopes.pop()
        scope = scopes[-1]
        if node.type in language.attributes:
            end_of_attribute = node.end_byte
            if says_test(source, source.text(node)):
                scopes[-1] = replace(scope, is_test=True)
        if node.start_byte < end_of_attribute:
            continue
        kind = node.type
        if node.id in bare:
            yield _call(source, node, scope, source.text(node), "direct")
            continue
        if kind in language.calls:
            yield from _calls(source, node, scope, callees[node.id])
        if kind in language.imports or kind in language.calls:
            yield from _imports(source, node)
        defines = _defines(source, node, scope, surroundings)
        owner = scope.path[-1] if scope.kind == "type" and scope.path else ""
        names = definition_names(source, node, surroundings, owner) if defines else ()
        if not names:
            continue
        path = (*scope.path, *names)
        tests = scope.is_test or is_test(source, node, surroundings.marks(node))
        about: dict[str, Any] = {"is_test": True} if tests else {}
        if defines != "other":
            about |= {**_place(source, node, len(scopes) - 1), "doc": surroundings.doc(node)}
        if defines == "function":
            yield _function(source, node, path, about, surroundings.holder(node))
        elif defines == "type":
            yield from _type(source, node, path, about)
        if kind not in NO_SCOPES:
            path = path[-MAXIMUM_DEPTH:]
            caller = scope.caller if defines == "other" else path
            in_function = scope.in_function or defines == "function"
            scopes.append(_Scope(path, node.end_byte, caller, defines, in_function, tests))


def _defines(source: SourceFile, node: Node, scope: _Scope, surroundings: Surroundings) -> str:
    """Return `function`, `type` or `other` for what a node defines, or "" for nothing."""
    language, kind = source.language, node.type
    if kind in language.lambdas or _is_lambda_call(source, node):
        holder = surroundings.holder(node)
        return "" if scope.in_function or holder is None else "function"
    if _type_call(source, node):
        holder = surroundings.holder(node)
        bound = holder.child_by_field_name("left") if holder is not None else None
        # `Point = Struct.new(:x)`, and not `Config.point = Struct.new(:x)`.
        return "type" if bound is not None and bound.type != "call" and source.text(bound)[:1].isupper() else ""
    if kind in C_DECLARATIONS:  # outside of a class, they declare what is defined in another place
        return "function" if scope.kind == "type" else ""
    if kind in language.functions:
        return "function"
    if kind in language.types:
        if (value := node.child_by_field_name("value")) is not None and value.type in language.lambdas:
            return ""  # `static F: fn() = || g();` of Rust: the function has the name
        return "type" if kind not in MENTIONS or node.child_by_field_name("body") is not None else ""
    return "other" if kind in language.scopes else ""


def _is_lambda_call(source: SourceFile, node: Node) -> bool:
    """Return whether a node is a function that the grammar takes for a call, such as Ruby's `lambda { ... }`."""
    names = source.language.lambda_calls
    if not names or node.type != "call" or node.child_by_field_name("block") is None:
        return False
    receiver, method = (
        source.text(node.child_by_field_name("receiver")),
        source.text(node.child_by_field_name("method")),
    )
    return (f"{receiver}.{method}" if receiver else method) in names


def _type_call(source: SourceFile, node: Node) -> str:
    """Return the event of the type that a call defines, such as Ruby's `Struct.new(:a)`, or ""."""
    if not source.language.type_calls or node.type != "call":
        return ""
    receiver, method = node.child_by_field_name("receiver"), node.child_by_field_name("method")
    return source.language.type_calls.get(f"{source.text(receiver)}.{source.text(method)}", "")


def _qualified(source: SourceFile, path: Sequence[str]) -> str:
    return source.language.separator.join(path)


def _place(source: SourceFile, node: Node, depth: int) -> dict[str, Any]:
    end = node.end_byte if depth <= MAXIMUM_DEPTH else min(node.end_byte, node.start_byte + DEEP_BYTES)
    return {
        "start_line": source.start_line(node),
        "end_line": source.end_line(node),
        "digest": hashlib.sha256(source.content[node.start_byte : end]).hexdigest(),
    }


def _function(source: SourceFile, node: Node, path: Sequence[str], about: dict[str, Any], holder: Node | None) -> Fact:
    name = path[-1]
    head = source.language.read_head(node, holder)
    fields = {"name": name, **signature(source, node, name, head), **about}
    if macro := source.heads.get(node.start_byte):
        fields |= {"return_type": None, "doc": "\n".join(text for text in (macro.title, about["doc"]) if text)}
    if node.type in source.language.declarations and head.body is None:
        fields["is_declaration"] = True
    return Fact("code.function", _qualified(source, path), fields)


def _type(source: SourceFile, node: Node, path: Sequence[str], about: dict[str, Any]) -> Iterator[Fact]:
    name = path[-1]
    event = _type_call(source, node) or source.language.types[node.type]
    kind = event
    refined = source.language.refined_types
    if refined and (held := node.child_by_field_name("type")):
        event = kind = refined.get(held.type, event)
    elif node.type in MENTIONS:
        kind = node.type.removesuffix("_specifier")
    elif node.type == "record_declaration" and any(child.type == "struct" for child in node.children):
        event = kind = "struct"
    elif node.type in ("const_item", "static_item", "union_item"):
        kind = node.type.removesuffix("_item")
    fields = {
        "name": name,
        "kind": kind,
        "definition": source.line_of(node)[:MAXIMUM_DEFINITION],
        "visibility": "pub" if is_public(source, node, name) else "private",
        "usage_count": 0,
    }
    if event != "type":
        yield Fact(f"code.{event}", name, fields)
    yield Fact("code.type", _qualified(source, path), {**fields, **about})


def _calls(source: SourceFile, node: Node, scope: _Scope, callee: str) -> Iterator[Fact]:
    call_type = source.language.calls[node.type]
    if callee:
        yield _call(source, node, scope, callee, call_type)
    if node.type == "macro_invocation":
        for name, place in calls_in_macro(source, node):
            yield _call(source, place, scope, name, call_type if name.endswith("!") else "direct")


def _call(source: SourceFile, node: Node, scope: _Scope, callee: str, call_type: str) -> Fact:
    caller = _qualified(source, scope.caller) or OUTSIDE_FUNCTIONS
    line = source.start_line(node)
    fields = {"caller": caller, "callee": callee, "call_type": call_type, "line_number": line}
    return Fact("code.call", f"{caller}→{callee}", fields)


def _imports(source: SourceFile, node: Node) -> Iterator[Fact]:
    for imported in source.language.read_imports(node, source.text):
        if not 0 < len(imported.path) <= MAXIMUM_PATH:
            continue
        fields = {
            "import_path": imported.path,
            "imported_names": list(imported.names),
            "import_kind": imported.kind,
            "line_number": source.start_line(node),
        }
        yield Fact("code.import", imported.path, fields)
