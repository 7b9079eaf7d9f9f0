"""Which definitions are tests, told by what is said to the compiler of them: `#[test]`, `@Test`, `[Fact]`."""

import re

from tree_sitter import Node

from patina_resources.materialize.code.documentation import Surroundings
from patina_resources.materialize.code.source import MAXIMUM_TEXT, SourceFile

# White space that does not stand between two words.
_SPACE = re.compile(r" (?!\w)|(?<!\w) ")


def is_marked(source: SourceFile, node: Node, surroundings: Surroundings) -> bool:
    """Return whether a definition is a test, holds tests as a class does, or is compiled for tests only.

    Args:
        source: The file.
        node: A function, a type, or what else has a name that qualifies what is in it.
        surroundings: What stands before it.
    """
    if source.language.tests is None:
        return node.start_byte in source.heads and source.heads[node.start_byte].is_test
    if _says_so(source, _head(source, node)) or any(_says_so(source, mark) for mark in surroundings.marks(node)):
        return True
    body = node.child_by_field_name("body") if node.type in source.language.types else None
    members = body.named_children if body is not None else ()
    return any(_says_so(source, _head(source, member)) for member in members)


def is_mark_of_all(source: SourceFile, attribute: Node) -> bool:
    """Return whether an attribute says that all around it is compiled for tests only: `#![cfg(test)]`."""
    return source.language.tests is not None and _says_so(source, source.text(attribute))


def _head(source: SourceFile, node: Node) -> str:
    """Return what stands in a definition before its name."""
    name = node.child_by_field_name("name")
    end = min(name.start_byte, node.start_byte + MAXIMUM_TEXT) if name is not None else node.start_byte
    return source.content[node.start_byte : end].decode("utf-8", "replace")


def _says_so(source: SourceFile, text: str) -> bool:
    tests = source.language.tests
    return tests is not None and tests.search(_SPACE.sub("", " ".join(text.split()))) is not None
