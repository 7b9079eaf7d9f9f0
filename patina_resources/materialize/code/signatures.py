"""What a function's head says: parameters, return type, and whether it is public, async or unsafe."""

import re
from collections.abc import Mapping
from typing import Any

from tree_sitter import Node

from patina_resources.materialize.code.names import Source

MODIFIERS = frozenset({
    "accessibility_modifier", "async", "function_modifiers", "modifier", "modifiers", "static",
    "storage_class_specifier", "unsafe", "visibility_modifier",
})  # fmt: skip
NOT_PARAMETERS = frozenset({
    "attribute_item", "block_comment", "comment", "decorator", "keyword_separator", "line_comment",
    "positional_separator", "receiver_parameter",
})  # fmt: skip
RETURN_FIELDS = ("return_type", "result", "returns", "type")
# Of a return type: any of these, where each is one pattern, or several that must all be found.
RETURNS_RESULT = {"Rust": ((r"\bResult\b",),), "Go": ((r"\berror\b",),), "C++": ((r"\bexpected\b",),)}
RETURNS_OPTION = {
    "Rust": ((r"\bOption\b",),), "Python": ((r"\bOptional\b",), (r"\bNone\b", r"\|")), "Java": ((r"\bOptional\b",),),
    "C++": ((r"\boptional\b",),), "C#": ((r"\?$",),), "TypeScript": ((r"\b(null|undefined)\b", r"\|"),),
}  # fmt: skip
MUTABLE_REFERENCE = re.compile(r"&\s*('\w+\s+)?mut\b")
SELF = re.compile(r"\bself\b")
WORD = re.compile(r"@?\w+")


def signature(source: Source, node: Node, name: str) -> dict[str, Any]:
    """Return the facts of a function's head, with the eventlog's keys."""
    parameters = _parameters(source, node)
    returned = _return_type(source, node)
    is_rust = source.language.name == "Rust"
    own = [text for text in parameters if is_rust and SELF.search(text)]
    others = [text for text in parameters if is_rust and not SELF.search(text)]
    words = modifiers(source, node)
    return {
        "parameters": parameters,
        "parameter_count": len(parameters),
        "generic_count": _generic_count(node),
        "return_type": returned,
        "returns_result": _matches(RETURNS_RESULT, source, returned),
        "returns_option": _matches(RETURNS_OPTION, source, returned),
        "is_public": is_public(source, node, name),
        "is_async": "async" in words,
        "is_unsafe": "unsafe" in words,
        "takes_mut_self": any(MUTABLE_REFERENCE.search(text) for text in own),
        "takes_mut_params": any(MUTABLE_REFERENCE.search(text) for text in others),
    }


def modifiers(source: Source, node: Node) -> frozenset[str]:
    """Return the modifying words before a definition's name: `public`, `static`, `async`, ..."""
    heads = [child for child in node.children if child.type in MODIFIERS]
    return frozenset(word for head in heads for word in WORD.findall(source.text(head)))


def is_public(source: Source, node: Node, name: str) -> bool:
    """Return whether the language's own rule makes a definition visible outside of its file or class."""
    words = modifiers(source, node)
    match source.language.name:
        case "Python":
            return not name.startswith("_") or (name.startswith("__") and name.endswith("__"))
        case "Rust":
            return "pub" in words
        case "Go":
            return name[:1].isupper()
        case "Java" | "C#":
            return "public" in words
        case "C" | "C++":
            return "static" not in words
    return not name.startswith("#") and not words & {"private", "protected"}


def _parameters(source: Source, node: Node) -> list[str]:
    single = node.child_by_field_name("parameter")  # `x => ...`
    if single is not None:
        return [source.text(single)]
    held = _parameter_list(node)
    found: list[str] = []
    for parameter in held.named_children if held is not None else ():
        if parameter.type in NOT_PARAMETERS:
            continue
        names = parameter.children_by_field_name("name")
        kind = parameter.child_by_field_name("type")
        if source.language.name == "Go" and len(names) > 1:  # `a, b int`
            found.extend(f"{source.text(name)} {source.text(kind)}" for name in names)
        else:
            found.append(source.text(parameter))
    return [] if source.language.name in ("C", "C++") and found == ["void"] else found


def _parameter_list(node: Node) -> Node | None:
    """Return the node that holds the parameters; in C it is inside the declarator."""
    inner: Node | None = node
    while inner is not None:
        if held := inner.child_by_field_name("parameters"):
            return held
        deeper = inner.child_by_field_name("declarator")
        if deeper is None and inner.type.endswith("declarator"):
            deeper = next((child for child in inner.named_children if child.type.endswith("declarator")), None)
        inner = deeper
    return None


def _return_type(source: Source, node: Node) -> str | None:
    for field in RETURN_FIELDS:
        if found := node.child_by_field_name(field):
            return source.text(found).removeprefix(":").strip() or None
    return None


def _generic_count(node: Node) -> int:
    held = node.child_by_field_name("type_parameters")
    if held is None and node.parent is not None and node.parent.type == "template_declaration":
        held = node.parent.child_by_field_name("parameters")
    return sum(child.type not in NOT_PARAMETERS for child in held.named_children) if held is not None else 0


def _matches(patterns: Mapping[str, tuple[tuple[str, ...], ...]], source: Source, returned: str | None) -> bool:
    ways = patterns.get(source.language.name.removesuffix(" (JSX)"), ())
    return any(all(re.search(pattern, returned or "") for pattern in way) for way in ways)
