"""Issues and pull requests out of files of gh, glab, GitHub's and GitLab's APIs, and GitLab's project exports."""

import io
import json
from pathlib import Path
from typing import Any

import pytest
from materialize_helpers import GitFolder, rows
from processor_time import at_most
from refusals import refusal

from patina_resources.eventlog.writer import open_eventlog
from patina_resources.materialize.forge.records import MOST_BODY
from patina_resources.materialize.report import ScraperReport, no_progress
from patina_resources.materialize.run import materialize

PLACE = "github.com/ada/engine"
WEB, API = f"https://{PLACE}", "https://api.github.com/repos/ada/engine"
CREATED, CLOSED = "2024-02-28T09:30:00Z", "2024-03-02T10:00:00Z"
BODY = "The second card is read twice.\n\nOnly with a worn reader."

# As `gh issue list --json ...` prints it.
GH_ISSUE = {
    "author": {"id": "U_1", "is_bot": False, "login": "mary", "name": "Mary"},
    "body": BODY.replace("\n", "\r\n"),
    "closedAt": CLOSED,
    "comments": [
        {"id": "IC_1", "author": {"login": "ada"}, "body": "Seen here, too.", "createdAt": CLOSED,
         "url": f"{WEB}/issues/12#issuecomment-5"},
    ],
    "createdAt": CREATED,
    "labels": [{"id": "LA_1", "name": "bug", "color": "d73a4a"}],
    "number": 12,
    "state": "CLOSED",
    "title": "Cards are read twice",
    "url": f"{WEB}/issues/12",
}  # fmt: skip
# As `gh pr list --json ...` prints it.
GH_PULL = {
    "author": {"login": "ada"}, "baseRefName": "main", "body": "Fixes #12.", "closedAt": CLOSED, "comments": [],
    "createdAt": CREATED, "files": [{"path": "src/reader.rs", "additions": 1}, {"path": "README.md"}],
    "headRefName": "worn", "isDraft": False, "labels": [], "mergeCommit": {"oid": "0123456789abcdef" * 2},
    "mergedAt": CLOSED, "number": 13, "reviews": [
        {"id": "PRR_1", "author": {"login": "mary"}, "body": "Works.", "state": "APPROVED", "submittedAt": CLOSED},
        {"id": "PRR_2", "author": {"login": "mary"}, "body": "", "state": "APPROVED", "submittedAt": CLOSED},
    ],
    "state": "MERGED", "title": "Read a card once", "url": f"{WEB}/pull/13",
}  # fmt: skip
# As `gh api --paginate repos/ada/engine/issues?state=all` prints it.
API_ISSUES = [
    {"url": f"{API}/issues/12", "html_url": f"{WEB}/issues/12", "id": 1, "number": 12, "title": "Cards are read twice",
     "user": {"login": "mary"}, "labels": [{"name": "bug"}], "state": "closed", "comments": 1, "body": BODY,
     "created_at": CREATED, "closed_at": CLOSED},
    {"url": f"{API}/issues/13", "html_url": f"{WEB}/pull/13", "id": 2, "number": 13, "title": "Read a card once",
     "user": {"login": "ada"}, "labels": [], "state": "closed", "comments": 0, "body": "Fixes #12.",
     "created_at": CREATED, "closed_at": CLOSED, "pull_request": {"url": f"{API}/pulls/13", "merged_at": CLOSED}},
]  # fmt: skip
API_PULL = {
    "url": f"{API}/pulls/13", "html_url": f"{WEB}/pull/13", "issue_url": f"{API}/issues/13", "number": 13,
    "title": "Read a card once", "user": {"login": "ada"}, "labels": [], "state": "closed", "body": "Fixes #12.",
    "created_at": CREATED, "closed_at": CLOSED, "merged_at": CLOSED, "merge_commit_sha": "0123456789abcdef" * 2,
    "head": {}, "base": {},
}  # fmt: skip
# As `gh api repos/ada/engine/issues/comments` prints it.
API_COMMENTS = [
    {"url": f"{API}/issues/comments/5", "html_url": f"{WEB}/issues/12#issuecomment-5", "issue_url": f"{API}/issues/12",
     "id": 5, "user": {"login": "ada"}, "created_at": CLOSED, "body": "Seen here, too."},
    {"html_url": f"{WEB}/pull/13#discussion_r7", "pull_request_url": f"{API}/pulls/13", "id": 7,
     "path": "src/reader.rs", "user": {"login": "mary"}, "created_at": CLOSED, "body": "And an empty card?"},
]  # fmt: skip
LAB = "https://gitlab.example.org/ada/engine"
# As `glab issue list --output json` and `glab mr list --output json` print them.
GLAB = [
    {"id": 901, "iid": 12, "project_id": 3, "title": "Cards are read twice", "description": BODY, "state": "opened",
     "author": {"id": 1, "username": "mary", "name": "Mary", "web_url": "https://gitlab.example.org/mary"},
     "labels": ["bug"], "created_at": CREATED, "closed_at": None, "user_notes_count": 1,
     "web_url": f"{LAB}/-/issues/12"},
    {"id": 902, "iid": 12, "title": "Read a card once", "description": None, "state": "merged", "labels": [],
     "author": {"username": "ada"}, "created_at": CREATED, "merged_at": CLOSED, "source_branch": "worn",
     "target_branch": "main", "merge_commit_sha": "0123456789abcdef" * 2, "web_url": f"{LAB}/-/merge_requests/12"},
]  # fmt: skip
GLAB_NOTES = [
    {"id": 5, "body": "Seen here, too.", "author": {"username": "ada"}, "created_at": CLOSED, "system": False,
     "noteable_type": "Issue", "noteable_iid": 12},
    {"id": 6, "body": "closed", "author": {"username": "ada"}, "created_at": CLOSED, "system": True,
     "noteable_type": "Issue", "noteable_iid": 12},
    {"id": 7, "body": "And an empty card?", "author": {"username": "mary"}, "created_at": CLOSED, "system": False,
     "noteable_type": "MergeRequest", "noteable_iid": 12},
]  # fmt: skip
# As tree/project/issues.ndjson and merge_requests.ndjson of a project export have them, a line each.
EXPORTED = [
    {"title": "Cards are read twice", "author_id": 1, "description": BODY, "iid": 12, "state": "opened",
     "created_at": "2024-02-28T09:30:00.000Z", "label_links": [{"label": {"title": "bug", "type": "ProjectLabel"}}],
     "notes": [{"note": "Seen here, too.", "noteable_type": "Issue", "author": {"name": "Ada"}, "system": False,
                "created_at": CLOSED, "id": 5},
               {"note": "closed", "noteable_type": "Issue", "author": {"name": "Ada"}, "system": True, "id": 6}]},
    {"title": "Read a card once", "description": "", "iid": 12, "state": "merged", "source_branch": "worn",
     "target_branch": "main", "created_at": CREATED, "merge_commit_sha": "0123456789abcdef" * 2, "notes": [],
     "merge_request_diff": {"merge_request_diff_files": [{"new_path": "src/reader.rs", "old_path": "src/reader.rs"}]}},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> GitFolder:
    made = GitFolder(tmp_path / "project")
    made.commit("first")
    return made


def read(folder: GitFolder, *contents: object, full: bool = False) -> ScraperReport:
    """Return the report of a run over files of these contents: text as it is, anything else as JSON."""
    files = []
    for number, content in enumerate(contents):
        text = content if isinstance(content, str) else json.dumps(content)
        files.append(folder.path.parent / f"{number}.json")
        files[-1].write_text(text)
    reports = materialize(folder.path, folder.eventlog, only=["git"], full=full, forge_files=files)
    return reports[-1]


def live(folder: GitFolder) -> dict[str, dict[str, Any]]:
    """Return the payloads of live events by type and source_id."""
    with open_eventlog(folder.eventlog) as writer:
        query = "SELECT event_type || ' ' || source_id, data FROM live WHERE event_type GLOB 'forge.*' ORDER BY seq"
        return {name: json.loads(data) for name, data in writer.read(query)}


def test_what_gh_lists(folder: GitFolder) -> None:
    report = read(folder, [GH_ISSUE], [GH_PULL])
    assert report.scraper == "forge"
    assert report.new == {"forge.issue": 1, "forge.comment": 2, "forge.pr": 1}
    assert live(folder) == {
        f"forge.issue {PLACE}#12": {
            "number": 12, "title": "Cards are read twice", "body": BODY, "state": "closed", "author": "mary",
            "url": f"{WEB}/issues/12", "created_at": CREATED, "closed_at": CLOSED, "labels": ["bug"],
        },
        f"forge.comment {PLACE}#12 issuecomment-5": {
            "body": "Seen here, too.", "author": "ada", "url": f"{WEB}/issues/12#issuecomment-5", "created_at": CLOSED,
        },
        f"forge.pr {PLACE}#13": {
            "number": 13, "title": "Read a card once", "body": "Fixes #12.", "state": "merged", "author": "ada",
            "url": f"{WEB}/pull/13", "created_at": CREATED, "closed_at": CLOSED, "merged_at": CLOSED, "labels": [],
            "merge_commit": "0123456789abcdef" * 2, "files": ["README.md", "src/reader.rs"],
        },
        f"forge.comment {PLACE}#13 PRR_1": {"body": "Works.", "author": "mary", "created_at": CLOSED},
    }  # fmt: skip
    issue = rows(folder.eventlog, "forge.issue")[0]
    assert (issue["timestamp"], issue["source_file"]) == (CREATED, None)


def test_the_api_tells_of_the_same_things(folder: GitFolder) -> None:
    read(folder, [GH_ISSUE], [GH_PULL])
    pages = json.dumps(API_ISSUES[:1]) + json.dumps(API_ISSUES[1:])  # as `--paginate` prints pages
    report = read(folder, pages, [API_ISSUES], [[API_PULL]], [API_COMMENTS[:1], API_COMMENTS[1:]])
    assert (report.new, report.retracted) == ({"forge.comment": 1}, {})
    assert live(folder)[f"forge.comment {PLACE}#13 discussion_r7"]["body"] == "And an empty card?"


def test_what_glab_lists(folder: GitFolder) -> None:
    report = read(folder, GLAB, GLAB_NOTES)
    assert report.new == {"forge.issue": 1, "forge.pr": 1, "forge.comment": 2}
    found, place = live(folder), "gitlab.example.org/ada/engine"
    assert found[f"forge.issue {place}#12"] == {
        "number": 12, "title": "Cards are read twice", "body": BODY, "state": "open", "author": "mary",
        "url": f"{LAB}/-/issues/12", "created_at": CREATED, "labels": ["bug"],
    }  # fmt: skip
    assert found[f"forge.pr {place}!12"]["state"] == "merged"
    assert found[f"forge.pr {place}!12"]["body"] == ""
    assert {name for name in found if "comment" in name} == {
        f"forge.comment {place}#12 note_5", f"forge.comment {place}!12 note_7",
    }  # fmt: skip


def test_a_project_export_is_one_object_a_line(folder: GitFolder) -> None:
    lines = "\n".join(json.dumps(entry) for entry in EXPORTED) + "\n"
    report = read(folder, "\ufeff" + lines)
    assert report.new == {"forge.issue": 1, "forge.comment": 1, "forge.pr": 1}
    found = live(folder)
    assert found["forge.issue #12"]["labels"] == ["bug"]
    assert found["forge.pr !12"]["files"] == ["src/reader.rs"]
    assert found["forge.comment #12 note_5"]["author"] == "Ada"
    # A list with addresses says later which repository it is: what was known without one takes that name.
    report = read(folder, GLAB)
    assert report.retracted == {"forge.issue": 1, "forge.comment": 1, "forge.pr": 1}
    place = "gitlab.example.org/ada/engine"
    after = live(folder)
    assert set(after) == {f"forge.issue {place}#12", f"forge.pr {place}!12", f"forge.comment {place}#12 note_5"}
    assert after[f"forge.pr {place}!12"]["files"] == ["src/reader.rs"]
    assert read(folder, lines, GLAB).new == {}


def test_the_same_file_twice_appends_nothing(folder: GitFolder) -> None:
    read(folder, [GH_ISSUE, GH_ISSUE], [GH_PULL])
    before = len(rows(folder.eventlog))
    for full in (False, True):
        report = read(folder, [GH_ISSUE], [GH_PULL], full=full)
        assert (report.new, report.retracted) == ({}, {})
        assert report.known == {"forge.issue": 1, "forge.comment": 2, "forge.pr": 1}
    assert len(rows(folder.eventlog)) == before
    materialize(folder.path, folder.eventlog, full=True)  # without the files: nothing is taken back
    assert len(live(folder)) == 4


def test_an_edited_issue_supersedes_its_older_event(folder: GitFolder) -> None:
    read(folder, [GH_ISSUE])
    report = read(folder, [{**GH_ISSUE, "title": "Worn cards are read twice", "state": "OPEN", "closedAt": None}])
    assert (report.new, report.retracted) == ({"forge.issue": 1}, {"forge.issue": 1})
    issue = live(folder)[f"forge.issue {PLACE}#12"]
    assert (issue["title"], issue["state"]) == ("Worn cards are read twice", "open")
    assert "closed_at" not in issue
    removal = rows(folder.eventlog, "forge.removed")
    assert [row["data"]["seqs"] for row in removal] == [[rows(folder.eventlog, "forge.issue")[0]["seq"]]]
    assert len(live(folder)) == 2


def test_what_a_file_does_not_tell_stays_as_it_was(folder: GitFolder) -> None:
    read(folder, [GH_ISSUE])
    report = read(folder, [{"number": 12, "state": "CLOSED", "title": "Cards are read twice"}])  # without an address
    assert report.new == {}
    report = read(folder, [{"number": 12, "labels": []}])
    assert report.new == {"forge.issue": 1}
    issue = live(folder)[f"forge.issue {PLACE}#12"]
    assert (issue["body"], issue["labels"]) == (BODY, [])
    # Another repository has issues of the same numbers.
    read(folder, [{"number": 12, "title": "Other", "url": "https://github.com/eve/loom/issues/12"}])
    assert {"forge.issue github.com/eve/loom#12", f"forge.issue {PLACE}#12"} < set(live(folder))


def test_standard_input(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(json.dumps([GH_ISSUE]).encode())))
    reports = materialize(folder.path, folder.eventlog, only=["git"], forge_files=[Path("-")], progress=no_progress)
    assert reports[-1].new == {"forge.issue": 1, "forge.comment": 1}


def with_value(**values: object) -> str:
    """Return a file of which the second object, on the third line, has other values."""
    return f"[\n{json.dumps(GH_PULL)},\n{json.dumps({**GH_ISSUE, **values})}\n]"


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("[\n" + "[" * 100_000, ":2: nested too deep"),
        ('{"number": 1,\n"a":' * 100_000, ":1: nested too deep"),
        ('[\n\n{"number": ' + "9" * 5_000 + "}]", ":3: a number of 5000 digits"),
        ('[\n{"number": 1, "number": 2}]', ":2: the key 'number' stands twice in one object"),
        ('[\n{"number": NaN}]', ":2: NaN is no JSON"),
        ('[\n{"number": -Infinity}]', ":2: -Infinity is no JSON"),
        ('[\n{"number": 1,}]', ":2: not valid JSON: "),
        ('[\n{"number": 1}\n{"number": 2}]', ":3: not valid JSON: expecting ',' or ']'"),
        ('[{"number": 1},\n', ":2: not valid JSON: expecting value"),
        ('{"number": 1}\n"x"', ":2: expected an object, got 'x'"),
        ("[\n1\n]", ":2: expected an object, got 1"),
        ("null", ":1: expected an object, got nothing"),
        ('{"title": "x"}', ":1: neither an issue, a pull request nor a comment: expected `number` or `iid`"),
        ('{"noteable_type": "Issue", "body": "x"}', ":1: a comment that does not say on what"),
        ('{"number": true}', ":1: number: expected a whole number above 0, got true"),
        ('{"number": 0}', ":1: number: expected a whole number above 0, got 0"),
        ('{"number": 1e999}', ":1: number: expected a whole number above 0, got inf"),
        ('{"number": "12"}', ":1: number: expected a whole number above 0, got '12'"),
        (with_value(title=5), ":3: title: expected text, got 5"),
        (with_value(title="a\ud800b"), ":3: title: half of a surrogate pair"),
        (with_value(body=["x"]), ":3: body: expected text, got a list"),
        (with_value(state={}), ":3: state: expected text, got an empty mapping"),
        (with_value(author=[1]), ":3: author: expected an object with `login` or `username`, got a list"),
        (with_value(author={"login": 3}), ":3: login: expected text, got 3"),
        (with_value(labels="bug"), ":3: labels: expected a list, got 'bug'"),
        (with_value(labels=[7]), ":3: labels: expected names or objects with `name`, got 7"),
        (with_value(comments="x"), ":3: comments: expected a list, got 'x'"),
        (with_value(comments=["x"]), ":3: comments: expected a list of objects, got 'x' in it"),
        (with_value(createdAt="yesterday"), ":3: createdAt: expected a time such as 2026-01-31T12:00:00Z, got 'yest"),
        (with_value(url=5), ":3: url: expected text, got 5"),
        (with_value(comments=[{"body": "x", "id": 1.5}]), ":3: id: expected text or a whole number, got 1.5"),
    ],
)  # fmt: skip
def test_hostile_files_are_one_sentence_with_the_place(folder: GitFolder, content: str, expected: str) -> None:
    sentence = refusal(lambda: read(folder, content))
    assert f"0.json{expected}" in sentence
    assert len(sentence) < 300
    assert not folder.eventlog.exists()


def test_files_that_cannot_be_read(folder: GitFolder) -> None:
    assert "none.json: cannot be read (No such file" in refusal(
        lambda: materialize(folder.path, folder.eventlog, forge_files=[folder.path / "none.json"])
    )
    assert "cannot be read (Is a directory" in refusal(
        lambda: materialize(folder.path, folder.eventlog, forge_files=[folder.path])
    )
    odd = folder.write("odd.json", b"[\n\xff]")
    assert "odd.json:2: not UTF-8 text" in refusal(lambda: materialize(folder.path, folder.eventlog, forge_files=[odd]))
    assert read(folder, "").new == read(folder, "[]").new == {}


def test_sizes_are_bounded(folder: GitFolder) -> None:
    large = {**GH_ISSUE, "number": 14, "url": f"{WEB}/issues/14", "body": "a" * 100_000, "title": "t" * 5_000,
             "labels": ["l"] * 500, "author": "x" * 5_000}  # fmt: skip
    report = read(folder, [GH_PULL | {"files": [{"path": f"f{n}"} for n in range(5_000)]}, large])
    assert report.skipped == (f"{folder.path.parent}/0.json:1: #14: its text after {MOST_BODY} characters",)
    issue = live(folder)[f"forge.issue {PLACE}#14"]
    assert (len(issue["body"]), len(issue["title"]), len(issue["labels"])) == (MOST_BODY, 1_000, 100)
    assert len(issue["author"]) == 1_000
    assert len(live(folder)[f"forge.pr {PLACE}#13"]["files"]) == 1_000


def test_files_take_time_in_proportion(folder: GitFolder) -> None:
    addresses = ["https://a/" + "/issues/1" * 20_000, "https://" + "a/" * 50_000, "https://a/b/issues/1" + "?" * 90_000]
    odd = [{"number": 1 + n, "title": "t", "url": url} for n, url in enumerate(addresses)]
    comments = [{"body": "x", "issue_url": url, "html_url": url, "noteable_iid": 4} for url in addresses]
    many = [{**GH_ISSUE, "number": 100 + n, "url": f"{WEB}/issues/{100 + n}"} for n in range(3_000)]
    with at_most(10):
        assert read(folder, odd, comments, " \n" * 500_000, many).new["forge.issue"] == 3_003
        assert read(folder, [{**entry, "title": "new"} for entry in many]).retracted == {"forge.issue": 3_000}
