"""What one object of a forge says: issue, pull request or comment, and each of its values by any of its keys."""

from typing import Any

import pytest

from patina_resources.materialize.forge.records import (
    ForgeRecord,
    records_of,
)
from patina_resources.materialize.forge.values import WrongValueError

TIME = "2024-03-01T10:00:00Z"
HOME = "https://forge.example/ada/engine"
SHA = "0123abc"
ISSUE, PULL_REQUEST, COMMENT = "issue", "pr", "comment"


def read(**keys: Any) -> ForgeRecord:
    """Return the one record of an object."""
    (found,) = records_of(keys)
    return found


@pytest.mark.parametrize("key", ["pull_request", "head", "base", "mergeCommit", "isDraft", "mergedAt", "merged_at",
                                 "merge_commit_sha", "merge_status", "headRefName", "baseRefName", "source_branch",
                                 "target_branch"])  # fmt: skip
def test_a_key_that_no_issue_has_tells_of_a_pull_request(key: str) -> None:
    value: object = TIME if key in {"mergedAt", "merged_at"} else "word" if key == "merge_commit_sha" else {}
    assert read(number=7, **{key: value}).kind == PULL_REQUEST
    assert read(number=7, **{key: None}).kind == ISSUE


@pytest.mark.parametrize(
    ("address", "kind", "name"),
    [
        ("issues/7", ISSUE, "#7"),
        ("-/issues/7", ISSUE, "#7"),
        ("-/work_items/7", ISSUE, "#7"),
        ("pull/7", PULL_REQUEST, "#7"),
        ("pulls/7?tab=files", PULL_REQUEST, "#7"),
        ("-/merge_requests/7/diffs", PULL_REQUEST, "#7"),
        ("wiki/7", ISSUE, "#7"),
    ],
)
def test_an_address_tells_the_kind_and_the_place(address: str, kind: str, name: str) -> None:
    found = read(number=7, url=f"{HOME}/{address}")
    place = "" if address.startswith("wiki") else "forge.example/ada/engine"
    assert (found.kind, found.name, found.place) == (kind, name, place)
    assert found.fields["url"] == f"{HOME}/{address}"


def test_an_address_has_a_length() -> None:
    longest = f"{HOME}/issues/7?".ljust(2_000, "x")
    found, too_long = (read(number=7, url=url) for url in (longest, f"{longest}x"))
    assert (found.place, found.fields.get("url")) == ("forge.example/ada/engine", longest)
    assert (too_long.place, "url" in too_long.fields) == ("", False)


def test_what_has_a_number_is_no_comment() -> None:
    assert read(number=7, issue_url=f"{HOME}/issues/7").kind == ISSUE


def test_a_merge_request_is_named_as_its_forge_names_it() -> None:
    assert read(iid=7, merge_status="merged").name == "!7"
    assert read(iid=7).name == "#7"


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"title": " A\n title "}, {"title": "A title"}),
        ({"title": None}, {"title": ""}),
        ({"body": "a\r\nb\0"}, {"body": "a\nb"}),
        ({"description": "told"}, {"body": "told"}),
        ({"body": "first", "description": "second"}, {"body": "first"}),
        ({"body": None}, {"body": ""}),
        ({"state": "OPEN"}, {"state": "open"}),
        ({"state": "opened"}, {"state": "open"}),
        ({"state": "CLOSED"}, {"state": "closed"}),
        ({"state": ""}, {}),
        ({"author": {"login": "ada"}}, {"author": "ada"}),
        ({"author": {"username": "ada"}}, {"author": "ada"}),
        ({"user": {"name": "Ada L."}}, {"author": "Ada L."}),
        ({"author": "ada"}, {"author": "ada"}),
        ({"author": None}, {"author": None}),
        ({"author": {"login": ""}}, {"author": None}),
        ({"createdAt": TIME}, {"created_at": TIME}),
        ({"created_at": TIME}, {"created_at": TIME}),
        ({"closedAt": TIME}, {"closed_at": TIME}),
        ({"closed_at": TIME}, {"closed_at": TIME}),
        ({"closedAt": "0001-01-01T00:00:00Z"}, {"closed_at": None}),
        ({"labels": ["a", {"name": "b"}, {"title": "c"}]}, {"labels": ["a", "b", "c"]}),
        ({"label_links": [{"label": {"title": "a"}}]}, {"labels": ["a"]}),
        ({"labels": []}, {"labels": []}),
        ({"files": [{"path": "a"}]}, {}),
        ({"squash_commit_sha": SHA}, {}),
        ({"url": "https://api.forge.example/repos/ada/engine/issues/7"}, {}),
        ({"url": "ftp://forge.example/7"}, {}),
        ({"web_url": f"{HOME}/repos/1"}, {"url": f"{HOME}/repos/1"}),
        ({"html_url": f"{HOME}/repos/1", "url": "https://other.example"}, {"url": f"{HOME}/repos/1"}),
    ],
)
def test_what_an_issue_tells(keys: dict[str, object], expected: dict[str, object]) -> None:
    assert read(number=7, **keys).fields == {"number": 7} | expected


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"mergedAt": TIME}, {"merged_at": TIME}),
        ({"merged_at": TIME, "state": "closed"}, {"merged_at": TIME, "state": "merged"}),
        ({"merged_at": TIME, "state": "open"}, {"merged_at": TIME, "state": "open"}),
        ({"pull_request": {"merged_at": TIME}, "state": "closed"}, {"state": "merged"}),
        ({"pull_request": {"merged_at": None}, "state": "closed"}, {"state": "closed"}),
        ({"mergeCommit": {"oid": SHA}}, {"merge_commit": SHA}),
        ({"merge_commit_sha": SHA}, {"merge_commit": SHA}),
        ({"squash_commit_sha": SHA, "head": {}}, {"merge_commit": SHA}),
        ({"merge_commit_sha": "HEAD"}, {}),
        ({"head": {}, "files": [{"path": "b"}, {"path": "a"}, {"path": "a"}]}, {"files": ["a", "b"]}),
        ({"head": {}, "changes": [{"new_path": "a"}]}, {"files": ["a"]}),
        ({"head": {}, "merge_request_diff": {"merge_request_diff_files": [{"new_path": "a"}]}}, {"files": ["a"]}),
        ({"head": {}, "changes": 3}, {}),
    ],
)
def test_what_a_pull_request_tells(keys: dict[str, object], expected: dict[str, object]) -> None:
    assert read(number=7, **keys).fields == {"number": 7} | expected


@pytest.mark.parametrize(
    ("keys", "place", "name"),
    [
        (
            {"issue_url": "", "html_url": f"{HOME}/issues/7#issuecomment-5"},
            "forge.example/ada/engine",
            "#7 issuecomment-5",
        ),
        (
            {"noteable_type": "", "web_url": f"{HOME}/-/merge_requests/7#note_5"},
            "forge.example/ada/engine",
            "!7 note_5",
        ),
        ({"html_url": f"{HOME}/issues/7", "issue_url": "", "id": 5}, "forge.example/ada/engine", "#7 note_5"),
        ({"noteable_iid": 7, "noteable_type": "MergeRequest", "id": 5}, "", "!7 note_5"),
        ({"noteable_iid": 7, "noteable_type": "Issue", "id": 5}, "", "#7 note_5"),
        ({"issue_url": f"{HOME}/issues/7", "id": "a b"}, "", "#7 a_b"),
        ({"pull_request_url": f"{HOME}/pulls/7", "id": 5}, "", "#7 note_5"),
        ({"issue_url": f"{HOME}/issues/7", "created_at": TIME, "user": {"login": "ada"}}, "", f"#7 {TIME}_ada"),
        ({"issue_url": f"{HOME}/issues/7", "submitted_at": TIME, "author": "ada"}, "", f"#7 {TIME}_ada"),
        ({"issue_url": f"{HOME}/issues/7", "createdAt": TIME, "author": "ada"}, "", f"#7 {TIME}_ada"),
        ({"issue_url": f"{HOME}/issues/7", "submittedAt": TIME, "author": "ada"}, "", f"#7 {TIME}_ada"),
    ],
)
def test_a_comment_that_stands_alone_says_on_what(keys: dict[str, object], place: str, name: str) -> None:
    found = read(**keys, body=" Agreed. ")
    assert (found.kind, found.place, found.name, found.fields["body"]) == (COMMENT, place, name, "Agreed.")


def test_comments_reviews_and_notes_follow_what_they_are_about() -> None:
    entry = {
        "number": 7,
        "comments": [{"id": 1, "body": "one"}, {"id": 2, "body": "  "}, {"id": 2, "body": None}],
        "reviews": [{"id": 3, "body": "", "state": "APPROVED"}, {"id": 4, "body": "four", "submittedAt": TIME}],
        "notes": [{"id": 5, "note": "five"}, {"id": 6, "note": "changed the label", "system": True}],
    }
    found = list(records_of(entry))
    assert [record.name for record in found] == ["#7", "#7 note_1", "#7 note_4", "#7 note_5"]
    assert found[2].fields == {"body": "four", "created_at": TIME}


@pytest.mark.parametrize("key", ["createdAt", "created_at", "submittedAt", "submitted_at"])
def test_what_a_comment_tells(key: str) -> None:
    url = f"{HOME}/issues/7#note_5"
    fields = read(issue_url="", html_url=url, user={"login": "ada"}, body="Agreed.", **{key: TIME}).fields
    assert fields == {"body": "Agreed.", "author": "ada", "url": url, "created_at": TIME}


@pytest.mark.parametrize(("characters", "cut"), [(65_536, False), (65_537, True)])
def test_a_long_text_is_cut(characters: int, cut: bool) -> None:
    found = read(number=7, body="x" * characters)
    assert (len(found.fields["body"]), found.cut) == (min(characters, 65_536), cut)
    assert read(number=7, description="x" * characters).cut is cut
    comment = read(issue_url=f"{HOME}/issues/7", id=1, body="x" * characters)
    assert (len(comment.fields["body"]), comment.cut) == (min(characters, 65_536), cut)


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({}, "neither an issue, a pull request nor a comment"),
        ({"number": 0}, "number: expected a whole number above 0"),
        ({"number": True}, "number: expected a whole number above 0"),
        ({"number": "7"}, "number: expected a whole number above 0"),
        ({"number": 10**12}, "number: expected a whole number above 0"),
        ({"number": 7, "title": 5}, "title: expected text"),
        ({"number": 7, "title": "\ud800"}, "title: half of a surrogate pair"),
        ({"number": 7, "createdAt": "yesterday"}, "createdAt: expected a time"),
        ({"number": 7, "author": 5}, "author: expected an object"),
        ({"number": 7, "author": "\ud800"}, "author: half of a surrogate pair"),
        ({"number": 7, "labels": ["\ud800"]}, "labels: half of a surrogate pair"),
        ({"number": 7, "labels": "a"}, "labels: expected a list"),
        ({"number": 7, "labels": [5]}, "labels: expected names"),
        ({"number": 7, "comments": "a"}, "comments: expected a list"),
        ({"number": 7, "comments": True}, "comments: expected a list"),
        ({"number": 7, "comments": ["a"]}, "comments: expected a list of objects"),
        ({"issue_url": "nowhere", "body": "a"}, "a comment that does not say on what"),
        ({"issue_url": f"{HOME}/issues/7?".ljust(2_001, "x"), "body": "a"}, "a comment that does not say on what"),
        ({"issue_url": f"{HOME}/issues/7", "id": "\ud800", "body": "a"}, "id: half of a surrogate pair"),
        ({"issue_url": f"{HOME}/issues/7", "id": True, "body": "a"}, "id: expected text or a whole number"),
        ({"issue_url": f"{HOME}/issues/7", "id": [], "body": "a"}, "id: expected text or a whole number"),
    ],
)
def test_a_wrong_value_is_named(keys: dict[str, object], expected: str) -> None:
    with pytest.raises(WrongValueError) as caught:
        list(records_of(keys))
    assert str(caught.value).startswith(expected)


def test_what_is_longer_than_a_limit_is_cut() -> None:
    found = read(
        number=7,
        title="a" * 1_001,
        labels=[{"name": "b" * 1_001}] * 101,
        user={"login": "c" * 1_001},
        mergedAt=TIME,
        files=[{"path": f"{number:04}" + "d" * 4_093} for number in range(1_001)],
    ).fields
    assert (len(found["title"]), len(found["author"])) == (1_000, 1_000)
    assert (len(found["labels"]), {len(label) for label in found["labels"]}) == (100, {1_000})
    assert (len(found["files"]), {len(path) for path in found["files"]}) == (1_000, {4_096})


@pytest.mark.parametrize(
    ("number", "is_one"), [(1, True), (10**12 - 1, True), (0, False), (10**12, False), (-1, False)]
)
def test_the_number_of_an_issue(number: int, is_one: bool) -> None:
    if is_one:
        assert read(number=number).name == f"#{number}"
    else:
        with pytest.raises(WrongValueError, match="number: expected a whole number above 0"):
            read(number=number)


@pytest.mark.parametrize("key", ["issue_url", "pull_request_url", "noteable_type", "noteable_iid"])
def test_each_key_of_a_comment_says_that_it_is_one(key: str) -> None:
    value = 7 if key == "noteable_iid" else f"{HOME}/issues/7"
    where = {} if key in ("issue_url", "pull_request_url", "noteable_iid") else {"html_url": f"{HOME}/issues/7#note_1"}
    assert read(body="words", **{key: value}, **where).kind == COMMENT
