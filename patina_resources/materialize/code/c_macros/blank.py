"""A C or C++ file without the macros that stand in a parser's way: a text of the same length.

A parser without the preprocessor takes `class API Pipe {` for a function, and loses what follows `BEGIN_NS`. No macro
is expanded; what can only be a macro where it stands is overwritten, mostly with blanks. A macro's name is of capitals
(`FMT_API`) or begins with two underscores (`__init`). In namespaces, classes and at the top of a file:

    class API Pipe {                   the name before a class's own
    API int f();  int API f();         a word too many before a declaration
    int f() NOEXCEPT {                 a word after the parameters
    BEGIN_NS / DECLARE(x)              on lines of their own, without a semicolon
    TEST(Parser, Empty) { ... }        becomes a function (`heads`), also behind `template <class T>`

In functions, `READ(v)` on a line of its own gets its semicolon, and so does `FOREACH(x, list) {`.
Every pattern is linear in the length of the file, and so is the walk over its words.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from patina_resources.materialize.code.c_macros.declarations import CLASS_KEYS, declaration
from patina_resources.materialize.code.c_macros.directives import without_odd_directives
from patina_resources.materialize.code.c_macros.expressions import readable
from patina_resources.materialize.code.c_macros.heads import (
    CLASS_MACROS,
    RESERVED,
    SUITE_MACROS,
    TEST_MACROS,
    Head,
    read_head,
)
from patina_resources.materialize.code.c_macros.overwritten import PLAIN_HEAD, Overwritten
from patina_resources.materialize.code.c_macros.tokens import (
    MACRO,
    STATEMENTS,
    Token,
    is_macro,
    is_word,
    tokens,
)

# What is in parentheses as parameters, and not as arguments: `CATCH(const Error& error)`, `CATCH(...)`.
PARAMETERS = re.compile(rb"\((?:\s*+\.\.\.|\s*+(?:const\b\s*+)?[\w:]++(?:\s*+[&*]++\s*+\w*+|\s++\w++)\s*+)\)")
OLD_PARAMETERS = re.compile(rb"\(\s*+\w++(?:\s*+,\s*+\w++)*+\s*+\)")
QT_LABELS = frozenset({b"signals", b"slots", b"Q_SIGNALS", b"Q_SLOTS"})
LABELS = frozenset({b"public", b"private", b"protected", b"default"}) | QT_LABELS


@dataclass(frozen=True)
class Blanked:
    """A file without the macros that stand in a parser's way.

    Attributes:
        content: The text to parse: as long as the file, each byte in its place.
        heads: What each macro that begins a function calls it, by the macro's first byte.
    """

    content: bytes
    heads: dict[int, Head]


def without_macros(content: bytes) -> Blanked:
    """Return a C or C++ file without the macros that stand in a parser's way."""
    plain = readable(without_odd_directives(content))
    file = Overwritten(bytearray(plain))
    _Walk(plain, file).run()
    return Blanked(bytes(file.content), file.heads)


class _Brace(NamedTuple):
    """An open brace: whether it is a function's, the class's name or b"", and whether a type's name follows it."""

    is_function: bool
    class_name: bytes = b""
    is_typedef: bool = False


class _Walk:
    """Reads statement after statement, and knows whether it is in a function."""

    def __init__(self, content: bytes, file: Overwritten) -> None:
        self._content = content
        self._file = file
        self._scopes: list[_Brace] = []
        # Whether a `typedef struct { ... }` has just ended.
        self._awaits_name = False
        self._statement: list[Token] = []
        # The head of a function of old C, while its parameters are declared: `main(argc) int argc; {`.
        self._old_head: list[Token] = []

    def run(self) -> None:
        for token in tokens(self._content):
            if token.text == b"{":
                self._open()
            elif token.text == b"}":
                self._end(b"}")
                self._awaits_name = bool(self._scopes) and self._scopes.pop().is_typedef
            elif token.text == b";":
                self._end(b";")
            elif token.text == b":" and self._is_label():
                self._label()
            else:
                self._add(token)
        self._end(b"")

    @property
    def _in_function(self) -> bool:
        return bool(self._scopes) and self._scopes[-1].is_function

    @property
    def _class_name(self) -> bytes:
        return self._scopes[-1].class_name if self._scopes else b""

    def _is_label(self) -> bool:
        if not self._statement:
            return False
        is_own = self._class_name != b"" and len(self._statement) == 1 and is_macro(self._statement[0])
        return is_own or self._statement[-1].text in LABELS

    def _label(self) -> None:
        """End what comes before `public:`, and put the words that are known for `public slots:` and `PRIVATE_API:`."""
        label = self._statement.pop()
        if label.text in QT_LABELS or label.text not in LABELS:
            access = self._statement.pop() if self._statement and self._statement[-1].text in LABELS else None
            self._file.blank([label]) if access else self._file.put(label, b"public")
        self._end(b":")

    def _add(self, token: Token) -> None:
        statement = self._statement
        if token.text == b"(" and len(statement) == 2 and statement[0].text == b"if" and is_macro(statement[1]):
            self._file.blank([statement.pop()])  # `if CONSTEXPR (...)`
        if self._in_function and statement and token.line > statement[-1].end_line:
            # `READ(v)` on a line of its own; what goes on is no new statement.
            alone = len(statement) == 2 and is_macro(statement[0]) and statement[1].text == b"("
            if alone and (token.text[:1].isalpha() or token.text[:1] in b"_*"):
                self._file.end_statement(statement[1])
                statement.clear()
            elif len(statement) == 1 and is_macro(statement[0]) and token.text[:1].isalpha():
                self._file.blank(statement)
                statement.clear()
        statement.append(token)

    def _open(self) -> None:
        statement, in_function = self._statement, self._in_function
        self._statement = []
        if in_function:
            if len(statement) == 1 and is_macro(statement[0]):
                self._file.blank(statement)
            elif len(statement) == 2 and statement[1].text == b"(" and _is_called(statement[0]):
                if PARAMETERS.fullmatch(self._content, statement[1].start, statement[1].end):
                    self._file.blank(statement)
                else:
                    self._file.end_statement(statement[1])
            self._scopes.append(_Brace(not _is_class(statement)))
            return
        if self._old_head and not statement:
            statement = self._old_head
        self._old_head = []
        statement = declaration(self._file, statement, b"{", self._class_name)
        if _is_class(statement):
            is_typedef = statement[0].text == b"typedef"
            self._scopes.append(_Brace(is_function=False, class_name=_class_name(statement), is_typedef=is_typedef))
            return
        if len(statement) == 2 and statement[0].text in SUITE_MACROS and statement[1].text == b"(":
            self._file.begin_namespace(statement[0].start, statement[1].end)
            self._scopes.append(_Brace(is_function=False))
            return
        called = _behind_template(statement)
        head = self._head(called)
        if head and called[0].text in CLASS_MACROS:
            self._file.begin_class(called[0].start, called[-1].end, head)
            self._scopes.append(_Brace(is_function=False, class_name=head.name.encode()))
            return
        if head:
            self._file.begin_function(called[0].start, called[-1].end, head)
        elif _is_untyped(statement) and not self._scopes:
            self._file.begin_untyped(statement[0].start, statement[-2])
        is_plain = bool(statement) and statement[0].text in (b"namespace", b"extern", b"inline")
        is_scope = is_plain and not any(token.text == b"(" for token in statement)
        self._scopes.append(_Brace(not is_scope))

    def _end(self, mark: bytes) -> None:
        statement, self._statement = self._statement, []
        is_name = self._awaits_name and len(statement) == 1
        self._awaits_name = False
        if self._in_function or is_name:
            return
        head = _old_head(self._content, statement) if mark == b";" else []
        if not head and self._old_head and any(token.text == b"(" for token in statement):
            self._old_head = []
        self._old_head = head or self._old_head
        declaration(self._file, statement, mark, self._class_name)

    def _head(self, statement: Sequence[Token]) -> Head | None:
        """Return what a macro calls the function that it begins: `TEST(a, b)` before a brace."""
        if (
            not 2 <= len(statement) <= 3
            or not is_word(statement[0])
            or any(token.text != b"(" for token in statement[1:])
        ):
            return None
        macro, arguments = statement[:2]
        if macro.text == self._class_name or not (macro.text in TEST_MACROS or MACRO.fullmatch(macro.text)):
            return None
        if arguments.end - macro.start <= len(PLAIN_HEAD):
            return None
        return read_head(macro.text, self._content[arguments.start + 1 : arguments.end - 1])


def _behind_template(statement: Sequence[Token]) -> Sequence[Token]:
    """Return what follows the heads of a template, `TEST(a, b)` of `template <class T> TEST(a, b)`; else all."""
    place = 0
    while [token.text for token in statement[place : place + 2]] == [b"template", b"<"]:
        place, depth = place + 2, 1
        while place < len(statement) and depth:
            depth += (statement[place].text == b"<") - (statement[place].text == b">")
            place += 1
    if place < len(statement) and place and statement[place].text == b"requires":
        place = len(statement) - 2
    return statement[place:]


def _is_untyped(statement: Sequence[Token]) -> bool:
    """Return whether a brace after the statement opens a function of old C without a type: `main()`, `static f(a)`."""
    names = statement[1:] if statement and statement[0].text in (b"static", b"extern") else statement
    if len(names) != 2 or names[1].text != b"(":
        return False
    return is_word(names[0]) and names[0].text not in RESERVED and not is_macro(names[0])


def _old_head(content: bytes, statement: list[Token]) -> list[Token]:
    """Return the head of a function before the first of its parameters' types: `f(a)` of `f(a) char *a;`; or []."""
    groups = [place for place, token in enumerate(statement) if token.text == b"("]
    size = groups[0] + 1 if groups else 0
    names = size and OLD_PARAMETERS.fullmatch(content, statement[size - 1].start, statement[size - 1].end)
    head = statement[:size]
    return head if names and len(groups) == 1 and size < len(statement) and _is_untyped(head) else []


def _is_called(token: Token) -> bool:
    """Return whether a word before parentheses and a brace is no statement of the language, so a macro's."""
    return is_word(token) and token.text not in STATEMENTS


def _is_class(statement: Sequence[Token]) -> bool:
    """Return whether a brace after the statement opens a class or enumeration."""
    keys = [place for place, token in enumerate(statement) if token.text in CLASS_KEYS]
    return bool(keys) and not any(token.text in (b"(", b"=") for token in statement[keys[-1] :])


def _class_name(statement: Sequence[Token]) -> bytes:
    keys = [place for place, token in enumerate(statement) if token.text in CLASS_KEYS]
    return next((token.text for token in statement[keys[-1] + 1 :] if is_word(token)), b"")
