"""What is called: by a call's node, or by what looks like a call in the arguments of a Rust macro."""

import re
from collections.abc import Iterator, Sequence

from tree_sitter import Node

from patina_resources.materialize.code.languages.language import words
from patina_resources.materialize.code.names import plain_word
from patina_resources.materialize.code.source import SourceFile

MAXIMUM_CALLEE = 200
PATH = re.compile(r"\w++(?:\.\w++)*+")
# What is left of Rust's `parse::<i32>()` and `S::<u8>::new()` without the types.
TURBOFISH = re.compile(r"::(?=::|\(|$)")

# The last three are words of the language in some places, and names elsewhere.
RUST_WORDS = words("identifier self super crate metavariable primitive_type default union raw")
OPERATOR_SPACE = re.compile(r"\boperator\s++(?=\W)")
MOST_PARTS = 32
# In Go, `f[int](x, y)` looks like the call of an element: the index is a type where it is one of these.
GO_TYPES = words(
    "any bool byte complex64 complex128 error float32 float64 int int8 int16 int32 int64 rune string uint uint8 uint16 "
    "uint32 uint64 uintptr"
)
# `static_cast<T>(x)`, `int(x)` and `new char[9]` of C++ call no function.
CONVERTING = frozenset({"call_expression", "new_expression"})
# Rust's `<T as Trait>::make` is a call of `T::make`.
QUALIFIED = frozenset({"bracketed_type", "qualified_type"})
JSX = frozenset({"jsx_opening_element", "jsx_self_closing_element"})


def callee_texts(source: SourceFile, calls: Sequence[Node]) -> dict[int, str]:
    """Return what is called, such as `self.index.add` or `open().read`, by the id of each call; "" for nothing.

    Arguments, strings and generics are left out. At most MAXIMUM_CALLEE characters, the last ones: the name that is
    called is at the end.

    Args:
        source: The file.
        calls: Its calls, each before those in it.
    """
    texts: dict[int, str] = {}
    inner, inner_parts = 0, list[str]()
    for call in reversed(calls):
        inner_parts = _callee_parts(source, call, inner, inner_parts)
        inner = call.id
        texts[inner] = _callee_text(source, call, "".join(reversed(inner_parts)))
    return texts


def _callee_parts(source: SourceFile, call: Node, inner: int, inner_parts: list[str]) -> list[str]:
    """Return the parts of a callee, the last one first, until they have more than MAXIMUM_CALLEE characters.

    Args:
        source: The file.
        call: The call.
        inner: The id of the call that was looked at before. It may be a link of this one's chain: each is read once.
        inner_parts: The parts of its callee.
    """
    parts: list[str] = []
    length = 0
    chains = source.language.chains
    pending: list[Node | list[str]] = [*_callee_nodes(source, call)]
    while pending and length <= MAXIMUM_CALLEE:
        node = pending.pop()
        if isinstance(node, list):
            for part in node:
                parts.append(part)
                length += len(part)
                if length > MAXIMUM_CALLEE:
                    break
            continue
        if node.id == inner and node.type in chains and (rest := _after_callee(source, node)) is not None:
            pending.extend((inner_parts, *rest))
            continue
        if node.type == "index_expression" and _is_go_type(source, node.child_by_field_name("index")):
            pending.extend(node.children[:1])
            continue
        if node.type in chains or (node.is_error and source.language.declarators):
            pending.extend(node.children)
            continue
        if node.type in QUALIFIED:
            pending.extend(node.named_children[:1])
            continue
        part = _part(source, node)
        parts.append(part)
        length += len(part)
    return parts


def _callee_text(source: SourceFile, call: Node, whole: str) -> str:
    written = TURBOFISH.sub("", whole)
    text = plain_word(source, written).removeprefix("\\").removesuffix(".")  # `f.(1)` of Ruby
    if source.language.operators == "named":
        text = OPERATOR_SPACE.sub("operator", text)
    if text in source.language.constructs:
        return ""
    if call.type in CONVERTING and (written in source.language.reserved or _is_plain_type(call)):
        return ""
    if not text or (call.type in JSX and text[0].islower() and "." not in text):  # `<div>` is an element of the page
        return ""
    text = text if len(text) <= MAXIMUM_CALLEE else "…" + text[1 - MAXIMUM_CALLEE :]
    if call.type == "macro_invocation":
        return text + "!"
    return f"new {text}" if source.language.creates(call.type) else text


def _is_plain_type(call: Node) -> bool:
    node = call.child_by_field_name("function") or call.child_by_field_name("type")
    return node is not None and node.type in ("primitive_type", "sized_type_specifier")


def _may_be_index(source: SourceFile, arguments: Node) -> bool:
    """Return whether Go's `f[x](y)`, which its grammar takes for a conversion, may call an element of `f`."""
    holder = arguments.parent.parent if arguments.parent is not None else None
    if holder is None or holder.type != "type_conversion_expression" or arguments.named_child_count != 1:
        return False
    held = arguments.named_child(0)
    return held is not None and PATH.fullmatch(source.text(held)) is not None and not _is_go_type(source, held)


def _is_go_type(source: SourceFile, index: Node | None) -> bool:
    """Return whether what stands in brackets is a type: `int`, `*T`, `[]T`, or `Token`, which an index seldom is."""
    if index is None:
        return False
    if index.type == "type_elem":
        index = index.named_child(0) or index
    word = source.text(index).rpartition(".")[2]
    is_pointer = index.type == "unary_expression" and source.text(index.child_by_field_name("operator")) == "*"
    is_written_as_type = index.type.endswith("_type") and index.type != "qualified_type"
    return is_pointer or is_written_as_type or word in GO_TYPES or word[:1].isupper()


def calls_in_macro(source: SourceFile, macro: Node) -> Iterator[tuple[str, Node]]:
    """Yield what is called in the arguments of a Rust macro, and where: its grammar reads them as mere words.

    A call is a word, with the path or receiver before it, right before parentheses; `name![...]` is a macro's.
    """
    trees = [child for child in macro.named_children if child.type == "token_tree"]
    while trees:
        tokens = trees.pop().children
        trees.extend(
            token
            for place, token in enumerate(tokens)
            if token.type == "token_tree" and (place == 0 or tokens[place - 1].type != "#")  # `#[cfg(unix)]`
        )
        for place in range(1, len(tokens)):
            arguments, before = tokens[place], tokens[place - 1]
            if arguments.type != "token_tree":
                continue
            is_macro = before.type == "!" and place > 1
            if not is_macro and source.content[arguments.start_byte : arguments.start_byte + 1] != b"(":
                continue
            end = place - 2 if is_macro else place - 1
            if name := _path_before(source, tokens, end):
                yield name + "!" * is_macro, tokens[end]


def _path_before(source: SourceFile, tokens: list[Node], end: int) -> str:
    """Return the path that ends with a token, such as `a.b` or `S::new`; "" where it is no path, or a definition's."""
    parts: list[str] = []
    place = _before_generics(tokens, end)
    while place >= 0 and len(parts) < MOST_PARTS:
        token = tokens[place]
        if token.type == "token_tree" and parts:
            parts.append("()")
            place = _before_generics(tokens, place - 1)
            token = tokens[max(place, 0)]
        if token.type not in RUST_WORDS:
            break
        parts.append(source.text(token))
        if place < 1 or tokens[place - 1].type not in ("::", "."):
            break
        parts.append(tokens[place - 1].type)
        place = _before_generics(tokens, place - 2)
    if not parts or parts[0] in source.language.reserved or (place > 0 and tokens[place - 1].type == "fn"):
        return ""
    return plain_word(source, "".join(reversed(parts))).removeprefix("::")[-MAXIMUM_CALLEE:]


def _before_generics(tokens: list[Node], end: int) -> int:
    """Return the place of the word before `::<T>`, where one ends at `end`."""
    if end < 0 or tokens[end].type not in (">", ">>"):
        return end
    depth = 0
    for place in range(end, max(end - MOST_PARTS, 0), -1):
        kind = tokens[place].type
        depth += {">": 1, ">>": 2, "<": -1}.get(kind, 0)
        if depth == 0:
            return place - 2 if tokens[place - 1].type == "::" else place - 1
    return -1


def _callee_nodes(source: SourceFile, call: Node) -> list[Node]:
    for field in source.language.callee_fields.get(call.type, ("function",)):
        if node := call.child_by_field_name(field):
            return [node, *_unread_member(source, call)]
    nodes: list[Node] = []
    if call.type in JSX:  # `<>` around a list
        return nodes
    for child in call.children:
        if child.type in source.language.arguments:
            break
        nodes.append(child)
    return nodes


def _after_callee(source: SourceFile, call: Node) -> list[Node] | None:
    """Return the nodes of a call behind its callee; None where the callee is not the first of them."""
    children, callee = call.children, _callee_nodes(source, call)
    return children[len(callee) :] if children[: len(callee)] == callee else None


def _unread_member(source: SourceFile, call: Node) -> list[Node]:
    """Return what the grammars of C cannot read between a callee and its arguments: `->e` of `this->template e()`."""
    if not source.language.declarators or not call.has_error:
        return []
    between = [child for child in call.children if child.is_error]
    return [child for child in between if child.child_count and child.children[0].type in (".", "->")]


def _part(source: SourceFile, node: Node) -> str:
    language = source.language
    if node.type == "type_arguments" and _may_be_index(source, node):
        return source.text(node)
    if node.type in language.dropped:
        return ""
    if node.type in language.arguments:
        return "()"
    if node.type in language.strings:
        return '""'
    if node.type == "operator" and language.declarators:  # `a.operator bool()`, which the grammar splits
        return "operator "
    if node.child_count == 0 or node.type in language.callee_words:
        return source.text(node)
    return "()"
