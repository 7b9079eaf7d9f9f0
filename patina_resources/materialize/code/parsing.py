"""A source file -> its syntax tree, of as much of it as can be had, and how much of it is in no tree."""

import re
from array import array
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tree_sitter import Node, Parser, Query, QueryCursor

from patina_resources.materialize.code.c_macros.blank import without_macros
from patina_resources.materialize.code.c_macros.directives import without_odd_directives
from patina_resources.materialize.code.c_macros.heads import Head
from patina_resources.materialize.code.languages.language import Language
from patina_resources.materialize.code.languages.languages import NODE, grammar
from patina_resources.materialize.code.rust_items import without_item_macros

# For each mark in an error, a query looks at all marks that follow it there.
MOST_SIDE_BY_SIDE = 1_000
# A query counts levels in 16 bits, and takes the square of what is deeper. Nothing that people write is.
MOST_LEVELS = 60_000
WITHIN_LINES = re.compile(rb"[^\r\n]")
# What a word is made of, letters beyond ASCII included, and what stands between words and marks.
KINDS = bytes(
    ord(" ") if chr(byte).isspace() and byte < 128 else ord("w") if byte > 127 or chr(byte).isalnum() else byte
    for byte in range(256)
)
# Few words and marks, again and again. Most grammars take such text in proportion to its length, and some do not.
REPETITION = re.compile(rb"(.{1,8}?)\1{99,}", re.DOTALL)


@dataclass(frozen=True)
class Parsed:
    """A syntax tree; each node is where it is in the file.

    Attributes:
        whole: What queries are put to: its root. Where an error holds more than MOST_SIDE_BY_SIDE nodes, the subtrees
            without errors.
        broken: The nodes that are in none of these, an outer one before those in it.
        unread_bytes: How many bytes of words and marks the parser could put nowhere; one that it missed counts as 1.
        heads: What a macro calls a function, by the byte where it begins.
    """

    whole: Sequence[Node]
    broken: Sequence[Node]
    unread_bytes: int
    heads: Mapping[int, Head] = field(default_factory=dict)

    def captures(self, query: Query, kinds: Collection[str]) -> list[Node]:
        """Return the nodes of some kinds, in the order of the source, an outer one before those in it.

        Args:
            query: Captures each of them as NODE.
            kinds: Their types.
        """
        found = [node for node in self.broken if node.is_named and node.type in kinds]
        for root in self.whole:
            found.extend(cursor_of(query).captures(root).get(NODE, []))
        return in_order(found)


def in_order(nodes: Iterable[Node]) -> list[Node]:
    """Return nodes in the order of the source, an outer one before those in it."""
    return sorted(nodes, key=lambda node: (node.start_byte, -node.end_byte))


def cursor_of(query: Query, match_limit: int | None = None) -> QueryCursor:
    """Return a cursor that looks for a query at MOST_LEVELS levels, with a limit of matches that are not complete."""
    cursor = QueryCursor(query) if match_limit is None else QueryCursor(query, match_limit=match_limit)
    cursor.set_max_start_depth(MOST_LEVELS)
    return cursor


def parse(language: Language, content: bytes, left_out: Iterable[slice] = ()) -> Parsed:
    """Return the tree of a file.

    Of C and C++, it is that without macros unless the parser makes more of it with them. Of C#, it is that without
    some directives if the parser makes more of it then. Of Rust, it is that with the items in macros.

    Args:
        language: The file's language.
        content: Its bytes.
        left_out: Parts of it that are not to be parsed; none overlap.
    """
    spans = list(left_out)
    if language.unfinished is not None and not spans:
        found = language.unfinished.finditer(content)
        spans = [slice(*unfinished.span("left_out")) for unfinished in found if unfinished["left_out"]]
    plain = bytearray(content)
    for span in spans:
        plain[span] = WITHIN_LINES.sub(b" ", content[span])
    parsed = _fullest(language, bytes(plain))
    return replace(parsed, unread_bytes=parsed.unread_bytes + sum(span.stop - span.start for span in spans))


def repetitions(content: bytes) -> list[slice]:
    """Return where at most eight words and marks stand a hundred times and more, whatever the words are."""
    kinds = content.translate(KINDS)
    words_and_marks = re.finditer(rb"w+|[^w ]", kinds)
    starts = array("L", (found.start() for found in words_and_marks))
    starts.append(len(content))
    order = bytes(kinds[start] for start in starts[:-1])
    return [slice(starts[found.start()], starts[found.end()]) for found in REPETITION.finditer(order)]


def _fullest(language: Language, content: bytes) -> Parsed:
    """Return the tree of a file, with or without what stands in the parser's way."""
    if not language.declarators:
        whole = _parse(language, content)
        if language.item_macros and not whole.broken:
            plain = without_item_macros(whole.whole[0], content)
            return _fuller(_parse(language, plain), whole) if plain != content else whole
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
    broken = _broken(root)
    flaws = [node for node in broken if node.is_error or node.is_missing]
    unread_bytes = max(_unread_bytes(flaws), 1) if broken else 0
    if all(flaw.child_count <= MOST_SIDE_BY_SIDE for flaw in flaws):
        return Parsed([root], [], unread_bytes, heads or {})
    below = (child for node in broken for child in node.children if not _is_broken(child))
    whole = [child for child in below if child.child_count or child.is_named]
    return Parsed(whole, broken, unread_bytes, heads or {})


def _unread_bytes(flaws: Iterable[Node]) -> int:
    unread = 0
    for flaw in flaws:
        stray = [child for child in flaw.children if not child.child_count and not child.is_error]
        unread += (
            sum(child.end_byte - child.start_byte for child in stray) if stray else flaw.end_byte - flaw.start_byte
        )
    return unread


def _broken(root: Node) -> list[Node]:
    """Return the nodes that are or hold an error."""
    found: list[Node] = []
    pending = [root] if root.has_error else []
    while pending:
        node = pending.pop()
        found.append(node)
        pending.extend(child for child in reversed(node.children) if _is_broken(child))
    return found


def _is_broken(node: Node) -> bool:
    # Characters that are no token are an error without children, which is said to have none.
    return node.has_error or node.is_error
