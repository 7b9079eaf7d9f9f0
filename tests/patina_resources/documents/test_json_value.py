"""JSON that anybody may have written, and how deep it may be."""

import pytest

from patina_resources.documents.json_value import MAX_DEPTH, is_shallow_json, json_value


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, True),
        (b"[" * (MAX_DEPTH + 1) + b"]" * (MAX_DEPTH + 1), False),
        (b"[{}]" * MAX_DEPTH, True),
        (b'["' + b"[" * 1000 + b'"]', True),
        (rb'["\\", ' + b"[" * 1000 + b"]", False),
        (rb'["\\\""' + b',"[[["' * 1000 + b"]", True),
        (b'"unterminated ' + b"[" * 1000, False),
    ],
)
def test_depth_is_counted_outside_of_strings(data: bytes, expected: bool) -> None:
    assert is_shallow_json(data) == expected


@pytest.mark.parametrize(
    ("content", "value"),
    [
        ('{"a": [1, "é"]}', {"a": [1, "é"]}),
        ("\ufeff[1]".encode(), [1]),
        ("[" + "[]," * 300 + "{}]", [*([[]] * 300), {}]),
        ('["\ud800' + "[" * 300 + '"]', ["\ud800" + "[" * 300]),
    ],
)
def test_json_is_read_as_python_reads_it(content: str | bytes, value: object) -> None:
    assert json_value(content) == value


@pytest.mark.parametrize("content", ["", "{", b"\xff", "[" * 100_000, '{"a":' * 201 + "1" + "}" * 201])
def test_what_is_no_json_is_refused_before_the_stack_ends(content: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        json_value(content)
