"""Issues, pull requests and comments as passages, and how they are shown."""

import json
from pathlib import Path

import pytest
from materialize_helpers import GitFolder
from small_project import RECIPE, build, patina

from patina_assets.passages.encoding import decode_passages, encode_passages_lines
from patina_assets.passages.forge import FORGE, forge_passages, thread_number
from patina_assets.passages.passage import PART_LINES, Group, Passage
from patina_assets.search.files.passage_file import PassageFile
from patina_assets.search.files.passage_tables import encode_passages
from patina_assets.search.fusion import Hit
from patina_assets.terminal.hits import hit_document, hit_lines
from patina_resources.eventlog.reader import Eventlog
from patina_resources.eventlog.writer import Event, open_eventlog
from patina_resources.project.project import find_project

NAME = "github.com/ada/engine#12"
URL = "https://github.com/ada/engine/issues/12"
ISSUE = {"title": "Cards are read twice", "body": "Only with a worn reader.", "state": "closed", "author": "mary",
         "labels": ["bug"], "url": URL, "created_at": "2024-02-28T09:30:00+02:00", "number": 12}  # fmt: skip
COMMENT = {"body": "Seen here, too.", "author": "ada", "url": f"{URL}#issuecomment-5"}


def passages(path: Path, *events: tuple[str, str, object]) -> list[Passage]:
    """Return the passages of events: type, source_id and payload."""
    with open_eventlog(path) as writer, writer.transaction():
        writer.append(Event(kind, "", name, None, json.dumps(data)) for kind, name, data in events)
    return list(forge_passages(Eventlog(path).read([FORGE])[FORGE.name].rows))


def test_an_issue_and_its_comments_are_one_thing(tmp_path: Path) -> None:
    events = [("forge.issue", NAME, ISSUE), ("forge.comment", f"{NAME} issuecomment-5", COMMENT)]
    issue, comment = passages(tmp_path / "patina.db", *events)
    assert issue == Passage(
        kind="issue",
        text="Cards are read twice\nOnly with a worn reader.",
        symbol="Cards are read twice",
        doc="bug",
        body="Only with a worn reader.",
        session=NAME,
        time="2024-02-28T07:30:00+00:00",
        author="mary",
        url=URL,
        status="closed",
    )
    assert (comment.kind, comment.symbol, comment.name) == ("comment", "Cards are read twice", "")
    assert comment.text == "Cards are read twice\nSeen here, too."
    assert issue.thing == comment.thing
    assert issue.group == comment.group == Group.NOTES


def test_an_issue_of_a_title_alone_is_a_passage_and_an_empty_comment_is_none(tmp_path: Path) -> None:
    bare = {"title": "Cards are read twice", "body": ""}
    found = passages(tmp_path / "patina.db", ("forge.issue", "#12", bare), ("forge.comment", "#12 5", {"body": " "}))
    assert [passage.text for passage in found] == ["Cards are read twice"]


def test_a_long_text_is_cut_into_parts(tmp_path: Path) -> None:
    body = "\n".join(f"line {number}" for number in range(3 * PART_LINES))
    found = passages(tmp_path / "patina.db", ("forge.pr", NAME, {**ISSUE, "body": body, "files": ["a.rs", 5]}))
    assert len(found) == 4
    assert {passage.paths for passage in found} == {("a.rs",)}
    assert found[-1].body.endswith(f"line {3 * PART_LINES - 1}")


@pytest.mark.parametrize("odd", [5, 1.5, True, None, [1], {"a": 1}, "\ud800", "\0", "[[["])
def test_payloads_of_any_types_are_read_over(tmp_path: Path, odd: object) -> None:
    kinds = ("forge.issue", "forge.comment")
    events = [(kind, f"{NAME} {kind} {key}", {**ISSUE, key: odd}) for kind in kinds for key in ISSUE]
    found = passages(tmp_path / "patina.db", *events, ("forge.pr", "no number", dict.fromkeys(ISSUE, odd)))
    assert list(decode_passages(encode_passages_lines(found))) == found
    assert PassageFile(encode_passages(found, {}), "test").count == len(found) > len(ISSUE)


@pytest.mark.parametrize(("name", "number"), [(NAME, "#12"), ("#12", "#12"), ("h/o/r!3", "!3"), ("none", "none")])
def test_the_number_of_a_name(name: str, number: str) -> None:
    assert thread_number(name) == number


def test_it_is_shown_with_number_title_status_and_address(tmp_path: Path) -> None:
    file = PassageFile(encode_passages(passages(tmp_path / "patina.db", ("forge.issue", NAME, ISSUE)), {}), "test")
    passage = file.passage(0)
    hit = Hit(passage.item, 1.0, passage=passage)
    lines = ["".join(text for text, _ in line) for line in hit_lines(1, hit, "worn")]
    assert lines[0].startswith("  1. #12  Cards are read twice  issue (closed), mary, ")
    assert lines[1:] == ["     Only with a worn reader.", f"     {URL}"]
    document = hit_document(1, hit)
    assert (document["url"], document["status"], document["kind"], document["session"]) == (
        URL,
        "closed",
        "issue",
        NAME,
    )


def test_from_a_file_to_an_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = GitFolder(tmp_path / "project")
    folder.write("src/reader.py", "def read_card():\n    return next(deck)\n")
    folder.commit("a reader of cards")
    folder.write(".patina/oxidize.yaml", RECIPE)
    listed = tmp_path / "issues.json"
    listed.write_text(json.dumps([{**ISSUE, "author": {"login": "mary"}, "createdAt": ISSUE["created_at"]}]))
    monkeypatch.chdir(folder.path)
    ran = patina("materialize", "--forge", str(listed))
    assert ran.code == 0, ran.err
    assert "forge.issue" in ran.out
    build(find_project(folder.path), "base")
    ran = patina("scry", "why are cards read twice by a worn reader", "--kind", "notes")
    assert "  1. #12  Cards are read twice  issue (closed), mary, " in ran.out
    assert URL in ran.out
    ran = patina("materialize", "--forge", str(tmp_path / "none.json"))
    assert (ran.code, ran.err.count("\n")) == (2, 1)
