"""Source code -> eventlog: every fact once, and only what changed."""

import hashlib
import json
import sqlite3
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from materialize_helpers import GitFolder, after, last_seq, live, rows, scrape

from patina_resources.materialize.code import scraper
from patina_resources.materialize.code.languages import languages
from patina_resources.materialize.code.lines import LINE_KEYS
from patina_resources.materialize.code.source_files import is_text


def test_events_have_the_shared_keys(folder: GitFolder) -> None:
    folder.write("src/a.py", "import os\n\n\nclass A:\n    def f(self):\n        g()\n")
    folder.commit("one")
    kinds = ("code.function", "code.class", "code.type", "code.import", "code.call", "code.file")
    assert scrape("code", folder).new == dict.fromkeys(kinds, 1)
    function, kind, shared_kind, imported, call, file = rows(folder.eventlog)
    assert {row["timestamp"] for row in rows(folder.eventlog)} == {"2023-11-15T00:14:20+02:00"}
    assert (function["source_id"], function["source_file"]) == ("./src/a.py::A.f", "./src/a.py")
    assert function["data"] == {
        "file": "./src/a.py",
        "name": "f",
        "is_public": True,
        "is_async": False,
        "is_unsafe": False,
        "parameter_count": 1,
        "generic_count": 0,
        "parameters": ["self"],
        "return_type": None,
        "returns_result": False,
        "returns_option": False,
        "takes_mut_self": False,
        "takes_mut_params": False,
        "start_line": 5,
        "end_line": 6,
        "doc": "",
        "digest": hashlib.sha256(b"def f(self):\n        g()").hexdigest(),
    }
    assert (kind["source_id"], kind["data"]) == (
        "./src/a.py::A",
        {
            "file": "./src/a.py",
            "name": "A",
            "kind": "class",
            "definition": "class A:",
            "visibility": "pub",
            "usage_count": 0,
        },
    )
    digest = hashlib.sha256(b"class A:\n    def f(self):\n        g()").hexdigest()
    assert (shared_kind["source_id"], shared_kind["data"]) == (
        "./src/a.py::A",
        {**kind["data"], "start_line": 4, "end_line": 6, "doc": "", "digest": digest},
    )
    assert (imported["source_id"], imported["data"]) == (
        "./src/a.py::os",
        {
            "file": "./src/a.py",
            "import_path": "os",
            "imported_names": ["os"],
            "import_kind": "external",
            "line_number": 1,
        },
    )
    assert (call["source_id"], call["data"]) == (
        "./src/a.py::A.f→g",
        {"file": "./src/a.py", "caller": "A.f", "callee": "g", "call_type": "direct", "line_number": 6},
    )
    assert (file["source_id"], file["source_file"], file["data"]) == (
        "./src/a.py",
        "./src/a.py",
        {
            "file": "./src/a.py",
            "language": "Python",
            "digest": hashlib.sha256((folder.path / "src/a.py").read_bytes()).hexdigest(),
            "lines": {
                "code.function": {"A.f": [[5, 6, function["data"]["digest"][:12]]]},
                "code.type": {"A": [[4, 6, digest[:12]]]},
                "code.import": {"os": [1]},
                "code.call": {"A.f→g": [6]},
            },
        },
    )


def without_lines(eventlog: Path) -> Counter[str]:
    """Return the live facts without when and where they are."""
    facts: Counter[str] = Counter()
    for row in live(eventlog):
        kept = {key: value for key, value in row["data"].items() if key not in LINE_KEYS}
        facts[json.dumps([row["event_type"], row["source_id"], kept], sort_keys=True)] += 1
    return facts


MOVABLE = {
    "a.py": ("import os\n\n\nclass A:\n    def f(self):\n        g()\n        os.x()\n", "# first\n\n"),
    "b.rs": ("use a::b;\nstruct S;\nfn f() { g(); }\n", "// first\n\n"),
    "c.cpp": ("#include <a>\nnamespace n { class C { int f() { return g(); } }; }\n", "\n/* first\n*/\n\n\n"),
}


@pytest.mark.parametrize("name", MOVABLE)
def test_what_moves_down_keeps_its_events(folder: GitFolder, name: str) -> None:
    source, above = MOVABLE[name]
    path = folder.write(name, source)
    folder.commit("one")
    scrape("code", folder)
    before, seq = without_lines(folder.eventlog), last_seq(folder.eventlog)
    (old,) = live(folder.eventlog, "code.file")
    path.write_text(above + source)
    report = scrape("code", folder)
    assert (report.new, report.retracted) == ({"code.file": 1}, {"code.file": 1})
    (new,) = live(folder.eventlog, "code.file")
    down = above.count("\n")
    for kind, places in old["data"]["lines"].items():
        for key, (place,) in places.items():
            moved = place + down if isinstance(place, int) else [place[0] + down, place[1] + down, place[2]]
            assert new["data"]["lines"][kind][key] == [moved]
    path.write_text(source)
    scrape("code", folder)
    assert without_lines(folder.eventlog) == before
    assert after(folder.eventlog, seq) == {"code.removed": 2, "code.file": 2}
    assert scrape("code", folder, full=True).new == {}


def test_an_older_eventlog_gets_what_is_new_once(folder: GitFolder) -> None:
    folder.write("a.py", "class A:\n    def f(self):\n        g()\n")
    folder.commit("one")
    scrape("code", folder)
    with closing(sqlite3.connect(folder.eventlog)) as connection, connection:
        connection.execute("DELETE FROM eventlog WHERE event_type IN ('code.file', 'code.type')")
        connection.execute(
            "UPDATE eventlog SET data = json_remove(data, '$.start_line', '$.end_line', '$.doc', '$.digest')"
        )
        connection.execute("UPDATE scraped_files SET digest = '1' || substr(digest, instr(digest, ':'))")
    report = scrape("code", folder)
    assert report.new == {"code.function": 1, "code.type": 1, "code.file": 1}
    assert report.retracted == {"code.function": 1}
    again = scrape("code", folder, full=True)
    assert (again.new, again.retracted) == ({}, {})


def test_only_what_changed_is_appended_and_taken_back(folder: GitFolder) -> None:
    path = folder.write("a.py", "def f(x):\n    g()\n    g()\n\n\ndef h():\n    pass\n")
    folder.write("b.py", "def b():\n    pass\n")
    folder.commit("one")
    scrape("code", folder)
    again = scrape("code", folder)
    assert (again.new, again.known) == ({}, {"code.call": 2, "code.file": 2, "code.function": 3})
    seq = last_seq(folder.eventlog)
    path.write_text("def f(x, y):\n    g()\n    g()\n    k()\n\n\ndef h():\n    pass\n")
    report = scrape("code", folder)
    assert report.new == {"code.function": 1, "code.call": 1, "code.file": 1}
    assert report.retracted == {"code.function": 1, "code.file": 1}
    assert after(folder.eventlog, seq) == {"code.removed": 1, "code.function": 1, "code.call": 1, "code.file": 1}
    (removed,) = rows(folder.eventlog, "code.removed")
    assert (removed["source_id"], removed["data"]) == ("./a.py", {"file": "./a.py", "seqs": [1, 5]})
    (folder.path / "b.py").unlink()
    assert scrape("code", folder).retracted == {"code.function": 1, "code.file": 1}
    assert scrape("code", folder, full=True).new == {}
    assert {row["source_file"] for row in live(folder.eventlog)} == {"./a.py"}


def test_events_of_another_tool_are_kept_where_they_hold(folder: GitFolder) -> None:
    folder.write("a.py", "def f():\n    pass\n")
    folder.write("token.sol", "contract Token {}\n")
    folder.commit("one")
    scrape("code", folder)
    connection = sqlite3.connect(folder.eventlog)
    connection.execute("DELETE FROM scraped_files")
    for kind, file in (
        ("code.symbol", "./a.py"),
        ("code.function", "./token.sol"),
        ("code.function", "./gone.sol"),
        ("code.function", "a.py"),
    ):
        connection.execute(
            "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) VALUES (?, '', 'x', ?, '{}')",
            (kind, file),
        )
    connection.commit()
    connection.close()
    report = scrape("code", folder)
    assert (report.new, report.retracted) == ({}, {"code.function": 2})
    assert [(row["event_type"], row["source_file"]) for row in live(folder.eventlog)] == [
        ("code.function", "./a.py"),
        ("code.file", "./a.py"),
        ("code.file", "./token.sol"),
        ("code.symbol", "./a.py"),
        ("code.function", "./token.sol"),
    ]


def _told_by_another_tool(folder: GitFolder, digest: str | None = None) -> None:
    """Tell of a function in `token.sol`; with a digest, as a plugin that read the file so."""
    connection = sqlite3.connect(folder.eventlog)
    connection.execute(
        "INSERT INTO eventlog (event_type, timestamp, source_id, source_file, data) "
        "VALUES ('code.function', '', 'x', './token.sol', '{}')"
    )
    if digest is not None:
        connection.execute("UPDATE scraped_files SET digest = ?", (digest,))
    connection.commit()
    connection.close()


@pytest.mark.parametrize("content", ["contract Token {}\n" * 5_000, "contract Token {\0}\n", "a" * 5_000])
def test_what_another_tool_says_of_a_text_outlives_that_the_text_is_not_read_any_more(
    folder: GitFolder, content: str
) -> None:
    folder.write("token.sol", "contract Token {}\n")
    folder.commit("one")
    scrape("code", folder)
    _told_by_another_tool(folder)
    folder.write("token.sol", content)
    folder.commit("two")
    assert scrape("code", folder).retracted == {"code.file": 1}
    assert scrape("code", folder).retracted == {}
    assert [row["event_type"] for row in live(folder.eventlog)] == ["code.function"]
    (folder.path / "token.sol").unlink()
    assert scrape("code", folder).retracted == {"code.function": 1}


def test_what_a_plugin_said_that_is_gone_is_taken_back_where_its_files_are_text(folder: GitFolder) -> None:
    folder.write("token.sol", "contract Token {}\n")
    folder.commit("one")
    scrape("code", folder)
    _told_by_another_tool(folder, "6 patina-solidity 1.0:0")
    assert scrape("code", folder).retracted == {"code.function": 1}
    assert [row["event_type"] for row in live(folder.eventlog)] == ["code.file"]


def test_what_was_text_is_parsed_once_its_language_is_known(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.write("token.sol", "def token():\n    mint()\n")
    folder.commit("one")
    assert scrape("code", folder).new == {"code.file": 1}
    monkeypatch.setitem(languages.BY_SUFFIX, ".sol", languages.BY_NAME["Python"])
    monkeypatch.setattr(scraper, "is_text", is_text.__wrapped__)  # what it remembers is of before
    assert scrape("code", folder).new == {"code.function": 1, "code.call": 1, "code.file": 1}
    assert scrape("code", folder).new == {}


def test_what_a_sparse_checkout_leaves_out_is_not_gone(folder: GitFolder) -> None:
    for name in ("a/x.py", "b/y.py", "b/z.py"):
        folder.write(name, "def f():\n    g()\n")
    folder.commit("one")
    scrape("code", folder)
    before, seq = without_lines(folder.eventlog), last_seq(folder.eventlog)
    folder.git("sparse-checkout", "set", "a")
    assert not (folder.path / "b").exists()
    for full in (False, True):
        report = scrape("code", folder, full=full)
        assert report.skipped == ("code: 2 file(s) are not checked out: what is known of them stays",)
    assert (without_lines(folder.eventlog), last_seq(folder.eventlog)) == (before, seq)
    (folder.path / "a/x.py").unlink()
    assert scrape("code", folder).retracted == {"code.function": 1, "code.call": 1, "code.file": 1}
    folder.git("sparse-checkout", "disable")
    folder.git("rm", "-q", "b/y.py")
    assert scrape("code", folder).retracted == {"code.function": 1, "code.call": 1, "code.file": 1}
