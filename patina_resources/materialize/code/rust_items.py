"""A Rust file without the macros around items: `cfg_rt! { pub fn spawn() { ... } }` hides no function.

The grammar reads the arguments of a macro as mere words. Where they are items, and the macro stands among items, its
braces are overwritten, so that a second look finds the items. Nothing is expanded. Each byte stays where it is.
"""

import functools
import re

from tree_sitter import Node, Parser, Query, QueryCursor

from patina_resources.materialize.code.languages.languages import grammar

# Macros in macros are looked into this often.
MOST_NESTED = 4
# Among items, not in a function.
AMONG_ITEMS = """
(source_file (macro_invocation) @macro) (source_file (expression_statement (macro_invocation) @macro))
(declaration_list (macro_invocation) @macro)
"""
BRACES = re.compile(rb"![ \t]*+\{")
ITEM = re.compile(rb"\b(?:fn|struct|enum|union|trait|impl|mod|const|static|type)\b")
BRANCHES = frozenset({b"if", b"else", b"#"})


def without_item_macros(root: Node, content: bytes) -> bytes:
    """Return a Rust file without the braces of macros whose arguments are items; its bytes if there are none.

    Args:
        root: The file's tree.
        content: The file.
    """
    if BRACES.search(content) is None:
        return content
    plain, tried = bytearray(content), set[int]()
    parser = Parser(grammar("Rust"))
    for _ in range(MOST_NESTED):
        found = QueryCursor(_among_items()).captures(root).get("macro", [])
        new = [macro for macro in found if macro.start_byte not in tried]
        tried.update(macro.start_byte for macro in new)
        opened = [_open(parser, plain, macro) for macro in new]
        if not any(opened):
            break
        root = parser.parse(bytes(plain)).root_node
    return bytes(plain)


@functools.cache
def _among_items() -> Query:
    return Query(grammar("Rust"), AMONG_ITEMS)


def _open(parser: Parser, plain: bytearray, macro: Node) -> bool:
    """Overwrite the braces of one macro; return whether its arguments are items."""
    arguments = next((child for child in macro.children if child.type == "token_tree"), macro)
    if plain[arguments.start_byte : arguments.start_byte + 1] != b"{":
        return False
    items = _items(parser, plain, arguments, MOST_NESTED)
    if not items:
        return False
    start, end = arguments.start_byte, arguments.end_byte
    kept = [(item.start_byte + 1, item.end_byte - 1) for item in items]
    for after, (before, _) in zip([start, *(last for _, last in kept)], [*kept, (end, end)], strict=True):
        _blank(plain, after, before)
    # `name! {` becomes `name!{}`: the macro is called, and holds nothing.
    if plain[start - 1 : start].isspace():
        plain[start - 1 : start + 1] = b"{}"
    else:
        _blank(plain, macro.start_byte, start)
    return True


def _items(parser: Parser, plain: bytearray, arguments: Node, depth: int) -> list[Node]:
    """Return the arguments if they are items, or of cfg_if's `if #[cfg(unix)] { ... } else { ... }` those that are."""
    inner = bytes(plain[arguments.start_byte + 1 : arguments.end_byte - 1])
    if ITEM.search(inner) is None:
        return []
    if not parser.parse(inner).root_node.has_error:
        return [arguments]
    tokens = arguments.children[1:-1]
    blocks = [token for token in tokens if plain[token.start_byte : token.start_byte + 1] == b"{"]
    marks = [token for token in tokens if token.type != "token_tree"]
    if not depth or not tokens or not all(bytes(plain[mark.start_byte : mark.end_byte]) in BRANCHES for mark in marks):
        return []
    found = [_items(parser, plain, block, depth - 1) for block in blocks]
    return [item for items in found for item in items]


def _blank(plain: bytearray, start: int, end: int) -> None:
    for place in range(start, end):
        if plain[place] not in b"\r\n":
            plain[place] = ord(" ")
