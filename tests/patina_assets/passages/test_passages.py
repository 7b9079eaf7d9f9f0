"""Passages: what is cut out of code, commits and notes, and with which lines."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from eventlog_builder import Event, build_eventlog, commit, function
from materialize_helpers import GitFolder

from patina_assets.pairs.files import FILE_HISTORY, read_files
from patina_assets.passages.code import CODE_DEFINITIONS, CODE_FILES, code_passages, signature_of
from patina_assets.passages.documents import DOCUMENTS, document_passages
from patina_assets.passages.files import files_to_read
from patina_assets.passages.history import COMMITS, commit_passages, file_passages
from patina_assets.passages.passage import PART_CHARACTERS, PART_LINES, PART_OVERLAP, Passage, parts_of
from patina_assets.passages.roles import Role, role_of, role_of_commit
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.run import materialize
from patina_resources.materialize.texts import texts_of_files

SOURCE = '''"""A cache."""

LIMIT = 100


class Cache:
    """Keeps what is asked for often."""

    size = 1

    def put(self, key, value):
        """Store a value under a key."""
        self.entries[key] = value


# Empties it.
def clear(cache):
    cache.entries = {}
'''


def passages_of(eventlog: Path, texts: dict[str, str]) -> list[Passage]:
    rows = Eventlog(eventlog).read([CODE_FILES, CODE_DEFINITIONS])
    return list(code_passages(rows[CODE_FILES.name].rows, rows[CODE_DEFINITIONS.name].rows, texts))


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    made = GitFolder(tmp_path / "project")
    made.write("src/cache.py", SOURCE)
    made.commit("Add a cache")
    return made


def read_again(folder: GitFolder, tmp_path: Path) -> list[Passage]:
    eventlog = tmp_path / "patina.db"
    materialize(folder.path, eventlog)
    files = files_to_read(Eventlog(eventlog).read([CODE_FILES])[CODE_FILES.name].rows)
    return passages_of(eventlog, texts_of_files(folder.path, files))


def test_a_definition_is_a_passage_with_its_lines_doc_and_text(folder: GitFolder, tmp_path: Path) -> None:
    found = {passage.symbol or passage.kind: passage for passage in read_again(folder, tmp_path)}
    put = found["Cache.put"]
    assert (put.kind, put.path, put.line, put.end_line) == ("function", "src/cache.py", 11, 13)
    assert put.doc == "def put(self, key, value):\nStore a value under a key."
    assert "self.entries[key] = value" in put.body
    cache = found["Cache"]
    assert (cache.kind, cache.line, cache.end_line) == ("type", 6, 13)
    assert "size = 1" in cache.body
    assert "entries" not in cache.body
    assert found["clear"].doc == "def clear(cache):\nEmpties it."
    rest = found["code"]
    assert "LIMIT = 100" in rest.body
    assert "def put" not in rest.body


def test_a_line_above_moves_a_passage_and_leaves_its_text(folder: GitFolder, tmp_path: Path) -> None:
    before = {passage.symbol: passage for passage in read_again(folder, tmp_path)}
    folder.write("src/cache.py", "# More.\n" + SOURCE)
    after = {passage.symbol: passage for passage in read_again(folder, tmp_path)}
    assert after["clear"].line == (before["clear"].line or 0) + 1
    assert after["clear"].text == before["clear"].text


def test_text_is_read_by_its_digest_alone(folder: GitFolder, tmp_path: Path) -> None:
    digest = hashlib.sha256(SOURCE.encode()).hexdigest()
    asked = [("src/cache.py", digest)]
    assert texts_of_files(folder.path, asked) == {"src/cache.py": SOURCE}
    folder.write("src/cache.py", "other = 1\n")  # HEAD has it still
    assert texts_of_files(folder.path, asked) == {"src/cache.py": SOURCE}
    folder.commit("Change it")
    assert texts_of_files(folder.path, asked) == {}
    outside = hashlib.sha256(b"secret").hexdigest()
    (tmp_path / "secret").write_bytes(b"secret")
    for path in ("../secret", str(tmp_path / "secret"), "src/../../secret", "a\0b", "a\nb"):
        assert texts_of_files(folder.path, [(path, outside)]) == {}
    assert texts_of_files(tmp_path, asked) == {}


def test_without_its_text_a_file_is_what_events_say_of_it(folder: GitFolder, tmp_path: Path) -> None:
    read_again(folder, tmp_path)
    found = {passage.symbol: passage for passage in passages_of(tmp_path / "patina.db", {})}
    assert found["Cache.put"].doc == "Cache.put(self, key, value)\nStore a value under a key."
    assert found["Cache.put"].line is None
    older = build_eventlog(tmp_path / "older.db", [function("./src/a.rs", "read", ["path"])])
    (only,) = passages_of(older, {})
    assert (only.kind, only.symbol, only.path, only.doc) == ("function", "read", "src/a.rs", "read(path)")


@pytest.mark.parametrize(
    "lines", ["[]", "{}", '{"code.function": 3}', '{"code.function": {"f": [[9, 2, "x"], [1], "y", [true, 1, "x"]]}}']
)
def test_lines_of_no_sense_are_none(tmp_path: Path, lines: str) -> None:
    data = {"file": "./a.py", "digest": "0" * 64, "lines": json.loads(lines)}
    events = [function("./a.py", "f"), Event("code.file", data, source_id="./a.py", source_file="./a.py")]
    found = passages_of(build_eventlog(tmp_path / "odd.db", events), {"a.py": "def f():\n    return 'what is there'\n"})
    assert {passage.path for passage in found} == {"a.py"}


def test_a_long_text_is_cut_into_parts_that_overlap() -> None:
    lines = [f"line {number}" for number in range(100)]
    parts = list(parts_of(lines, 11))
    assert parts[0] == (11, 10 + PART_LINES, "\n".join(lines[:PART_LINES]))
    assert parts[1][0] == 11 + PART_LINES - PART_OVERLAP
    assert parts[-1][1] == 110
    assert {number for first, last, _ in parts for number in range(first, last + 1)} == set(range(11, 111))
    assert list(parts_of(["one"], 1)) == [(1, 1, "one")]
    assert list(parts_of([], 1)) == []
    wide = list(parts_of(["x" * 10_000, "y"], 1))
    assert [len(text) for _, _, text in wide] == [PART_CHARACTERS, 1]


@pytest.mark.parametrize(
    ("lines", "signature"),
    [
        (["def f(x):", "    return x"], "def f(x):"),
        (["fn f(", "    x: u8,", ") -> u8 {", "    x", "}"], "fn f( x: u8, ) -> u8"),
        (["const f = (x) =>", "  x;"], "const f = (x) =>"),
        ([], ""),
    ],
)
def test_a_signature_ends_where_the_body_begins(lines: list[str], signature: str) -> None:
    assert signature_of(lines) == signature


def test_a_commit_is_its_subject_body_author_and_paths(tmp_path: Path) -> None:
    data = {"body": "It was slow.\n\nSigned-off-by: A <a@b>", "author_name": "Ada"}
    event = commit("c0", "src/a.py", "b.py", message="Cache it")
    event = replace(event, data={**event.data, **data})  # type: ignore[dict-item]
    (found,) = history_of(build_eventlog(tmp_path / "patina.db", [event]))[0]
    assert (found.kind, found.symbol, found.body, found.author) == ("commit", "Cache it", "It was slow.", "Ada")
    assert (found.commit, found.paths, found.thing) == ("c0", ("b.py", "src/a.py"), "commit c0")


def history_of(eventlog: Path, read: frozenset[str] = frozenset()) -> tuple[list[Passage], list[Passage]]:
    rows = {name: found.rows for name, found in Eventlog(eventlog).read([COMMITS, FILE_HISTORY]).items()}
    files = read_files(rows[FILE_HISTORY.name])
    return list(commit_passages(rows[COMMITS.name], files)), list(file_passages(rows[COMMITS.name], files, read))


def test_merges_and_large_commits_are_found(tmp_path: Path) -> None:
    events = [commit("merge", message="Merge it"), commit("large", *(f"{number}.txt" for number in range(60)))]
    found, _ = history_of(build_eventlog(tmp_path / "patina.db", events))
    assert [(passage.commit, len(passage.paths)) for passage in found] == [("large", 20), ("merge", 0)]


def test_a_moved_file_is_found_by_its_newest_name_and_a_removed_one_says_so(folder: GitFolder, tmp_path: Path) -> None:
    folder.write("old.cfg", "a = 1\n")
    folder.write("gone.cfg", "b = 1\n")
    folder.commit("Add settings")
    folder.git("mv", "old.cfg", "new.cfg")
    folder.git("rm", "-q", "gone.cfg")
    folder.commit("Move and remove")
    materialize(folder.path, tmp_path / "patina.db", only=["git"])
    commits, files = history_of(tmp_path / "patina.db", frozenset({"src/cache.py"}))
    assert {(passage.path, passage.state) for passage in files} == {("new.cfg", None), ("gone.cfg", "removed")}
    assert [passage.paths for passage in commits][1] == ("gone.cfg", "new.cfg")


@pytest.mark.parametrize(
    ("path", "role"),
    [
        ("src/main.rs", Role.SOURCE),
        ("src/testing_room.py", Role.SOURCE),
        ("latest.py", Role.SOURCE),
        ("tests/a.py", Role.TEST),
        ("src/a_test.go", Role.TEST),
        ("src/a.spec.ts", Role.TEST),
        ("src/test_a.py", Role.TEST),
        ("src/CacheTest.java", Role.TEST),
        ("examples/a.py", Role.EXAMPLE),
        ("CHANGELOG.md", Role.CHANGELOG),
        ("docs/news.rst", Role.CHANGELOG),
        ("src/history.rs", Role.SOURCE),
        ("vendor/a.c", Role.VENDORED),
        ("Cargo.lock", Role.GENERATED),
        ("docs/logo.PNG", Role.BINARY),
        ("tests/data.tar.gz", Role.BINARY),
        ("src/png.py", Role.SOURCE),
        ("docs/guide.md", Role.DOCUMENT),
        ("README.zh-CN.md", Role.TRANSLATED),
        ("readme_ja.md", Role.TRANSLATED),
        ("guide.fr.md", Role.TRANSLATED),
        ("docs/ja/guide.rst", Role.TRANSLATED),
        ("website/i18n/zh-CN/current/a.mdx", Role.TRANSLATED),
        ("docs/how-to-use-it.md", Role.DOCUMENT),
        ("docs/items/id/a.md", Role.DOCUMENT),
        ("docs/zh-CN/a.py", Role.SOURCE),
        ("", Role.SOURCE),
        ("Makefile", Role.TEXT),
        ("ci/build.yml", Role.TEXT),
        ("include/fmt/bundled/core.h", Role.VENDORED),
        ("integration-tests/a.py", Role.TEST),
        ("src/Shop.Tests/Cart.cs", Role.TEST),
        ("src/UnitTests/Cart.cs", Role.TEST),
        ("app/src/androidTest/java/a/Cart.java", Role.TEST),
        ("src/contests/a.py", Role.SOURCE),
        ("src/Latest/a.cs", Role.SOURCE),
        ("src/testimony/a.py", Role.SOURCE),
    ],
)
def test_a_path_tells_what_a_file_is_there_for(path: str, role: Role) -> None:
    assert role_of(path) is role


@pytest.mark.parametrize(
    ("path", "symbol", "role"),
    [
        ("src/a.rs", "tests::finds", Role.INNER_TEST),
        ("src/a.rs", "walk::test::finds", Role.INNER_TEST),
        ("src/a.rs", "contests::finds", Role.SOURCE),
        ("src/a.rs", "tests", Role.SOURCE),
        ("tests/a.rs", "tests::finds", Role.TEST),
    ],
)
def test_a_test_in_a_source_is_known(path: str, symbol: str, role: Role) -> None:
    assert Passage("function", "x", symbol, path=path).role is role


def test_what_a_file_says_is_a_test_is_one_with_and_without_its_text(folder: GitFolder, tmp_path: Path) -> None:
    source = "pub fn grow() {}\n#[cfg(test)]\nmod checks {\n    struct Fake;\n    #[test]\n    fn grows() {}\n}\n"
    folder.write("src/tree.rs", source)
    told = {passage.symbol: passage for passage in read_again(folder, tmp_path)}
    alone = {passage.symbol: passage for passage in passages_of(tmp_path / "patina.db", {})}
    for found in (told, alone):
        assert {name: found[name].role for name in ("grow", "checks::grows", "checks::Fake")} == {
            "grow": Role.SOURCE,
            "checks::grows": Role.INNER_TEST,
            "checks::Fake": Role.INNER_TEST,
        }
    folder.write("tests/tree.rs", source)
    again = [passage for passage in read_again(folder, tmp_path) if passage.path == "tests/tree.rs"]
    assert {passage.role for passage in again} == {Role.TEST}


@pytest.mark.parametrize(
    ("length", "paths", "role"),
    [
        (200, ["README.md", "src/a.rs"], Role.SOURCE),
        (199, ["src/a.rs"], Role.BRIEF),
        (200, ["tests/a.py", "README.md", ".github/build.yml"], Role.ASIDE),
        (199, ["README.md"], Role.BRIEF_ASIDE),
        (200, [], Role.ASIDE),
        (200, ["go.mod", "go.sum"], Role.ASIDE),
        (200, ["go.mod", "Makefile"], Role.SOURCE),
    ],
)
def test_a_commit_says_much_or_little_and_touches_source_or_not(length: int, paths: list[str], role: Role) -> None:
    assert role_of_commit("x" * length, paths) is role
    assert Passage("commit", "x" * length, commit="a" * 40, paths=tuple(paths)).role is role


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_a_section_is_a_passage_with_its_headings_and_lines(folder: GitFolder, tmp_path: Path, end: str) -> None:
    folder.write("docs/guide.md", end.join(["# Guide", "Welcome.", "## Install", "Run it.", ""]))
    folder.commit("Add a guide")
    eventlog = tmp_path / "patina.db"
    materialize(folder.path, eventlog)
    rows = Eventlog(eventlog).read([DOCUMENTS])[DOCUMENTS.name].rows
    texts = texts_of_files(folder.path, files_to_read(rows))
    found = [(entry.symbol, entry.line, entry.body.strip()) for entry in document_passages(rows, texts)]
    assert found == [("Guide", 1, "# Guide\nWelcome."), ("Guide > Install", 3, "## Install\nRun it.")]
    (whole, _) = document_passages(rows, {})
    assert (whole.symbol, whole.body) == ("Guide", "")


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("/*\n * Copyright (C) 2008 A\n */\npackage p; // a sentence\n", "package p; // a sentence"),
        ("// Copyright 2014 A.\n// All rights.\n\n// Package p does it all.\npackage p\n", "// Package p does it all."),
        ("#!/usr/bin/env python\n# SPDX-License-Identifier: MIT\nimport everything_else\n", "import everything_else"),
        ("# Reads what others wrote.\nimport everything_else\n", "# Reads what others wrote."),
        ("// distributed under what terms\n" * 3, ""),
    ],
)
def test_a_licence_at_the_head_of_a_file_is_no_passage(text: str, first: str) -> None:
    rows = [("a.go", "digest", "{}")]
    found = [passage.body.partition("\n")[0] for passage in code_passages(rows, [], {"a.go": text})]
    assert found == [first] * bool(first)
