"""A source file -> its syntax tree, of as much of it as can be had, and how much of it is in no tree."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tree_sitter import Node, Parser

from patina_resources.materialize.code.c_macros.blank import without_macros
from patina_resources.materialize.code.c_macros.directives import without_odd_directives
from patina_resources.materialize.code.c_macros.heads import Head
from patina_resources.materialize.code.languages.language import Language
from patina_resources.materialize.code.languages.languages import grammar
from patina_resources.materialize.code.rust_items import without_item_macros


@dataclass(frozen=True)
class Parsed:
    """A syntax tree.

    Attributes:
        root: Its root; each node is where it is in the file.
        unread_bytes: How many bytes of words and marks the parser could put nowhere; one that it missed counts as 1.
        heads: What a macro calls a function, by the byte where it begins.
    """

    root: Node
    unread_bytes: int
    heads: Mapping[int, Head] = field(default_factory=dict)


def parse(language: Language, content: bytes) -> Parsed:
    """Return the tree of a file.

    Of C and C++, it is that without macros unless the parser makes more of it with them. Of C#, it is that without
    some directives if the parser makes more of it then. Of Rust, it is that with the items in macros.
    """
    if not language.declarators:
        whole = _parse(language, content)
        if language.item_macros and (plain := without_item_macros(whole.root, content)) != content:
            return _fuller(_parse(language, plain), whole)
        if not (whole.unread_bytes and language.directives):
            return whole
        return _fuller(whole, _parse(language, without_odd_directives(content, only_between=True)))
    blanked = without_macros(content)
    without = _parse(language, blanked.content, blanked.heads)
    if not without.unread_bytes or blanked.content == content:
        return without
    return _fuller(without, _parse(language, content))


def _fuller(first: Parsed, second: Parsed) -> Parsed:
    return second if second.unread_bytes < first.unread_bytes else first


def _parse(language: Language, content: bytes, heads: Mapping[int, Head] | None = None) -> Parsed:
    root = Parser(grammar(language.name)).parse(content).root_node
    return Parsed(root, _unread_bytes(root) if root.has_error else 0, heads or {})


def _unread_bytes(root: Node) -> int:
    unread = 0
    for flaw in _flaws(root):
        stray = [child for child in flaw.children if not child.child_count and not child.is_error]
        unread += (
            sum(child.end_byte - child.start_byte for child in stray) if stray else flaw.end_byte - flaw.start_byte
        )
    return max(unread, 1)


def _flaws(root: Node) -> Iterator[Node]:
    """Yield the nodes of errors, and those that are missing. A query for them takes the square of a depth of 65,536."""
    pending = [root]
    while pending:
        node = pending.pop()
        if node.is_error or node.is_missing:
            yield node
        pending.extend(child for child in node.children if child.has_error)
