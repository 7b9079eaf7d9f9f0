"""A declaration of C or C++ without the macros that are too much in it: `class API Pipe`, `API int f() NOEXCEPT`."""

import re
from collections.abc import Sequence

from patina_resources.materialize.code.c_macros.heads import TEST_MACROS
from patina_resources.materialize.code.c_macros.overwritten import Overwritten
from patina_resources.materialize.code.c_macros.tokens import (
    BEGINNINGS,
    KNOWN,
    PRIMITIVES,
    Token,
    is_macro,
    is_type,
    is_word,
)

CAPITALS = re.compile(rb"_*+[A-Z][A-Z0-9_]{2,}")
CLASS_KEYS = frozenset({b"class", b"struct", b"union", b"enum"})
AFTER_TYPES = frozenset({b">", b"*", b"&", b"template"})
# A type and a name that a macro stands before are of fewer words and marks.
MOST_WORDS = 64
MOST_SPECIFIERS = 8
SPECIFIERS = frozenset(b"constexpr consteval explicit extern friend inline static virtual".split())
AFTER_CLASS_NAMES = frozenset({b"{", b":", b"<", b"::"})
NOT_CLASS_NAMES = CLASS_KEYS | {b"final", b"override", b"sealed", b"abstract"}


def declaration(file: Overwritten, statement: list[Token], mark: bytes, class_name: bytes) -> list[Token]:
    """Blank what is too much in a declaration, and return the rest of it.

    Args:
        file: The file.
        statement: The tokens of the declaration.
        mark: What ends it: `{`, `}`, `;`, `:` or nothing.
        class_name: The name of the class that it stands in, or b"".
    """
    statement = _put_template_parameters(file, statement)
    start = _leading_macros(statement, mark, class_name)
    file.blank(statement[:start])
    rest = statement[start:]
    if _is_instantiation(rest):  # it defines nothing, and the grammar cannot read all of them
        file.blank(rest)
        return []
    if mark == b";" and len(rest) == 2 and is_macro(rest[0]) and rest[1].text == b"(":
        file.blank_types(rest[1])
    if mark == b"{":
        rest = _without_namespace_macros(file, rest)
    return _without_inner(file, _without_class_macros(file, rest, mark), class_name)


def _is_instantiation(statement: Sequence[Token]) -> bool:
    """Return whether a declaration only asks for what a template makes: `extern template class Bag<int>;`."""
    rest = statement[1:] if statement and statement[0].text == b"extern" else statement
    return len(rest) > 1 and rest[0].text == b"template" and rest[1].text != b"<"


def _put_template_parameters(file: Overwritten, statement: list[Token]) -> list[Token]:
    """Put a plain parameter in the place of a macro: `template <class T, ENABLE_IF(is_int(T))>`."""
    if not any(token.text == b"template" for token in statement[:MOST_WORDS]):
        return statement
    put: set[int] = set()
    for before, macro, group in zip(statement, statement[1:], statement[2:], strict=False):
        if before.text in (b"<", b",") and is_macro(macro) and group.text == b"(":
            file.put(macro, b"int")
            file.blank([group])
            put.add(group.start)
    return [token for token in statement if token.start not in put]


def _leading_macros(statement: list[Token], mark: bytes, class_name: bytes) -> int:
    """Return how many tokens at the beginning of a statement are macros that are no part of it."""
    start = 0
    while start < len(statement) and is_macro(statement[start]):
        size = 2 if start + 1 < len(statement) and statement[start + 1].text == b"(" else 1
        after = start + size
        if after == len(statement):
            return after if mark not in (b"{", b";") or (mark == b";" and size == 1) else start
        is_alone = statement[after].line > statement[after - 1].end_line
        begins = (
            is_macro(statement[after])
            or statement[after].text in TEST_MACROS
            or (size == 2 and _names_follow(statement, after))
        )
        is_own = statement[after].text == b"~" or (class_name != b"" and statement[after].text == class_name)
        if not (is_own or _begins_declaration(statement, after) or (is_alone and begins)):
            return start
        start = after
    return start


def _without_class_macros(file: Overwritten, statement: list[Token], mark: bytes) -> list[Token]:
    """Blank the macros beside a class's name: `class [[nodiscard]] API Pipe`, `class API Pipe API_FINAL : Base`."""
    for key in (place for place, token in enumerate(statement[:-1]) if token.text in CLASS_KEYS):
        start = key + 2 if statement[key + 1].text in (b"class", b"struct") else key + 1
        words, end = [], start
        while end < len(statement) and (statement[end].text == b"[" or is_word(statement[end])):
            if statement[end].text == b"[":
                end += 1
                continue
            if statement[end].text in NOT_CLASS_NAMES:
                break
            is_called = end + 1 < len(statement) and statement[end + 1].text == b"("
            words.append((end, is_called))
            end += 2 if is_called else 1
        follows = statement[end].text if end < len(statement) else mark
        # What ends with parentheses is a function that returns such a class.
        if len(words) < 2 or words[-1][1] or not (follows in AFTER_CLASS_NAMES or follows in NOT_CLASS_NAMES):
            continue
        names = [place for place, is_called in words if not is_called and not is_macro(statement[place])]
        name = names[-1] if names else words[-1][0]
        file.blank([*statement[start:name], *statement[name + 1 : end]])
        return [*statement[:start], statement[name], *statement[end:]]
    return statement


def _without_namespace_macros(file: Overwritten, statement: list[Token]) -> list[Token]:
    """Blank the macros beside a namespace's name: `namespace std VISIBILITY(default)`, `namespace API a::b`."""
    keys = [place for place, token in enumerate(statement) if token.text == b"namespace"]
    if not keys:
        return statement
    head, rest = statement[: keys[0] + 1], statement[keys[0] + 1 :]
    macros: dict[int, Token] = {}
    for place, token in enumerate(rest):
        before, after = rest[place - 1] if place else None, rest[place + 1] if place + 1 < len(rest) else None
        is_part = (before is not None and before.text == b"::") or (after is not None and after.text == b"::")
        is_called = after is not None and after.text == b"("
        if token.text == b"(" or (is_word(token) and not is_part and (is_called or CAPITALS.fullmatch(token.text))):
            macros[token.start] = token
    names = [token for token in rest if token.start not in macros]
    if not macros or not names or any(token.text == b"=" for token in names):
        return statement
    file.blank(list(macros.values()))
    return head + names


def _without_inner(file: Overwritten, statement: list[Token], class_name: bytes) -> list[Token]:
    """Blank the macros before a type, between it and a name, and those after a function's parameters or a name."""
    kept: list[Token] = []
    place, has_type, has_parameters = 0, False, False
    while place < len(statement):
        token = statement[place]
        size = 2 if statement[place + 1 : place + 2] and statement[place + 1].text == b"(" else 1
        after = statement[place + size] if place + size < len(statement) else None
        if is_macro(token):
            names_follow = after is not None and (is_word(after) or after.text in (b"~", b"*", b"&"))
            between = has_type and size == 1 and names_follow and after is not None and after.text != b"="
            is_last = after is None or after.text in (b":", b"=", b"->") or is_macro(after)
            is_own = after is not None and class_name != b"" and after.text == class_name
            before = _only_specifies(kept) and (is_own or _begins_declaration(statement, place + size))
            is_extra = is_last if has_parameters else between or before
            if is_extra or _ends_name(kept, size, after):
                file.blank(statement[place : place + size])
                place += size
                continue
        if token.text == b"(" and kept and is_word(kept[-1]) and len(kept) > 1:
            has_parameters = True
        if token.text == b"=" or (token.text == b":" and has_parameters):
            return kept + statement[place:]
        # Also `template API auto f<int>();`
        has_type = has_type or token.text in PRIMITIVES or token.text in AFTER_TYPES or is_type(token)
        kept.append(token)
        place += 1
    return kept


def _only_specifies(kept: Sequence[Token]) -> bool:
    """Return whether nothing but `static`, `constexpr` and the like, or a template's head, stands before a token."""
    if kept and kept[0].text == b"template" and kept[-1].text == b">":
        return True
    return 0 < len(kept) <= MOST_SPECIFIERS and all(token.text in SPECIFIERS for token in kept)


def _ends_name(kept: list[Token], size: int, after: Token | None) -> bool:
    """Return whether a macro stands after a variable's type and name: `int x GUARDED_BY(mutex);`."""
    if size != 2 or after is not None or len(kept) < 2 or not is_word(kept[-1]):
        return False
    before = kept[-2]
    return kept[-1].text not in BEGINNINGS and (is_word(before) or before.text in (b">", b"*", b"&"))


def _begins_declaration(statement: Sequence[Token], start: int) -> bool:
    """Return whether what follows a macro is a declaration of its own: a keyword of one, or a type and a name."""
    if start == len(statement):
        return False
    first = statement[start]
    if first.text in BEGINNINGS or first.text == b"[" or first.text in KNOWN:
        return True
    is_call = start + 1 < len(statement) and statement[start + 1].text == b"("
    return is_word(first) and not is_call and _names_follow(statement, start)


def _names_follow(statement: Sequence[Token], start: int) -> bool:
    """Return whether a type and a name stand at a place, as in `ns::Type<int> *name`."""
    rest = statement[start : start + MOST_WORDS]
    place, depth, words = 0, 0, 0
    while place < len(rest):
        text = rest[place].text
        if text == b"<":
            depth += 1
        elif text == b">":
            depth -= 1
        elif depth == 0 and text == b"::":
            place += 1
        elif depth == 0 and is_word(rest[place]):
            words += 1
            if words == 2:
                return True
        elif depth == 0 and text not in (b"*", b"&"):
            return rest[place].text == b"~" and words > 0
        place += 1
    return False
