from pathlib import Path

import pytest

from patina_resources.documents.document import Document
from patina_resources.documents.yaml_file import MAX_BYTES, read_yaml
from patina_resources.errors import PatinaError


def _read(folder: Path, content: str | bytes) -> Document:
    path = folder / "file.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_yaml(path)


def _error(folder: Path, content: str | bytes) -> str:
    with pytest.raises(PatinaError) as caught:
        _read(folder, content)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{folder}/file.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("12", 12),
        ("-3", -3),
        ("1e-4", 1e-4),
        (".5", 0.5),
        ("1.", 1.0),
        ("true", True),
        ("false", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("'12'", "12"),
        ("yes", "yes"),
        ("010", "010"),
        ("0x10", "0x10"),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("2026-02-04", "2026-02-04"),
        (".nan", ".nan"),
        ("9" * 5000, "9" * 5000),
    ],
)
def test_plain_scalars_follow_the_core_schema(tmp_path: Path, text: str, value: object) -> None:
    read = _read(tmp_path, f"key: {text}\n").data
    assert isinstance(read, dict)
    assert read == {"key": value}
    assert type(read["key"]) is type(value)


def test_lines_of_keys_entries_and_what_is_absent(tmp_path: Path) -> None:
    document = _read(tmp_path, "# comment\na:\n  b: [1,\n      2]\n  c:\n    - x\n    - y\n")
    assert document.data == {"a": {"b": [1, 2], "c": ["x", "y"]}}
    assert [document.line_of(at) for at in [("a",), ("a", "b"), ("a", "b", 1), ("a", "c", 1)]] == [2, 3, 4, 7]
    assert document.line_of(("a", "c", "missing", "deeper")) == 5
    assert document.line_of(("missing",)) == 2


def test_a_key_given_twice_keeps_the_first_value_and_is_reported(tmp_path: Path) -> None:
    document = _read(tmp_path, "a: 1\nb:\n  c: 1\n  c: 2\na: {d: 3}\n")
    assert document.data == {"a": 1, "b": {"c": 1}}
    assert [(problem.line, problem.location) for problem in document.duplicates] == [(4, ("b", "c")), (5, ("a",))]
    assert "first on line 1" in document.duplicates[1].expected


def test_a_byte_order_mark_is_not_part_of_the_first_key(tmp_path: Path) -> None:
    assert _read(tmp_path, b"\xef\xbb\xbfa: 1\n").data == {"a": 1}


@pytest.mark.parametrize("content", ["", "# only a comment\n", "---\n"])
def test_an_empty_document_is_none(tmp_path: Path, content: str) -> None:
    assert _read(tmp_path, content).data is None


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("a: 1\nb: &x 2\n", ":2: b: anchors and aliases"),
        ("a: 1\nb: *x\n", ":2: b: anchors and aliases"),
        ("a: [1, &x 2]\n", ":1: a[1]: anchors and aliases"),
        ("a: 1\nb: !!python/name:os.system x\n", ":2: b: the tag '!!python/name:os.system' is not accepted"),
        ("a: !secret 2\n", ":1: a: the tag '!secret' is not accepted"),
        ("!!str a: 2\n", ":1: the tag '!!str' is not accepted"),
        ("a: 1\n---\nb: 2\n", ":2: a second YAML document starts here"),
        ("? [a, b]\n: 1\n", ":1: a list or mapping is used as a key"),
        ("a: 1\n b: 2\n", ":2: not valid YAML: mapping values are not allowed here: check indentation"),
        ("a: 1\nb: 'x\n", ":3: not valid YAML: found unexpected end of stream"),
        ("a: 1\n\tb: 2\n", ":2: not valid YAML: found character '\\t'"),
        ("a: 1\nb: \x01\n", ":2: not valid YAML: character U+0001 is not allowed"),
        (b"a: 1\nb: \xff\n", ":2: not UTF-8 text"),
        ("a: 1\n".encode("utf-16"), ":1: not UTF-8 text"),
        ('a: "\\ud800"\n', ":1: a: half of a surrogate pair"),
        ('a: "\\UFFFFFFFF"\n', ":1: not valid YAML: an escape or number is out of range"),
        ("[" * 100_000, "nested more than 16 levels deep"),
        ("a: {" * 5_000, "nested more than 16 levels deep"),
        ("? " * 5_000, "a list or mapping is used as a key"),
        (b"#" * (MAX_BYTES + 1), f": larger than {MAX_BYTES} bytes"),
    ],
)
def test_what_is_not_strict_yaml_is_one_sentence(tmp_path: Path, content: str | bytes, expected: str) -> None:
    assert expected in _error(tmp_path, content)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_yaml(tmp_path / "absent.yaml")
    with pytest.raises(PatinaError, match="not a regular file"):
        read_yaml(tmp_path)
    (tmp_path / "file").write_text("a: 1")
    with pytest.raises(PatinaError, match="cannot be read \\(Not a directory\\)"):
        read_yaml(tmp_path / "file" / "oxidize.yaml")
