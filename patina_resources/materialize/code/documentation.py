"""What is written about a definition: its docstring, or the comment that ends on the line before it."""

import re
from bisect import bisect_right
from collections.abc import Iterator
from functools import cached_property
from inspect import cleandoc

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import Language
from patina_resources.materialize.code.languages.languages import surroundings
from patina_resources.materialize.code.parsing import Parsed, cursor_of
from patina_resources.materialize.code.source import SourceFile

MAXIMUM_DOC = 1000
# Of a comment of many lines, each may be a node.
MOST_ASIDES = 100
MOST_HOLDERS = 4
# A holder in so many others is not found: each of them is looked at for each node in it.
MOST_NESTED = 64
# Between a comment and what it is about is the end of a line, and indentation.
MOST_BLANK_BYTES = 500
STRING_BEGINS = re.compile(r"^\w{0,2}(?P<quote>\"\"\"|'''|\"|')")


class Surroundings:
    """The comments of a file, and which node stands right around which: found once, in linear time.

    `Node.parent` and `Node.prev_sibling` begin at the root each time, which takes the square of the depth.
    """

    def __init__(self, source: SourceFile, parsed: Parsed) -> None:
        """Look through a whole file, when something in it is asked for."""
        self._source = source
        self._parsed = parsed

    @cached_property
    def _found(self) -> tuple[dict[int, Node], list[Node], list[int]]:
        """Return the holder of each held node, by its id; the comments and asides in order; and where these end."""
        holders: dict[int, Node] = {}
        asides: list[Node] = []
        language = self._source.language
        for node in self._parsed.broken:
            if node.type in language.holders:
                holders.update((held.id, node) for held in node.named_children)
        for root in self._parsed.whole:
            for _, captured in cursor_of(surroundings(language.name), MOST_NESTED).matches(root):
                if "held" in captured:
                    holders[captured["held"][0].id] = captured["holder"][0]
                else:
                    asides.extend(captured["aside"])
        asides.sort(key=lambda node: node.end_byte)
        return holders, asides, [node.end_byte for node in asides]

    def holder(self, node: Node) -> Node | None:
        """Return the node right around this one, if it is one of the language's `holders`."""
        return self._found[0].get(node.id)

    def doc(self, node: Node) -> str:
        """Return what is written about a definition, without comment marks, cut to MAXIMUM_DOC characters; or ""."""
        text = _docstring(self._source, node) if self._source.language.docstrings else ""
        return (text or self._leading_comment(node))[:MAXIMUM_DOC].rstrip()

    def marks(self, node: Node) -> Iterator[str]:
        """Yield what is said to the compiler right before a definition, the nearest first: `#[test]`."""
        content, start = self._source.content, node.start_byte
        _, asides, ends = self._found
        place = bisect_right(ends, start)
        for aside in reversed(asides[max(0, place - MOST_ASIDES) : place]):
            if start - aside.end_byte > MOST_BLANK_BYTES or content[aside.end_byte : start].strip():
                return
            if aside.type in self._source.language.asides:
                yield self._source.text(aside)
            start = aside.start_byte

    def _leading_comment(self, node: Node) -> str:
        """Return the comment before a node, else before the nearest of its holders that has one."""
        at: Node | None = node
        for _ in range(MOST_HOLDERS):
            if at is None:
                break
            language = self._source.language
            blocks = [self._source.lines(aside) for aside in self._asides_before(at) if aside.type in language.comments]
            if blocks:
                return "\n".join(_without_marks(language, block) for block in reversed(blocks)).strip()
            at = self.holder(at)
        return ""

    def _asides_before(self, node: Node) -> Iterator[Node]:
        """Yield the comments and asides right before a node, the nearest first, each on lines of its own."""
        content, start = self._source.content, node.start_byte
        _, asides, ends = self._found
        place = bisect_right(ends, start)
        for aside in reversed(asides[max(0, place - MOST_ASIDES) : place]):
            if start - aside.end_byte > MOST_BLANK_BYTES:
                return
            between = content[aside.end_byte - 1 : start]  # some grammars take the end of its line for its last byte
            before = content[max(0, aside.start_byte - MOST_BLANK_BYTES) : aside.start_byte]
            if between[1:].strip() or between.count(b"\n") > 1 or before.rpartition(b"\n")[2].strip():
                return
            yield aside
            start = aside.start_byte


def _docstring(source: SourceFile, node: Node) -> str:
    body = node.child_by_field_name("body")
    first = body.named_child(0) if body is not None and body.named_child_count else None
    held = first.named_child(0) if first is not None and first.type == "expression_statement" else None
    if held is None or held.type != "string":
        return ""
    text = source.lines(held)
    quote = STRING_BEGINS.match(text)
    return cleandoc(text[quote.end() :].removesuffix(quote["quote"])) if quote else ""


def _without_marks(language: Language, block: str) -> str:
    begins, ends = language.comment_begins, language.comment_ends
    lines = (ends.sub("", begins.sub("", line)).rstrip() for line in block.splitlines())
    return "\n".join(lines).strip()
