"""What commits do not tell and HEAD does: files that a merge moved or removed, people by `.mailmap`; little churn."""

from pathlib import Path

from eventlog_builder import Event, append
from materialize_helpers import GitFolder, after, last_seq, live, rows, scrape

from patina_assets.pairs.types import PAIR_TYPES
from patina_resources.eventlog.reader import Eventlog
from patina_resources.materialize.run import materialize

GIT_SOURCES = list(
    {source.name: source for pair_type in PAIR_TYPES.values() for source in pair_type.sources if "git." in source.name}
    .values()
)  # fmt: skip
LINES = "".join(f"line {number}\n" for number in range(30))


def told(folder: GitFolder) -> dict[str, str | None]:
    return {row["data"]["path"]: row["data"]["now"] for row in live(folder.eventlog, "git.file")}


def files(folder: GitFolder) -> dict[str | None, str | None]:
    """Return the state of each file item."""
    pair_type = PAIR_TYPES["commit_touches"]
    read = Eventlog(folder.eventlog).read(pair_type.sources)
    data = pair_type.derive({name: source.rows for name, source in read.items()})
    return {item.file: item.state for item in data.items if item.kind == "file"}


def digests(folder: GitFolder) -> dict[str, str]:
    look = Eventlog(folder.eventlog).look(GIT_SOURCES)
    return {name: source.digest for name, source in look.digests.items()}


def facts(folder: GitFolder) -> set[tuple[str, str]]:
    return {(row["source_id"], repr(row["data"])) for row in live(folder.eventlog, "git")}


# Files


def test_a_moved_folder_is_known_by_its_new_name(folder: GitFolder) -> None:
    folder.write("old_pkg/a.py", LINES)
    folder.write("old_pkg/b.py", LINES.upper())
    folder.write("gone.py", "x\n")
    folder.commit("start")
    (folder.path / "src").mkdir()
    folder.git("mv", "old_pkg", "src/new_pkg")
    folder.commit("move")
    folder.git("rm", "-q", "gone.py")
    folder.commit("delete")
    assert scrape("git", folder).new == {"git.commit": 3}
    assert files(folder) == {"src/new_pkg/a.py": None, "src/new_pkg/b.py": None, "gone.py": "removed"}


def test_what_was_changed_on_a_branch_while_it_was_moved_is_followed(folder: GitFolder) -> None:
    folder.write("old.py", LINES)
    folder.write("doomed.py", LINES.upper())
    folder.commit("start")
    folder.git("checkout", "-q", "-b", "side")
    folder.write("old.py", LINES + "more\n")
    folder.write("doomed.py", LINES.upper() + "MORE\n")
    folder.git("mv", "doomed.py", "moved_doomed.py")
    folder.commit("side")
    folder.git("checkout", "-q", "main")
    folder.git("mv", "old.py", "new.py")
    folder.commit("move")
    folder.git("merge", "-q", "--no-commit", "side")
    folder.git("rm", "-q", "-f", "moved_doomed.py")
    folder.write("new.py", LINES + "more\nand more\n")
    folder.commit("merge")
    assert scrape("git", folder).new == {"git.commit": 4, "git.file": 1}
    assert told(folder) == {"moved_doomed.py": None}
    assert files(folder) == {"new.py": None, "moved_doomed.py": "removed"}
    folder.git("checkout", "-q", "side", "--", "moved_doomed.py")
    seq = last_seq(folder.eventlog)
    folder.commit("back")
    assert scrape("git", folder).new == {"git.commit": 1}
    assert after(folder.eventlog, seq) == {"git.commit": 1, "git.removed": 1}
    assert told(folder) == {}
    assert files(folder)["moved_doomed.py"] is None


def test_a_merge_that_writes_a_name_in_another_case_moves_the_file(folder: GitFolder) -> None:
    folder.write("src/Parser.py", LINES)
    folder.write("src/Gone.py", LINES.upper())
    folder.commit("start")
    folder.git("checkout", "-q", "-b", "side")
    folder.write("other.py", "x\n")
    folder.commit("side")
    folder.git("checkout", "-q", "main")
    folder.write("more.py", "y\n")
    folder.commit("main")
    folder.git("merge", "-q", "--no-commit", "side")
    folder.git("mv", "src/Parser.py", "src/parser.py")
    folder.git("rm", "-q", "src/Gone.py")
    folder.commit("merge")
    scrape("git", folder)
    assert told(folder) == {"src/Parser.py": "src/parser.py", "src/Gone.py": None}
    folder.write("src/parser.py", LINES + "more\n")
    folder.commit("after")
    scrape("git", folder)
    assert told(folder) == {"src/Parser.py": "src/parser.py", "src/Gone.py": None}
    assert files(folder) == {"src/parser.py": None, "src/Gone.py": "removed", "other.py": None, "more.py": None}


def test_a_merge_that_removes_one_of_two_names_that_differ_in_case_moves_nothing(folder: GitFolder) -> None:
    folder.write("Makefile", LINES)
    folder.write("makefile", LINES.upper())
    folder.commit("start")
    folder.git("checkout", "-q", "-b", "side")
    folder.write("other.py", "x\n")
    folder.commit("side")
    folder.git("checkout", "-q", "main")
    folder.git("merge", "-q", "--no-commit", "--no-ff", "side")
    folder.git("rm", "-q", "Makefile")
    folder.commit("merge")
    scrape("git", folder)
    assert told(folder) == {"Makefile": None}


def test_a_run_that_ended_between_its_two_steps_is_completed(folder: GitFolder) -> None:
    test_what_was_changed_on_a_branch_while_it_was_moved_is_followed(folder)
    folder.git("reset", "-q", "--hard", "HEAD~1")
    scrape("git", folder)
    expected = rows(folder.eventlog)
    append(folder.eventlog, [Event("git.removed", {"seqs": [row["seq"] for row in live(folder.eventlog, "git.file")]})])
    assert told(folder) == {}
    assert scrape("git", folder, full=True).new == {"git.file": 1}
    assert told(folder) == {"moved_doomed.py": None}
    assert scrape("git", folder, full=True).new == {}
    assert len(rows(folder.eventlog)) == len(expected) + 2


# People


def commit_as(folder: GitFolder, name: str, email: str, message: str) -> None:
    folder.write("a", message)
    folder.commit(message, f"--author={name} <{email}>")


def people(folder: GitFolder) -> list[tuple[str, str, str | None]]:
    payloads = [row["data"] for row in live(folder.eventlog, "git.commit")]
    return [(data["author_name"], data["author_email"], data.get("recorded_author")) for data in payloads]


def authors(folder: GitFolder) -> list[str]:
    source = PAIR_TYPES["same_author"].source
    return [row[-1] for row in Eventlog(folder.eventlog).read([source])[source.name].rows]


MAILMAP = "Ada Lovelace <ada@new.org> <ada@old.org>\nGrace <grace@x.org> Amazing <g@y.org>\n"


def test_an_author_is_named_as_mailmap_names_them(folder: GitFolder) -> None:
    commit_as(folder, "Ada", "ada@old.org", "one")
    commit_as(folder, "ADA", "Ada@Old.org", "two")
    commit_as(folder, "Amazing", "g@y.org", "three")
    commit_as(folder, "Other", "g@y.org", "four")
    folder.write(".mailmap", MAILMAP)
    commit_as(folder, "Ada Lovelace", "ada@new.org", "five")
    assert scrape("git", folder).new == {"git.commit": 5}
    assert people(folder) == [
        ("Ada Lovelace", "ada@new.org", "Ada <ada@old.org>"),
        ("Ada Lovelace", "ada@new.org", "ADA <Ada@Old.org>"),
        ("Grace", "grace@x.org", "Amazing <g@y.org>"),
        ("Other", "g@y.org", None),
        ("Ada Lovelace", "ada@new.org", None),
    ]
    log = folder.git("log", "--reverse", "--format=%aN %aE").decode().splitlines()
    assert [f"{name} {email}" for name, email, _ in people(folder)] == log


def test_a_mailmap_that_comes_later_takes_back_no_commit(folder: GitFolder) -> None:
    for number in range(20):
        commit_as(folder, "Ada", "ada@old.org", f"commit {number}")
    scrape("git", folder)
    seq = last_seq(folder.eventlog)
    folder.write(".mailmap", MAILMAP)
    commit_as(folder, "Ada", "ada@old.org", "mailmap")
    scrape("git", folder)
    assert after(folder.eventlog, seq) == {"git.commit": 1, "git.identity": 1}
    assert authors(folder) == ["ada@new.org"] * 21
    folder.write(".mailmap", "# nobody\n")
    commit_as(folder, "Ada", "ada@old.org", "no mailmap")
    scrape("git", folder)
    # All of them are one person still: the one commit that was named otherwise has its own identity back.
    assert authors(folder) == ["ada@old.org"] * 22
    seq = last_seq(folder.eventlog)
    scrape("git", folder, full=True)
    assert last_seq(folder.eventlog) == seq


def test_settings_of_a_repository_name_no_mailmap(folder: GitFolder, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_text("Somebody <s@b> <ada@old.org>\n")
    folder.git("config", "mailmap.file", str(tmp_path / "elsewhere"))
    folder.git("config", "mailmap.blob", "HEAD:people")
    folder.write("people", "Somebody <s@b> <ada@old.org>\n")
    folder.write(".mailmap/not a file", "x\n")
    commit_as(folder, "Ada", "ada@old.org", "one")
    scrape("git", folder)
    assert people(folder) == [("Ada", "ada@old.org", None)]


# Churn


def test_a_commit_that_is_taken_back_leaves_nothing_stale(folder: GitFolder) -> None:
    folder.write("a.py", LINES)
    folder.write("b.py", LINES)
    folder.commit("one")
    scrape("git", folder)
    before = digests(folder), facts(folder)
    folder.git("mv", "a.py", "c.py")
    folder.write(".mailmap", "Lovelace <a@l> <ada@example.org>\n")
    folder.commit("two")
    scrape("git", folder)
    assert (digests(folder), facts(folder)) != before
    folder.git("reset", "-q", "--hard", "HEAD~1")
    scrape("git", folder)
    assert (digests(folder), facts(folder)) == before


def test_a_branch_and_back_appends_as_much_as_differs(folder: GitFolder) -> None:
    for number in range(10):
        folder.write(f"{number}.py", LINES + str(number))
        folder.commit(f"commit {number}")
    folder.git("checkout", "-q", "-b", "side", "HEAD~2")
    folder.git("mv", "0.py", "zero.py")
    folder.commit("on the side")
    folder.git("checkout", "-q", "main")
    scrape("git", folder)
    before = facts(folder)
    seq = last_seq(folder.eventlog)
    for branch in ("side", "main"):
        folder.git("checkout", "-q", branch)
        scrape("git", folder)
    # Two commits are not on the other branch, and one is not on this one.
    assert after(folder.eventlog, seq) == {"git.removed": 3, "git.commit": 3}
    assert facts(folder) == before
    assert scrape("git", folder, full=True).new == {}


# What is live


def test_odd_removals_double_nothing(folder: GitFolder) -> None:
    folder.write("a.py", "def f():\n    g()\n")
    folder.write("layer/sessions/20240102-030405.md", "# Session: One\n\n## Goals\n- [ ] a goal that is long enough\n")
    folder.commit("one")
    materialize(folder.path, folder.eventlog)
    odd = [[None], [1.0, "2", -1, 0, 10**30, [3], {"seq": 4}, True, 99], {"a": 1}, 1, "1", None]
    kinds = ("git.removed", "session.removed", "code.removed", "git.file", "git.identity")
    append(folder.eventlog, [Event(kind, {"seqs": seqs}) for kind in kinds for seqs in odd])
    append(folder.eventlog, [Event("git.removed", text) for text in ("[]", "null", "1", '"seqs"', '{"seqs": [[[1]]]}')])
    seq = last_seq(folder.eventlog)
    for _ in range(2):
        for report in materialize(folder.path, folder.eventlog, full=True):
            assert report.new == {}
    assert last_seq(folder.eventlog) == seq
    assert len(Eventlog(folder.eventlog).read(GIT_SOURCES)["git.commits"].rows) == 1
