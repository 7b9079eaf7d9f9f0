"""What definitions are called: by their node, or by what holds it.

The one rule for all languages: a name is an identifier, a qualified identifier, or an operator; see `is_name`.
"""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from tree_sitter import Node

from patina_resources.materialize.code.c_macros.tokens import MACRO
from patina_resources.materialize.code.documentation import Surroundings
from patina_resources.materialize.code.source import SourceFile

MAXIMUM_NAME = 200
MAXIMUM_PARTS = 16
# `namespace a::inline b` of C++ is `a::b`.
INLINE = re.compile(r"\binline\s")
NOT_WORD = re.compile(r"\W+")
OPERATOR = re.compile(
    r"operator(?:[-+*/%^&|~!=<>,]{1,3}\*?|\(\)|\[\]|\"\"\w+|"
    r" (?:co_await|(?:new|delete)(?:\[\])?|[\w:][\w:<>,*&.() ]*+))"
    r"|[-+*/%^&|~!=<>]{1,3}@?|\[\]=?|`"
)
# Where a type with parameters, or a reference, has the plain type.
GENERIC_FIELDS = {"dynamic_type": "trait", "generic_type": "type", "reference_type": "type", "template_type": "name"}
TRANSPARENT = frozenset({"as_expression", "expression_list", "parenthesized_expression", "satisfies_expression"})
MOST_TRANSPARENT = 4
CASTS = frozenset({"as_expression", "non_null_expression", "parenthesized_expression", "satisfies_expression"})
C_DECLARATIONS = frozenset({"declaration", "field_declaration"})


def default_name(path: str) -> str:
    """Return what an exported definition without a name is called: after its file, or the folder of an `index.js`."""
    file = PurePosixPath(path)
    stem = file.name.partition(".")[0]
    word = NOT_WORD.sub("_", file.parent.name if stem == "index" and file.parent.name else stem).strip("_")
    return f"_{word}" if word[:1].isdigit() else word or "default"


def is_name(source: SourceFile, text: str) -> bool:
    """Return whether a text is an identifier, a qualified identifier or an operator, and no word of the language."""
    language, prefix = source.language, source.language.prefix
    if prefix and text.startswith(prefix):
        return language.names.fullmatch(text[len(prefix) :]) is not None
    if language.operators == "named" and text.startswith("operator") and text != "operator":
        return OPERATOR.fullmatch(text) is not None
    if language.operators == "any" and OPERATOR.fullmatch(text):
        return True
    parts = text.replace("::", ".").split(".")
    # A property may be called by any word; `names_of_statements` are looked at where a method has a body.
    reserved = frozenset() if language.words_are_names else language.reserved
    return all(language.names.fullmatch(part) and part not in reserved for part in parts)


def plain_word(source: SourceFile, text: str) -> str:
    """Return a word without what only tells it from a keyword: `async` of Rust's `r#async`."""
    prefix = source.language.prefix
    return text.replace(prefix, "") if prefix else text


def definition_names(source: SourceFile, node: Node, surroundings: Surroundings, owner: str) -> tuple[str, ...]:
    """Return the names that lead to a function, type or scope from what it is in, its own name last.

    There are several where it names its owner itself: `ns::Class::method`, a Go receiver, `Owner.prototype.method`.
    There is none where it has no name, or what stands for one is not: then it is nothing that can be named. `owner` is
    the class that it is in, or "".
    """
    if head := source.heads.get(node.start_byte):
        return (head.name,)
    names = _names(source, node, surroundings, owner)
    if not all(0 < len(name) <= MAXIMUM_NAME and is_name(source, name) for name in names):
        return ()
    # `if (x) { ... }` looks like a method beside an error.
    if source.has_errors and node.type == "method_definition" and names[-1] in source.language.reserved:
        return ()
    return tuple(plain_word(source, name) for name in names)


def _names(source: SourceFile, node: Node, surroundings: Surroundings, owner: str) -> Sequence[str]:
    kind = node.type
    if kind == "impl_item":
        return (_without_generics(source, node.child_by_field_name("type")),)
    if source.language.declarators:
        if kind in ("function_definition", "type_definition", *C_DECLARATIONS):
            return _declared_names(source, node, surroundings, owner)
        if (name := node.child_by_field_name("name")) is not None:
            return _qualified_names(source, name)
    if kind == "type_alias_statement":
        # The grammar also takes `type(x).name = value` for one; its left side is no name.
        return (source.text(node.child_by_field_name("left")).partition("[")[0],)
    if kind == "operator_declaration":
        return (_operator_name(source.text(node.child_by_field_name("operator"))),)
    if kind == "conversion_operator_declaration":
        return (_operator_name(source.text(node.child_by_field_name("type"))),)
    holder = _holder(source, node, surroundings)
    named_by_holder = kind in source.language.functions or kind in ("call", "class", "object")
    if holder is not None and named_by_holder and (held := _holder_names(source, holder, node)):
        return held
    name = node.child_by_field_name("name")
    if receiver := node.child_by_field_name("receiver"):
        types = [source.text(found) for found in _descend(receiver) if found.type == "type_identifier"]
        return (*types[:1], source.text(name))
    prefix = "~" if kind == "destructor_declaration" else ""
    # Ruby's `module ::Plugin` says that it stands in no other.
    return (prefix + _key(source, name).removeprefix("::"),) if name is not None else ()


def _key(source: SourceFile, node: Node) -> str:
    """Return the name of a property: `Symbol.iterator` of `[Symbol.iterator]`, `a` of `"a"`."""
    text = source.text(node)
    if node.type == "computed_property_name":
        text = text[1:-1]
    return text.strip("\"'") if text[:1] in "\"'" else text


def _is_default(source: SourceFile, node: Node) -> bool:
    """Return whether a node is `a || b` or `a ?? b`: what is written in it has the name that the value gets."""
    return node.type == "binary_expression" and source.text(node.child_by_field_name("operator")) in ("||", "??")


def _holder(source: SourceFile, node: Node, surroundings: Surroundings) -> Node | None:
    holder = surroundings.holder(node)
    for _ in range(MOST_TRANSPARENT):
        if holder is None or not (holder.type in TRANSPARENT or _is_default(source, holder)):
            break
        outer = surroundings.holder(holder)
        if outer is None and holder.type != "expression_list":
            return None
        holder = outer
    return holder


def _holder_names(source: SourceFile, holder: Node, node: Node) -> Sequence[str]:
    """Return the name that a definition gets from where it stands: `f` of `const f = () => 1`."""
    match holder.type:
        case "variable_declarator" | "init_declarator":
            name = holder.child_by_field_name("name") or holder.child_by_field_name("declarator")
            return (source.text(name or holder.named_child(0)),)
        case "pair":
            key = holder.child_by_field_name("key")
            return (_key(source, key),) if key is not None else ()
        case "val_definition" | "var_definition":
            return (source.text(holder.child_by_field_name("pattern")),)
        case "const_item" | "static_item" | "named_expression" | "property_declaration":
            return (source.text(holder.child_by_field_name("name")),)
        case "field_declaration":
            return (source.text(holder.child_by_field_name("declarator")),)
        case "field_definition" | "public_field_definition":
            name = holder.child_by_field_name("property") or holder.child_by_field_name("name")
            return (_key(source, name),) if name is not None else ()
        case "assignment_expression" if (bound := holder.child_by_field_name("left")) and bound.type == "variable_name":
            return (source.text(bound),)
        case "assignment_expression" | "augmented_assignment_expression":
            names = _member_names(source, holder.child_by_field_name("left"))
            return names or ([] if node.type == "object" else [source.default_name])
        case "assignment":
            left = holder.child_by_field_name("left")
            if left is not None and left.type == "pattern_list":
                right = holder.child_by_field_name("right")
                return _name_at_place(source, left.named_children, right, node)
            return source.text(left).split(".")[-MAXIMUM_PARTS:]
        case "var_spec":
            return _name_at_place(
                source, holder.children_by_field_name("name"), holder.child_by_field_name("value"), node
            )
        case "export_statement" if node.type != "object" and any(
            child.type in ("default", "=") for child in holder.children
        ):
            return (source.default_name,) if node.child_by_field_name("name") is None else ()
    return ()


def _member_names(source: SourceFile, left: Node | None) -> Sequence[str]:
    """Return the names of what is assigned to: `Foo`, `bar` of `Foo.prototype.bar`; none for all that is exported."""
    names: list[str] = []
    while left is not None and len(names) < MAXIMUM_PARTS:
        if left.type in CASTS and left.named_child_count:  # `(request as any).write = ...`
            left = left.named_child(0)
            continue
        key = left.child_by_field_name("property") or left.child_by_field_name("index")
        if key is None or (left.type == "subscript_expression" and key.type != "string"):
            break
        names.append(_key(source, key))
        left = left.child_by_field_name("object")
    if left is None or left.type not in ("identifier", "this"):
        return [""]
    names.append(source.text(left))
    names.reverse()
    if names[:2] == ["module", "exports"]:
        return names[2:]
    owned = names[1:] if names[0] in ("exports", "this") and len(names) > 1 else names
    return [name for name in owned if name != "prototype"]


def _name_at_place(source: SourceFile, names: Sequence[Node], values: Node | None, node: Node) -> Sequence[str]:
    """Return the name among `var a, b = func() {}, 1` that stands where the function does."""
    if values is None or len(names) > MAXIMUM_PARTS or values.named_child_count > MAXIMUM_PARTS:
        return ()
    starts = [value.start_byte for value in values.named_children if value.type != "comment"]
    place = starts.index(node.start_byte) if node.start_byte in starts else len(names)
    return (source.text(names[place]),) if place < len(names) else ()


def _declared_names(source: SourceFile, node: Node, surroundings: Surroundings, owner: str) -> Sequence[str]:
    """Return the names in a C declarator: `f` of `static int *f(int a)`, `A`, `f` of `A::f()`; () for no function."""
    if node.type == "type_definition":
        return _qualified_names(source, _declarator(node)[0])
    if node.type in C_DECLARATIONS:
        holder = surroundings.holder(node)
        if holder is not None and holder.type == "friend_declaration":
            return ()
    declared, has_parameters = _declarator(node)
    names = _qualified_names(source, declared) if has_parameters else ()
    return names if names and _is_function(source, node, names, owner) else ()


def _is_function(source: SourceFile, node: Node, names: Sequence[str], owner: str) -> bool:
    """Return whether a function has a type, or needs none; what else looks like one is a macro's call, or a statement.

    Args:
        source: The file.
        node: The definition or declaration.
        names: Its qualifiers and name.
        owner: The class that it is in, or "".
    """
    held = node.child_by_field_name("type")
    if held is not None:
        return held.type != "type_identifier" or source.text(held) not in source.language.reserved
    name, owner = names[-1], names[-2] if len(names) > 1 else owner
    if owner or name.startswith(("~", "operator")):
        return name == owner or name.startswith(("~", "operator"))
    return node.type == "function_definition" and MACRO.fullmatch(name.encode()) is None


def _declarator(node: Node) -> tuple[Node | None, bool]:
    """Return the name in a declarator, and whether it is that of a function rather than of a pointer to one."""
    inner = node.child_by_field_name("declarator")
    has_parameters = False
    while inner is not None and inner.type.endswith("declarator"):
        if inner.type == "function_declarator":
            has_parameters = True
        elif inner.type == "pointer_declarator" and node.type in C_DECLARATIONS:
            has_parameters = False
        deeper = inner.child_by_field_name("declarator")
        inner = deeper or next((child for child in inner.named_children if child.type != "comment"), None)
    return inner, has_parameters or _is_conversion(inner)


def _is_conversion(name: Node | None) -> bool:
    while name is not None and name.type == "qualified_identifier":
        name = name.child_by_field_name("name")
    return name is not None and name.type == "operator_cast"


def _qualified_names(source: SourceFile, name: Node | None) -> Sequence[str]:
    names: list[str] = []
    while name is not None and name.type in ("qualified_identifier", "nested_namespace_specifier"):
        if name.type == "nested_namespace_specifier":
            return [*names, INLINE.sub("", source.text(name)).replace(" ", "")]
        if scope := name.child_by_field_name("scope"):
            names.append(_without_generics(source, scope))
        name = name.child_by_field_name("name")
    if name is None:
        return ()
    text = source.text(name.child_by_field_name("name") or name)
    if name.type == "operator_cast":
        text = _conversion_name(source, name)
    elif name.type == "operator_name":
        text = _operator_name(text.removeprefix("operator").strip())
    elif name.type == "destructor_name":
        text = text.replace(" ", "")
    return [*names, text]


def _conversion_name(source: SourceFile, cast: Node) -> str:
    """Return `operator T` of a conversion of C++, whose type may have parentheses: `operator Action<R(int)>`."""
    inner: Node | None = cast
    while inner is not None and inner.type != "abstract_function_declarator":
        inner = next((child for child in inner.named_children if child.type.endswith("declarator")), None)
    end = inner.start_byte if inner is not None else cast.end_byte
    return " ".join(source.content[cast.start_byte : end].decode("utf-8", "replace").split())


def _operator_name(operator: str) -> str:
    """Return what the definition of an operator is called: `operator new`, `operator+`."""
    return f"operator {operator}" if operator[:1].isalpha() else "operator" + operator.replace(" ", "")


def _without_generics(source: SourceFile, node: Node | None) -> str:
    while node is not None and node.type in GENERIC_FIELDS:
        held = node.child_by_field_name(GENERIC_FIELDS[node.type])
        if held is None:
            break
        node = held
    return source.text(node)


def _descend(node: Node) -> list[Node]:
    found, pending = [], [node]
    while pending:
        current = pending.pop()
        found.append(current)
        pending.extend(reversed(current.children))
    return found
