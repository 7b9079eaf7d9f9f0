"""What people type for a place, what texts say of files, and where lines stand at HEAD."""

import hashlib

import pytest
from refusals import refusal

from patina_assets.facts.lines import ReadFile, Span, span_at_head
from patina_assets.facts.mentions import NamedFiles
from patina_assets.facts.typed import known_path, typed

KNOWN = {"src/walk.rs", "src/exec/mod.rs", "src/fmt/mod.rs", "README.md", "odd:12"}
OLD = {"src/old.rs": "src/walk.rs"}


@pytest.mark.parametrize(
    ("text", "folder", "expected"),
    [
        ("src/walk.rs", "", ("src/walk.rs", None)),
        ("./src/../src/walk.rs:12", "", ("src/walk.rs", 12)),
        ("walk.rs:12:5", "src", ("src/walk.rs", 12)),
        ("../README.md", "src", ("README.md", None)),
        ("src/walk.rs", "src/exec", ("src/walk.rs", None)),
        ("walk.rs", "", ("src/walk.rs", None)),
        ("exec/mod.rs:3", "", ("src/exec/mod.rs", 3)),
        ("odd:12", "", ("odd:12", None)),
        ("src/old.rs:7", "", ("src/walk.rs", 7)),
        ("alk.rs", "", ("", None)),
        ("src/walk.rs:0", "", ("", None)),
    ],
)
def test_a_path_is_known_as_it_is_typed(text: str, folder: str, expected: tuple[str, int | None]) -> None:
    assert known_path(typed(text, folder), KNOWN, OLD.get) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mod.rs", "'mod.rs' is the name of 2 things: src/exec/mod.rs, src/fmt/mod.rs: write more of the path"),
        ("src/", "'src/' is a folder: expected a file, such as src/exec/mod.rs"),
        (" ", "nothing is named: expected a path, PATH:LINE, a symbol, a commit or a session"),
        ("x" * 5_000, "expected a name of at most 4096 characters, got 5000"),
    ],
)
def test_what_is_no_one_path_is_one_sentence(text: str, said: str) -> None:
    assert refusal(lambda: known_path(typed(text), KNOWN, OLD.get)) == said


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("the walk is in `src/walk.rs`.", {"src/walk.rs"}),
        ("see (./src/walk.rs:12), and README.md!", {"src/walk.rs", "README.md"}),
        ("walk.rs was split", {"src/walk.rs"}),
        ("exec/mod.rs, not fmt", {"src/exec/mod.rs"}),
        ("mod.rs is one of two", set()),
        ("walk, README and src/", set()),
        ("src/walk.rs.bak and xsrc/walk.rs", set()),
    ],
)
def test_a_text_names_files(text: str, expected: set[str]) -> None:
    assert NamedFiles(KNOWN).named(text) == expected


HEAD = b"import a\n\ndef f():\n    return 1\n\ndef g():\n    return 2\n"
SPANS = (Span(1, 7, "type", "all"), Span(3, 4, "function", "f"), Span(6, 7, "function", "g"))


def read(content: bytes, *spans: Span) -> ReadFile:
    return ReadFile(hashlib.sha256(content).hexdigest(), spans)


@pytest.mark.parametrize(
    ("worktree", "line", "known", "expected"),
    [
        (HEAD, 4, read(HEAD, *SPANS), Span(3, 4, "function", "f")),
        (None, 6, read(HEAD, *SPANS), Span(6, 7, "function", "g")),
        (HEAD, 2, read(HEAD, *SPANS[1:]), Span(2, 2)),
        (HEAD, 4, None, Span(4, 4)),
        (HEAD, 4, read(b"another version", *SPANS), Span(4, 4)),
        # Two lines are added on top, and the eventlog knows HEAD, or the working tree.
        (b"x\ny\n" + HEAD, 8, read(HEAD, *SPANS), Span(6, 7, "function", "g")),
        (b"x\ny\n" + HEAD, 8, read(b"x\ny\n" + HEAD, Span(8, 9, "function", "g")), Span(6, 7, "function", "g")),
        # A line is added within f: its first and last line are where they were.
        (
            HEAD.replace(b"    return 1\n", b"    print()\n    return 1\n"),
            4,
            read(HEAD.replace(b"    return 1\n", b"    print()\n    return 1\n"), Span(3, 5, "function", "f")),
            Span(3, 4, "function", "f"),
        ),
    ],
)
def test_a_line_is_followed_to_head(worktree: bytes | None, line: int, known: ReadFile | None, expected: Span) -> None:
    found = span_at_head(line, worktree, HEAD, known)
    assert (found.span, found.why_not) == (expected, "")


@pytest.mark.parametrize(
    ("worktree", "head", "line", "why_not"),
    [
        (HEAD.replace(b"return 1", b"return 9"), HEAD, 4, "this line has changes that are not committed"),
        (HEAD, None, 4, "HEAD does not have this file"),
        (None, None, 4, "it is neither in the working tree nor at HEAD"),
    ],
)
def test_a_line_that_head_does_not_have_is_said(
    worktree: bytes | None, head: bytes | None, line: int, why_not: str
) -> None:
    found = span_at_head(line, worktree, head, None)
    assert (found.span, found.why_not) == (None, why_not)


def test_a_line_beyond_the_end_is_refused() -> None:
    assert refusal(lambda: span_at_head(8, HEAD, HEAD, None)) == "there is no line 8: the file has 7 lines"
