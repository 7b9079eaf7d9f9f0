"""Commits as git keeps them: times, bodies, trailers, and the parts of a conventional message."""

import pytest
from materialize_helpers import GitFolder, rows, scrape

from patina_resources.materialize.git.conventional import parse_message
from patina_resources.materialize.run import materialize


def test_commits_that_no_git_command_wrote(folder: GitFolder) -> None:
    tip = folder.commit("one")
    tree = folder.git("rev-parse", "HEAD^{tree}").decode().strip()
    people = (
        b"author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000\n\nfirst\0:100644 a b M\0evil\0\n",
        b"author Nu\0l <a@b> 99999999999999999999 +9999\ncommitter A <a@b> -5 -0000\n\n12\t3\tno numstat\n",
        b"author A <a@b> what\ncommitter A <a@b> 1700000000 +0100\n\nthe committer knows\n",
        b"author A <> 17000000000000 -1300\ncommitter\n\nthe year 540678\n",
        b"\nno people\n",
    )
    for text in people:
        content = f"tree {tree}\nparent {tip}\n".encode() + text
        tip = folder.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=content).decode().strip()
    folder.git("update-ref", "refs/heads/main", tip)
    folder.write("a.py", "def f():\n    pass\n")
    materialize(folder.path, folder.eventlog, only=["git", "code"])
    unknown = "1970-01-01T00:00:00+00:00"
    assert [(row["data"]["message"], row["timestamp"], row["data"]["files"]) for row in rows(folder.eventlog, "git")][
        1:
    ] == [
        ("first", "2023-11-14T22:13:20+00:00", []),
        ("12\t3\tno numstat", "1969-12-31T23:59:55+00:00", []),
        ("the committer knows", "2023-11-14T23:13:20+01:00", []),
        ("the year 540678", "9999-12-31T23:59:59+00:00", []),
        ("no people", unknown, []),
    ]
    assert {row["timestamp"] for row in rows(folder.eventlog, "code")} == {unknown}
    authors = {(row["data"]["author_name"], row["data"]["author_email"]) for row in rows(folder.eventlog, "git.commit")}
    assert authors == {("Ada", "ada@example.org"), ("A", "a@b"), ("A", ""), ("", "")}
    assert rows(folder.eventlog, "git.identity") == []


def test_a_body_ends_its_lines_in_one_way(folder: GitFolder) -> None:
    tree = folder.git("mktree").decode().strip()
    people = "author A <a@b> 1700000000 +0000\ncommitter A <a@b> 1700000000 +0000"
    content = f"tree {tree}\n{people}\nencoding ISO-8859-1\n\ncaf\xe9\r\n\r\nOne \xe9,\r\ntwo.\r\n".encode("latin-1")
    sha = folder.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=content).decode().strip()
    folder.git("update-ref", "refs/heads/main", sha)
    scrape("git", folder)
    (row,) = rows(folder.eventlog)
    assert (row["data"]["message"], row["data"]["body"]) == ("café", "One é,\ntwo.")


@pytest.mark.parametrize(
    ("time", "expected", "seconds"),
    [
        ("1700000000 +0530", "2023-11-15T03:43:20+05:30", None),
        ("1700000000 +51800", "2023-11-14T22:13:20+00:00", None),
        ("1700000000 +0575", "2023-11-14T22:13:20+00:00", None),
        ("1700000000 -9900", "2023-11-14T22:13:20+00:00", None),
        ("-5 +0200", "1969-12-31T23:59:55+00:00", None),
        ("-14182940 +0000", "1969-07-20T20:17:40+00:00", None),
        ("-99999999999 +0000", "0001-01-01T00:00:00+00:00", -99999999999),
        ("253402300799 +0000", "9999-12-31T23:59:59+00:00", None),
        ("253402300800 +0000", "9999-12-31T23:59:59+00:00", 253402300800),
        ("17000000000000 -1300", "9999-12-31T23:59:59+00:00", 17000000000000),
    ],
)
def test_the_seconds_of_a_commit_are_kept_whatever_its_zone(
    folder: GitFolder, time: str, expected: str, seconds: int | None
) -> None:
    tree = folder.git("mktree").decode().strip()
    content = f"tree {tree}\nauthor A <a@b> {time}\ncommitter A <a@b> 1700000000 +0100\n\none\n".encode()
    sha = folder.git("hash-object", "-t", "commit", "-w", "--stdin", "--literally", stdin=content).decode().strip()
    folder.git("update-ref", "refs/heads/main", sha)
    report = scrape("git", folder)
    [row] = rows(folder.eventlog)
    assert (row["timestamp"], row["data"].get("author_seconds")) == (expected, seconds)
    usual = time in {"1700000000 +0530", "253402300799 +0000"}
    assert report.skipped == (
        ()
        if usual
        else (f"git: 1 commit(s) have a time zone or a year that does not exist: their time is in UTC ({sha[:10]})",)
    )


@pytest.mark.parametrize(
    ("message", "subject", "body"),
    [
        ("one", "one", None),
        ("one\n\ntwo\n\nthree\n", "one", "two\n\nthree"),
        ("one\ngoes on\n\ntwo\n", "one goes on", "two"),
        ("one\n\nSigned-off-by: A <a@b>\nFixes: #3\n", "one", "Signed-off-by: A <a@b>\nFixes: #3"),
        ("one\n\n\n    code\n\n\nend \n\n", "one", "    code\n\n\nend "),
    ],
)
def test_the_body_of_a_message_is_kept_with_its_trailers(
    folder: GitFolder, message: str, subject: str, body: str | None
) -> None:
    folder.commit(message, "--cleanup=verbatim")
    scrape("git", folder)
    [row] = rows(folder.eventlog)
    assert (row["data"]["message"], row["data"].get("body")) == (subject, body)


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("fix: a", ("fix", None, False, None, [])),
        ("docs(read me): a (#5)", ("docs", "read me", False, 5, [])),
        ("feat!: a", ("feat", None, True, None, [])),
        ("feat: a\n\nBREAKING CHANGE: b", ("feat", None, True, None, [])),
        ("Add a thing (#456)", (None, None, False, 456, [])),
        ("Merge pull request #789 from x/y", (None, None, False, 789, [])),
        ("Tidy\n\nCloses: #1\nresolved #2 and fixes #2", (None, None, False, None, [1, 2])),
        ("spec: a (#16), b (#6)", ("spec", None, False, 6, [])),
    ],
)
def test_conventional_commit_fields(message: str, expected: tuple[object, ...]) -> None:
    keys = ("type", "scope", "breaking", "pr_ref", "issue_refs")
    assert parse_message(message) == dict(zip(keys, expected, strict=True))


@pytest.mark.parametrize("message", ["", "Updated the README file", "see http://x: y", "fix 3 bugs", "a" * 100_000])
def test_messages_without_structure(message: str) -> None:
    assert parse_message(message) is None
