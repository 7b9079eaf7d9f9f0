"""Expressions of C++ that its grammar cannot read, as others of the same length that it can."""

import re

# `unsigned(x)`: a conversion to a type that is a word of several. The grammar knows types of one word. These are as
# long: a function may follow, `unsigned (f)(int a)`, whose type is read where it stands.
WORDS = {b"unsigned": b"uint32_t", b"signed": b"double", b"short": b"float", b"long": b"char"}
CONVERSION = re.compile(rb"\b(?:unsigned|signed|short|long)(?=[ \t]*+\()")
# `a.operator+(b)` and `operator<<(a, b)` where no definition can stand.
OPERATOR_CALL = re.compile(
    rb"(?P<before>(?:\.|->|[;{}(,=]|\breturn\b)\s*+operator)"
    rb"(?P<operator>[ \t]*+(?:\(\)|\[\]|[-+*/%^&|~!=<>]{1,3}+))(?=[ \t]*+\()"
)


def readable(content: bytes) -> bytes:
    """Return a C or C++ file whose conversions and calls of operators the grammars can read, each byte in its place."""
    content = CONVERSION.sub(lambda found: WORDS[found[0]], content)
    return OPERATOR_CALL.sub(lambda found: found["before"] + b"_" * len(found["operator"]), content)
