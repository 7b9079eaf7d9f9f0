"""What things in source code are called: definitions by their node, calls by what stands before their arguments."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from patina_resources.materialize.code.languages import Language

MAXIMUM_CALLEE = 200
MAXIMUM_NAME = 200
# Nodes stand in nodes: to read each of them whole would take the square of their depth.
MAXIMUM_TEXT = 4096
# What is left of Rust's `parse::<i32>()` without its type.
TURBOFISH = re.compile(r"::(?=\(|$)")

# Nodes that only hold the parts of a callee together: their children are read in order.
CHAINS = frozenset({
    "array_access", "attribute", "call", "call_expression", "conditional_access_expression", "dependent_name",
    "element_access_expression", "element_binding_expression", "field_access", "field_expression", "generic_function",
    "generic_name", "generic_type", "index_expression", "instantiation_expression", "invocation_expression",
    "member_access_expression", "member_binding_expression", "member_expression", "method_invocation",
    "nested_identifier", "nested_type_identifier", "non_null_expression", "qualified_identifier",
    "qualified_name", "qualified_type", "scope_resolution", "scoped_identifier", "scoped_type_identifier",
    "selector_expression", "subscript", "subscript_expression", "template_function", "template_method",
    "template_type", "try_expression", "type_instantiation_expression",
})  # fmt: skip
ARGUMENTS = frozenset({"argument_list", "arguments", "bracketed_argument_list", "token_tree"})
DROPPED = frozenset({
    "block", "comment", "block_comment", "line_comment", "do_block", "template_argument_list", "type_argument_list",
    "type_arguments",
})  # fmt: skip
STRINGS = frozenset({
    "string", "string_literal", "raw_string_literal", "template_string", "concatenated_string",
    "interpreted_string_literal", "interpolated_string_expression", "verbatim_string_literal", "char_literal",
    "character_literal",
})  # fmt: skip
# Where a type with parameters, or a reference, has the plain type.
GENERIC_FIELDS = {"generic_type": "type", "reference_type": "type", "template_type": "name"}
# The fields of a call whose callee is one node, and the words that go around it.
CALLEE_FIELDS = {
    "new_expression": ("constructor", "type"), "object_creation_expression": ("type",), "macro_invocation": ("macro",),
    "explicit_constructor_invocation": ("constructor",),
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A file's bytes with their language."""

    language: Language
    content: bytes

    def text(self, node: Node | None) -> str:
        """Return a node's text on one line, cut to MAXIMUM_TEXT bytes, "" for no node."""
        if node is None:
            return ""
        end = min(node.end_byte, node.start_byte + MAXIMUM_TEXT)
        return " ".join(self.content[node.start_byte : end].decode("utf-8", "replace").split())

    def line_of(self, node: Node) -> str:
        """Return the first line of a node's text, cut to MAXIMUM_TEXT bytes."""
        end = min(node.end_byte, node.start_byte + MAXIMUM_TEXT)
        return self.content[node.start_byte : end].partition(b"\n")[0].decode("utf-8", "replace").strip()


def callee_text(source: Source, call: Node) -> str:
    """Return what is called, such as `self.index.add` or `open().read`; arguments, strings and generics are left out.

    At most MAXIMUM_CALLEE characters, the last ones: the name that is called is at the end.
    """
    parts: list[str] = []
    length = 0
    pending = _callee_nodes(call)
    while pending and length <= MAXIMUM_CALLEE:
        node = pending.pop()
        if node.type in CHAINS:
            pending.extend(node.children)
            continue
        part = _part(source, node)
        parts.append(part)
        length += len(part)
    text = TURBOFISH.sub("", "".join(reversed(parts)))
    if not text:
        return ""
    text = text if len(text) <= MAXIMUM_CALLEE else "…" + text[1 - MAXIMUM_CALLEE :]
    if call.type == "macro_invocation":
        return text + "!"
    return f"new {text}" if call.type in ("new_expression", "object_creation_expression") else text


def _callee_nodes(call: Node) -> list[Node]:
    for field in CALLEE_FIELDS.get(call.type, ("function",)):
        if node := call.child_by_field_name(field):
            return [node]
    nodes = []
    for child in call.children:
        if child.type in ARGUMENTS:
            break
        nodes.append(child)
    return nodes


def _part(source: Source, node: Node) -> str:
    if node.type in DROPPED:
        return ""
    if node.type in ARGUMENTS:
        return "()"
    if node.type in STRINGS:
        return '""'
    if node.child_count == 0:
        return source.text(node)
    return "()"


def definition_name(source: Source, node: Node) -> str:
    """Return the plain name of a function, type or scope; "" where it has none."""
    return _definition_name(source, node)[:MAXIMUM_NAME]


def _definition_name(source: Source, node: Node) -> str:
    if node.type == "impl_item":
        return _without_generics(source, node.child_by_field_name("type"))
    if source.language.name in ("C", "C++") and node.type in ("function_definition", "type_definition"):
        return _last_name(source, _declared(node))
    if node.type == "type_alias_statement":
        # The grammar also takes `type(x).name = value` for one; its left side is no name.
        alias = source.text(node.child_by_field_name("left")).partition("[")[0]
        return alias if alias.isidentifier() else ""
    name = node.child_by_field_name("name")
    if name is None and node.parent is not None and node.type in source.language.functions:
        name = _holder_name(node.parent)
    return source.text(name)


def own_qualifier(source: Source, node: Node) -> tuple[str, ...]:
    """Return the classes that a function names itself: a Go receiver, or `ns::Class::` before a C++ name."""
    if receiver := node.child_by_field_name("receiver"):
        types = [found for found in _descend(receiver) if found.type == "type_identifier"]
        return (source.text(types[0]),) if types else ()
    if source.language.name == "C++" and node.type == "function_definition":
        declared = _declared(node)
        qualifiers = []
        while declared is not None and declared.type == "qualified_identifier":
            if scope := declared.child_by_field_name("scope"):
                qualifiers.append(_without_generics(source, scope))
            declared = declared.child_by_field_name("name")
        return tuple(qualifiers)
    return ()


def _without_generics(source: Source, node: Node | None) -> str:
    while node is not None and node.type in GENERIC_FIELDS:
        held = node.child_by_field_name(GENERIC_FIELDS[node.type])
        if held is None:
            break
        node = held
    return source.text(node)


def _last_name(source: Source, declared: Node | None) -> str:
    while declared is not None and declared.type == "qualified_identifier":
        declared = declared.child_by_field_name("name")
    return source.text(declared)


def _declared(node: Node) -> Node | None:
    """Return the name in a C declarator: `f` of `static int *f(int a)`."""
    inner = node.child_by_field_name("declarator")
    while inner is not None and inner.type.endswith("declarator"):
        deeper = inner.child_by_field_name("declarator")
        inner = deeper or next((child for child in inner.named_children if child.type != "comment"), None)
    return inner


def _holder_name(parent: Node) -> Node | None:
    """Return the name that a function without one gets from where it stands: `f` of `const f = () => 1`."""
    match parent.type:
        case "variable_declarator":
            return parent.child_by_field_name("name")
        case "pair":
            return parent.child_by_field_name("key")
        case "field_definition" | "public_field_definition":
            return parent.child_by_field_name("property") or parent.child_by_field_name("name")
        case "assignment_expression":
            left = parent.child_by_field_name("left")
            return left.child_by_field_name("property") or left if left is not None else None
    return None


def _descend(node: Node) -> Iterator[Node]:
    pending = [node]
    while pending:
        current = pending.pop()
        yield current
        pending.extend(reversed(current.children))
