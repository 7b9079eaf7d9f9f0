"""The words and marks of a C or C++ file, read without a grammar."""

import re
from collections.abc import Iterator
from typing import NamedTuple

MACRO = re.compile(rb"(?:[A-Z][a-z]{1,3}_)?[A-Z][A-Z0-9_]{2,}|__[a-z]\w*")
# Comments, directives, literals and numbers, words, `::` and `->`, single characters.
TOKEN = re.compile(
    rb"""(?P<skip>//(?:\\\r?\n|[^\n])*+|/\*(?:[^*]|\*(?!/))*+(?:\*/)?
      |^[ \t]*\#(?:\\\r?\n|/\*(?:[^*]|\*(?!/))*+(?:\*/)?|[^\n])*+)
    |(?P<literal>(?:u8|[uUL])?R"(?P<mark>[^()\\\s"]{0,16})\((?:[^)]|\)(?!(?P=mark)"))*+(?:\)(?P=mark)")?
      |(?:u8|[uUL])?"(?:[^"\\\n]|\\.)*+"?|(?:u8|[uUL])?'(?:[^'\\\n]|\\.)*+'?|\.?\d(?:[eEpP][+-]|'\w|[\w.])*+)
    |(?P<word>[A-Za-z_$\x80-\xff][\w$\x80-\xff]*+)
    |(?P<mark2>::|->|\S)""",
    re.VERBOSE | re.MULTILINE | re.DOTALL,
)
PRIMITIVES = frozenset(
    b"auto bool char char16_t char32_t char8_t double float int long short signed unsigned void wchar_t".split()
)
BEGINNINGS = PRIMITIVES | frozenset(
    b"class const consteval constexpr constinit decltype enum explicit extern friend inline mutable namespace operator "
    b"register static struct template thread_local typedef typename union using virtual volatile public private "
    b"protected static_assert concept".split()
)
# The grammars know these themselves; the last two are not attributes.
KNOWN = frozenset(
    b"__attribute__ __attribute __declspec __asm__ __asm __extension__ __restrict __restrict__ __based __cdecl "
    b"__clrcall __stdcall __fastcall __thiscall __vectorcall __typeof__ __typeof __alignof__ __int128 __int128_t "
    b"__uint128_t __try __except __finally __leave NULL EOF".split()
)
STATEMENTS = frozenset(
    b"if else for while do switch case default return break continue goto try catch throw new delete sizeof co_return "
    b"co_await co_yield".split()
)


class Token(NamedTuple):
    """A word, a mark, a literal (`"`), or what brackets hold (`(`, `[`): from `start` to before `end`."""

    text: bytes
    start: int
    end: int
    line: int
    end_line: int


def is_word(token: Token) -> bool:
    """Return whether a token is an identifier or keyword."""
    return token.text[:1].isalpha() or token.text[:1] in (b"_", b"$")


def is_macro(token: Token) -> bool:
    """Return whether a token is called as only macros are."""
    return MACRO.fullmatch(token.text) is not None and token.text not in KNOWN


def is_type(token: Token) -> bool:
    """Return whether a token may be a type's name."""
    return is_word(token) and token.text not in BEGINNINGS


def tokens(content: bytes) -> Iterator[Token]:
    """Yield words, marks and braces; what stands in parentheses or brackets is one token, `(` or `[`."""
    line, counted, depth = 1, 0, 0
    opened = (b"", 0, 0)
    for found in TOKEN.finditer(content):
        if found.lastgroup == "skip":
            continue
        start, end = found.span()
        line += content.count(b"\n", counted, start)
        counted = start
        text = b'"' if found["literal"] else found[0]
        if text in (b"(", b"["):
            if depth == 0:
                opened = (text, start, line)
            depth += 1
        elif text in (b")", b"]") and depth:
            depth -= 1
            if depth == 0:
                yield Token(opened[0], opened[1], end, opened[2], line)
        elif depth == 0:
            yield Token(text, start, end, line, line)
