"""What a definition's head says: parameters, return type, and whether it is public, async, unsafe or a test."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import FunctionHead, Patterns
from patina_resources.materialize.code.source import SourceFile

MUTABLE_REFERENCE = re.compile(r"&\s*('\w+\s+)?mut\b")
SELF = re.compile(r"\bself\b")
WORD = re.compile(r"@?\w+")
# To the end of the text where it is not closed: else each quotation mark in it would be tried.
STRING = re.compile(r'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# What stands before a definition of C# and Java: `[Fact, Trait("a", "b")]`, `@Test public`.
ATTRIBUTE_LISTS = frozenset({"attribute_list", "modifiers"})
# White space that does not stand between two words.
SPACE = re.compile(r" (?!\w)|(?<!\w) ")


def signature(source: SourceFile, node: Node, name: str, head: FunctionHead) -> dict[str, Any]:
    """Return the facts of a function's head, with the eventlog's keys."""
    parameters = _parameters(source, head.parameters)
    returned = source.text(head.returned).removeprefix(":").strip() or None
    borrowing = parameters if source.language.borrows else []
    own = [text for text in borrowing if SELF.search(text)]
    others = [text for text in borrowing if not SELF.search(text)]
    words = modifiers(source, node)
    return {
        "parameters": parameters,
        "parameter_count": len(parameters),
        "generic_count": _generic_count(source, head.generics),
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


def is_test(source: SourceFile, node: Node, marks: Iterable[str]) -> bool:
    """Return whether a definition is a test, holds tests as a class does, or is compiled for tests only.

    Args:
        source: The file.
        node: A function, a type, or what else has a name that qualifies what is in it.
        marks: What is said to the compiler right before it.
    """
    if source.language.tests is None:
        return node.start_byte in source.heads and source.heads[node.start_byte].is_test
    body = node.child_by_field_name("body") if node.type in source.language.types else None
    members = () if body is None else (part for part in body.named_children if part.type not in source.language.types)
    names = (name for part in (node, *members) for name in _attribute_names(source, part))
    return any(says_test(source, text) for texts in (names, marks) for text in texts)


def says_test(source: SourceFile, text: str) -> bool:
    """Return whether what is said to the compiler is said of tests: `#[test]`, `#![cfg(test)]`, `Test` of `@Test`."""
    tests = source.language.tests
    return tests is not None and tests.fullmatch(SPACE.sub("", " ".join(STRING.sub("", text).split()))) is not None


def _attribute_names(source: SourceFile, node: Node) -> Iterator[str]:
    for held in node.children:
        if held.type in ATTRIBUTE_LISTS:
            for attribute in held.named_children:
                name = attribute.child_by_field_name("name")
                if name is not None:
                    yield source.text(name)


def _parameters(source: SourceFile, nodes: Sequence[Node]) -> list[str]:
    found: list[str] = []
    for parameter in nodes:
        if parameter.type in source.language.not_parameters:
            continue
        names = parameter.children_by_field_name("name")
        kind = parameter.child_by_field_name("type")
        if source.language.shared_types and len(names) > 1:
            found.extend(f"{source.text(name)} {source.text(kind)}" for name in names)
        else:
            found.append(source.text(parameter))
    return [] if source.language.declarators and found == ["void"] else found


def _generic_count(source: SourceFile, held: Node | None) -> int:
    not_parameters = source.language.not_parameters
    return sum(child.type not in not_parameters for child in held.named_children) if held is not None else 0


def _matches(patterns: Patterns, returned: str | None) -> bool:
    return any(all(re.search(pattern, returned or "") for pattern in way) for way in patterns)
