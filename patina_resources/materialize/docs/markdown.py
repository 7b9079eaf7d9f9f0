"""Markdown as a tree of blocks with their lines, by markdown-it-py (CommonMark). Nothing is rendered, linked or loaded.

Only blocks are parsed: what stands inside a paragraph (emphasis, links) stays as it is written, and costs no time.
"""

import codecs
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from patina_resources.materialize.characters import characters

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

# markdown-it-py leaves out all that follows a deeper block; its own limit of 20 is ten lists in each other. The time
# for a text that is nothing but nested blocks grows with it: 8 s for 1 MiB.
DEEPEST = 100
# A token takes half a kilobyte and 10 us: a megabyte of `- - - ` took 500 MB and 7 s. The largest documents that people
# write have a tenth of these.
MOST_LINES, MOST_TOKENS = 50_000, 200_000
DEEP = f"blocks are nested more than {DEEPEST} levels: what follows them is not read"
MANY_LINES = f"there are more than {MOST_LINES:,} lines: they are not told apart"
MANY_BLOCKS = f"there are more than {MOST_TOKENS:,} beginnings and ends of blocks: what follows them is not read"
LABEL = re.compile(r"\*\*([^*]+?)(?::\*\*|\*\*:)\s*(.*)$")
LINE_END = re.compile(r"\r\n?")
HEADING, LABEL_LINE, PARAGRAPH, LIST, ITEM, CODE, HTML, QUOTE, RULE = (
    "heading", "label", "paragraph", "list", "item", "code", "html", "quote", "rule",
)  # fmt: skip
KINDS = {
    "heading_open": HEADING, "label": LABEL_LINE, "paragraph_open": PARAGRAPH, "bullet_list_open": LIST,
    "ordered_list_open": LIST, "list_item_open": ITEM, "fence": CODE, "code_block": CODE, "html_block": HTML,
    "blockquote_open": QUOTE, "hr": RULE,
}  # fmt: skip
HOLDERS = ("list_item_open", "blockquote_open")
MARK = "\ufeff"
ENCODING_OF_MARK = ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))


@dataclass(frozen=True)
class Block:
    """One block of a document.

    Attributes:
        kind: HEADING, LABEL_LINE, PARAGRAPH, LIST, ITEM, CODE, HTML, QUOTE or RULE.
        start: Its first line, from 0.
        end: The line after its last.
        text: What it says, for a heading, label, paragraph and code; "" for others. Code keeps its fences.
        level: 1 to 6 for a heading, else 0.
        blocks: What a list, an item or a quote holds.
    """

    kind: str
    start: int
    end: int
    text: str = ""
    level: int = 0
    blocks: list["Block"] = field(default_factory=list)


@dataclass(frozen=True)
class Markdown:
    """A parsed text.

    Attributes:
        lines: All lines, without their ends.
        blocks: Its blocks, in order.
        left_out: Why some of the text is not in `blocks`; "" where all of it is.
    """

    lines: Sequence[str]
    blocks: Sequence[Block]
    left_out: str = ""

    def text(self, start: int, end: int) -> str:
        """Return the lines from `start` to before `end`, as they are written."""
        return "\n".join(self.lines[start:end])

    def prose(self) -> list[str]:
        """Return all lines, empty where they are code."""
        lines = list(self.lines)
        for block in _all_blocks(self.blocks):
            if block.kind == CODE:
                lines[block.start : block.end] = [""] * (block.end - block.start)
        return lines


def decoded(content: bytes) -> str:
    """Return a file's characters: those that a byte order mark says, without such marks; every line ends with LF."""
    encoding = next((encoding for mark, encoding in ENCODING_OF_MARK if content.startswith(mark)), "")
    text = content.decode(encoding, "replace") if encoding else characters(content)
    # A tool that adds a mark to a file that has one leaves two.
    return LINE_END.sub("\n", text.lstrip(MARK))


def parse_markdown(text: str, *, labels: bool = False) -> Markdown:
    """Return the blocks of a text.

    Args:
        text: What `decoded` returns, or a part of it.
        labels: Whether a line that begins with `**Title:**` is a block of its own that ends a paragraph or a list, as
            in session notes.
    """
    text = LINE_END.sub("\n", text)
    lines = text.split("\n")
    if len(lines) > MOST_LINES:
        return Markdown(lines, [], MANY_LINES)
    tokens = _parser(labels).parse(text)
    too_deep = any(token.type in HOLDERS and token.level >= DEEPEST - 1 for token in tokens)
    return Markdown(lines, _tree(tokens), MANY_BLOCKS if len(tokens) > MOST_TOKENS else DEEP if too_deep else "")


def plain(text: str) -> str:
    """Return the lines of a paragraph as one; those of a table or a quote stay lines."""
    lines = [line.strip() for line in text.split("\n")]
    heads = (place for place in range(len(lines) - 1) if _begins_table(*lines[place : place + 2]))
    table = next(heads, len(lines))
    kept = [place >= table or line.startswith(">") for place, line in enumerate(lines)]
    return "".join(("\n" if keep else " ") + line for line, keep in zip(lines, kept, strict=True)).strip()


def heading_text(heading: Block) -> str:
    """Return the text of a heading in one line, whatever it looks like."""
    return plain(heading.text).replace("\n", " ")


def _begins_table(head: str, line: str) -> bool:
    """Return whether two lines are the head of a table and the line below it, such as `|---|:-:|`."""
    return "|" in head and "|" in line and "-" in line and not line.strip("|-: \t")


def is_comment(body: Markdown, block: Block) -> bool:
    """Return whether a block is a comment of HTML."""
    return block.kind == HTML and body.lines[block.start].lstrip().startswith("<!--")


@cache
def _parser(labels: bool) -> "MarkdownIt":
    from markdown_it import MarkdownIt  # here, since most runs find no new document

    parser = MarkdownIt("commonmark", {"maxNesting": DEEPEST})
    parser.core.ruler.enableOnly(["normalize", "block"])
    # A definition such as `[1]: https://...` is text like any other here.
    parser.disable("reference")
    parser.block.ruler.before("code", "many", _leave_out)
    if labels:
        parser.block.ruler.before("list", "label", _label, {"alt": ["paragraph", "blockquote", "list"]})
    return parser


def _leave_out(state: "StateBlock", _line: int, end: int, silent: bool) -> bool:
    """Take all that is left, where there are too many blocks already; what is open is closed."""
    if silent or len(state.tokens) <= MOST_TOKENS:
        return False
    state.line = end
    return True


def _label(state: "StateBlock", line: int, _end: int, silent: bool) -> bool:
    """Take a line that begins with `**Title:**`, unless it belongs to a list item or a quote."""
    if state.is_code_block(line) or (state.level and state.sCount[line] >= state.blkIndent):
        return False
    text = state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]
    if not LABEL.match(text):
        return False
    if not silent:
        token = state.push("label", "", 0)
        token.content, token.map = text, [line, line + 1]
        state.line = line + 1
    return True


def _tree(tokens: "Sequence[Token]") -> list[Block]:
    """Return the blocks that a flat sequence of tokens stands for."""
    open_blocks = [Block("root", 0, 0)]
    for place, token in enumerate(tokens):
        if token.nesting < 0:
            open_blocks.pop()
        elif token.type in KINDS:
            inside = tokens[place + 1].content if token.type in ("heading_open", "paragraph_open") else token.content
            start, end = token.map or (0, 0)
            text = f"{token.markup}{token.info}\n{inside}{token.markup}" if token.type == "fence" else inside
            level = int(token.tag[1]) if token.type == "heading_open" else 0
            block = Block(KINDS[token.type], start, end, text, level)
            open_blocks[-1].blocks.append(block)
            if token.nesting > 0:
                open_blocks.append(block)
    return open_blocks[0].blocks


def _all_blocks(blocks: Sequence[Block]) -> Iterator[Block]:
    pending = list(reversed(blocks))
    while pending:
        block = pending.pop()
        yield block
        pending.extend(reversed(block.blocks))
