"""A file that is overwritten in place: as long as it was, each byte where it stood."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from patina_resources.materialize.code.c_macros.heads import Head
from patina_resources.materialize.code.c_macros.tokens import PRIMITIVES, Token

TYPE_ARGUMENT = re.compile(
    rb"\b(?:const|struct|union|enum|class|typename|%s)\b|[*&][ \t]*+[,)]" % b"|".join(sorted(PRIMITIVES))
)
PLAIN_HEAD = b"int f("
UNTYPED_HEAD = b"T f"


@dataclass
class Overwritten:
    """What is overwritten of a file, and how macros name the functions that they begin.

    Attributes:
        content: The file's bytes.
        heads: What each macro that begins a function calls it, by the macro's first byte.
    """

    content: bytearray
    heads: dict[int, Head] = field(default_factory=dict)

    def blank(self, tokens: Sequence[Token]) -> None:
        """Put blanks in the place of tokens; lines stay."""
        for token in tokens:
            for place in range(token.start, token.end):
                if self.content[place] not in b"\r\n":
                    self.content[place] = ord(" ")

    def blank_types(self, group: Token) -> None:
        """Put blanks in the place of a macro's arguments if types are among them: `FLAG(int, port)`, `AS(char*, x)`."""
        if TYPE_ARGUMENT.search(self.content, group.start, group.end):
            self.blank([group._replace(start=group.start + 1, end=group.end - 1)])

    def put(self, token: Token, text: bytes) -> None:
        """Put another word in the place of a token."""
        if len(text) <= token.end - token.start:
            self.content[token.start : token.end] = text.ljust(token.end - token.start)

    def begin_function(self, start: int, end: int, head: Head) -> None:
        """Put the head of a function in the place of a macro."""
        self.heads[start] = head
        self.content[start:end] = PLAIN_HEAD + b" " * (end - start - len(PLAIN_HEAD) - 1) + b")"

    def begin_class(self, start: int, end: int, head: Head) -> None:
        """Put the head of a class in the place of a macro, which is longer."""
        self.heads[start] = head
        self.content[start:end] = b"class A".ljust(end - start)

    def begin_untyped(self, start: int, name: Token) -> None:
        """Put a type before a function that has none, if there is room: `T n(a)` in the place of `main(a)`."""
        if name.end - name.start >= len(UNTYPED_HEAD):
            self.heads[start] = Head(name.text.decode("utf-8", "replace"), "")
            self.put(name, UNTYPED_HEAD)

    def begin_namespace(self, start: int, end: int) -> None:
        """Put a namespace without a name in the place of a macro; whoever calls it knows that there is room."""
        self.content[start:end] = b"namespace".ljust(end - start)

    def end_statement(self, token: Token) -> None:
        """Put a semicolon after a token, if there is room."""
        if self.content[token.end : token.end + 1].isspace():
            self.content[token.end] = ord(";")
