"""What a function's head says: parameters, return type, and whether it is public, async or unsafe."""

import re
from typing import Any

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import Patterns
from patina_resources.materialize.code.source import SourceFile

# `x` of `x -> ...` in Java and C#.
SINGLE_PARAMETERS = frozenset({"identifier", "implicit_parameter"})
TYPE_PARAMETERS = "type_parameters"
RETURN_FIELDS = ("return_type", "result", "returns", "type")
MUTABLE_REFERENCE = re.compile(r"&\s*('\w+\s+)?mut\b")
SELF = re.compile(r"\bself\b")
WORD = re.compile(r"@?\w+")


def signature(source: SourceFile, node: Node, name: str, holder: Node | None) -> dict[str, Any]:
    """Return the facts of a function's head, with the eventlog's keys; `holder` is the node right around it."""
    parameters = _parameters(source, node)
    returned = _return_type(source, node)
    borrowing = parameters if source.language.borrows else []
    own = [text for text in borrowing if SELF.search(text)]
    others = [text for text in borrowing if not SELF.search(text)]
    words = modifiers(source, node)
    return {
        "parameters": parameters,
        "parameter_count": len(parameters),
        "generic_count": _generic_count(source, node, holder),
        "return_type": returned,
        "returns_result": _matches(source.language.returns_result, returned),
        "returns_option": _matches(source.language.returns_option, returned),
        "is_public": is_public(source, node, name),
        "is_async": "async" in words,
        "is_unsafe": "unsafe" in words,
        "takes_mut_self": any(MUTABLE_REFERENCE.search(text) for text in own),
        "takes_mut_params": any(MUTABLE_REFERENCE.search(text) for text in others),
    }


def modifiers(source: SourceFile, node: Node) -> frozenset[str]:
    """Return the modifying words before a definition's name: `public`, `static`, `async`, ..."""
    heads = [child for child in node.children if child.type in source.language.modifiers]
    return frozenset(word for head in heads for word in WORD.findall(source.text(head)))


def is_public(source: SourceFile, node: Node, name: str) -> bool:
    """Return whether the language's own rule makes a definition visible outside of its file or class."""
    return source.language.is_visible(name, modifiers(source, node))


def _parameters(source: SourceFile, node: Node) -> list[str]:
    single = node.child_by_field_name("parameter")  # `x => ...`
    if single is not None:
        return [source.text(single)]
    lists = _parameter_lists(node)
    found: list[str] = []
    if lists and lists[0].type in SINGLE_PARAMETERS:
        return [source.text(lists[0])]
    for parameter in (parameter for held in lists for parameter in held.named_children):
        if parameter.type in source.language.not_parameters:
            continue
        names = parameter.children_by_field_name("name")
        kind = parameter.child_by_field_name("type")
        if source.language.shared_types and len(names) > 1:
            found.extend(f"{source.text(name)} {source.text(kind)}" for name in names)
        else:
            found.append(source.text(parameter))
    return [] if source.language.declarators and found == ["void"] else found


def _parameter_lists(node: Node) -> list[Node]:
    """Return the nodes that hold the parameters, several in Scala; in C they are inside the declarator."""
    inner: Node | None = node
    while inner is not None:
        if held := [found for found in inner.children_by_field_name("parameters") if found.type != TYPE_PARAMETERS]:
            return held
        deeper = inner.child_by_field_name("declarator")
        if deeper is None and inner.type.endswith("declarator"):
            deeper = next((child for child in inner.named_children if child.type.endswith("declarator")), None)
        inner = deeper
    return []


def _return_type(source: SourceFile, node: Node) -> str | None:
    for field in RETURN_FIELDS:
        if found := node.child_by_field_name(field):
            return source.text(found).removeprefix(":").strip() or None
    return None


def _generic_count(source: SourceFile, node: Node, holder: Node | None) -> int:
    held = node.child_by_field_name(TYPE_PARAMETERS)
    if held is None:  # Scala's grammar has them among the parameters
        lists = node.children_by_field_name("parameters")
        held = next((found for found in lists if found.type == TYPE_PARAMETERS), None)
    if held is None and holder is not None and holder.type == "template_declaration":
        held = holder.child_by_field_name("parameters")
    not_parameters = source.language.not_parameters
    return sum(child.type not in not_parameters for child in held.named_children) if held is not None else 0


def _matches(patterns: Patterns, returned: str | None) -> bool:
    return any(all(re.search(pattern, returned or "") for pattern in way) for way in patterns)
