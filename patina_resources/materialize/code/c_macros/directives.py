"""Directives that a grammar cannot place: branches of `#if` that open a brace or parenthesis and leave it to another.

A grammar has a place for `#if` around whole declarations and statements. Where a branch ends deeper or less deep in
braces than it begins, or holds or is part of an unfinished one, the first branch is read as if it were there
alone, and the directives and other branches are blanked. Of `#if 0`, the second branch is the first.
"""

import re
from dataclasses import dataclass, field

from patina_resources.materialize.code.c_macros.tokens import TOKEN

CONDITIONAL = re.compile(rb"[ \t]*#[ \t]*(if|ifdef|ifndef|elif|elifdef|elifndef|else|endif)\b(.*)", re.DOTALL)
BEGINNINGS = frozenset({b"if", b"ifdef", b"ifndef"})
NEVER = re.compile(rb"[ \t]*0[ \t\r]*(?:/[/*].*)?", re.DOTALL)
# In the grammar, a comment ends the text of a macro, and what follows it is read as code.
COMMENT = re.compile(rb'"(?:[^"\\\n]|\\.)*+"?+|/\*(?:[^*\n]|\*(?!/))*+(?:(?P<end>\*/)(?=[ \t]*+[^ \t\r\n]))?+')
OPEN, CLOSED = frozenset({b"(", b"[", b"{"}), frozenset({b")", b"]", b"}"})
# After one of these, a statement or expression goes on.
INNER = frozenset(b", > < = & | + - * / % ? ! . ::".split())
# With one of these, a statement or declaration ends.
ENDS = frozenset(b"; } { :".split())


@dataclass
class _Branch:
    """One branch: where its directive and its text are, and whether it is never compiled."""

    directive: tuple[int, int]
    never: bool
    end: int = 0


@dataclass
class _Group:
    """The branches from an `#if` to its `#endif`.

    Attributes:
        depth: How many braces and brackets are open where it begins.
        odd: Whether a grammar has no place for it.
        branches: Its branches, in order.
    """

    depth: int
    odd: bool
    branches: list[_Branch] = field(default_factory=list)


def without_odd_directives(content: bytes, *, only_between: bool = False) -> bytes:
    """Return a C, C++ or C# file, of the same length, without the directives that a grammar has no place for.

    Args:
        content: The file.
        only_between: Whether the grammar has a place for `#if` only between whole declarations and statements.
    """
    changed = bytearray(content)
    groups: list[_Group] = []
    depth, brackets, last, before, is_empty = 0, 0, b"", b"", True
    for found in TOKEN.finditer(content):
        text = found[0]
        if found["skip"] is None:
            depth += (text in OPEN) - (text in CLOSED)
            brackets = max(0, brackets + (text in (b"(", b"[")) - (text in (b")", b"]")))
            # In a list, directives stand between its members.
            opens_list = text == b"{" and (last == b"=" or b"enum" in (last, before))
            last, before, is_empty = b"," if opens_list else text, last, False
            if groups and depth < groups[-1].depth:
                groups[-1].odd = True
            continue
        directive = CONDITIONAL.match(text)
        if directive is None:
            if text.lstrip()[:1] == b"#":
                _keep_macro(changed, *found.span(), is_inside=brackets > 0 or last == b",")
            continue
        kind, condition = directive[1], directive[2]
        branch = _Branch(found.span(), kind == b"if" and NEVER.fullmatch(condition) is not None)
        if kind in BEGINNINGS:
            is_inside = only_between and last != b"" and last not in ENDS
            groups.append(_Group(depth, brackets > 0 or last in INNER or is_inside))
        elif not groups:
            continue
        group = groups[-1]
        if group.branches:
            group.odd |= depth != group.depth or not (is_empty or last in ENDS)
            group.branches[-1].end = found.start()
        group.branches.append(branch)
        is_empty = True
        depth = group.depth if kind != b"endif" or not group.odd else group.depth + _gain(content, group)
        if kind == b"endif":
            groups.pop()
            if group.odd:
                _keep_one(changed, group)
            for branch in group.branches:
                if branch.never:
                    _blank(changed, branch.directive[1], branch.end)
        elif condition.find(b"(") >= 0 and not group.odd:
            _simplify(changed, found.start() + directive.start(2), found.end())
    return bytes(changed)


def _keep_macro(changed: bytearray, start: int, end: int, *, is_inside: bool) -> None:
    """Blank a `#define` or the like that stands in an expression, or else the comments in the midst of it."""
    if is_inside:
        _blank(changed, start, end)
        return
    for found in COMMENT.finditer(bytes(changed[start:end])):
        if found["end"]:
            _blank(changed, start + found.start(), start + found.end())


def _kept(group: _Group) -> _Branch:
    texts = group.branches[:-1]
    return texts[1] if texts[0].never and len(texts) > 1 else texts[0]


def _gain(content: bytes, group: _Group) -> int:
    """Return how many more braces are open after the branch that is kept than before it."""
    kept = _kept(group)
    found = [token[0] for token in TOKEN.finditer(content, kept.directive[1], kept.end) if token["skip"] is None]
    return sum((text in OPEN) - (text in CLOSED) for text in found)


def _keep_one(changed: bytearray, group: _Group) -> None:
    kept = _kept(group)
    for branch in group.branches:
        _blank(changed, *branch.directive)
        if branch is not kept and branch.end:
            _blank(changed, branch.directive[1], branch.end)


def _simplify(changed: bytearray, start: int, end: int) -> None:
    """Put a condition that every grammar knows in the place of one with parentheses: `__has_include(<bit>)`."""
    _blank(changed, start, end)
    if end - start > 1:
        changed[start + 1] = ord("1")


def _blank(changed: bytearray, start: int, end: int) -> None:
    changed[start:end] = re.sub(rb"[^\r\n]", b" ", changed[start:end])
