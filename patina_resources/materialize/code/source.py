"""One source file as the readers of its syntax tree see it: bytes, language, and the lines that they are on."""

from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from tree_sitter import Node

from patina_resources.materialize.code.c_macros.heads import Head
from patina_resources.materialize.code.languages.language import Language

# Nodes stand in nodes: to read each of them whole would take the square of their depth.
MAXIMUM_TEXT = 4096


@dataclass(frozen=True)
class SourceFile:
    """A file's bytes with their language.

    Attributes:
        language: Its language.
        content: Its bytes.
        has_errors: Whether parts of it could not be parsed.
        default_name: What a definition is called that has no name, but is all that the file exports.
        heads: What a macro calls a function, by the byte where it begins.
    """

    language: Language
    content: bytes
    has_errors: bool = False
    default_name: str = "default"
    heads: Mapping[int, Head] = field(default_factory=dict)

    def lines(self, node: Node) -> str:
        """Return a node's text as it is written, cut to MAXIMUM_TEXT bytes."""
        end = min(node.end_byte, node.start_byte + MAXIMUM_TEXT)
        return self.content[node.start_byte : end].decode("utf-8", "replace")

    def text(self, node: Node | None) -> str:
        """Return a node's text on one line, cut to MAXIMUM_TEXT bytes, "" for no node."""
        return "" if node is None else " ".join(self.lines(node).split())

    def line_of(self, node: Node) -> str:
        """Return the first line of a node's text, cut to MAXIMUM_TEXT bytes."""
        return self.lines(node).partition("\n")[0].strip()

    def start_line(self, node: Node) -> int:
        """Return the line that a node begins on, from 1."""
        return bisect_left(self._line_ends, node.start_byte) + 1

    def end_line(self, node: Node) -> int:
        """Return the line of a node's last byte, from 1."""
        return bisect_left(self._line_ends, max(node.start_byte, node.end_byte - 1)) + 1

    @cached_property
    def _line_ends(self) -> list[int]:
        ends = []
        end = self.content.find(b"\n")
        while end >= 0:
            ends.append(end)
            end = self.content.find(b"\n", end + 1)
        return ends
