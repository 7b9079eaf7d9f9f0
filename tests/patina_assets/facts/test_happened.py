"""`patina recent` and `patina why` on a real repository with renames, merges and notes; nothing is built."""

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from eventlog_builder import Event, build_eventlog, commit
from materialize_helpers import FIRST_SECOND, GitFolder
from small_project import Ran, patina

from patina_assets import OpenProject, open_project
from patina_assets.facts.mentions import named_numbers
from patina_assets.facts.record import SOURCES, RepositoryRecord, read_repository_record
from patina_assets.facts.together import changed_together
from patina_assets.facts.why import recent, why
from patina_resources.eventlog.reader import Eventlog

DECISION = "the cache in store/cache.py keeps its keys apart from every row"
NOTE = f"""# Session: cache
**Started**: 2023-11-15T03:04:05Z

**Key Decisions:**
- {DECISION}
- read_rows asks the index first and then the table
- nothing of this is about any file that there is
"""
CACHE = "import os\n\n\ndef load():\n    return 1\n\n\ndef read_rows():\n    return 2\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> GitFolder:
    made = GitFolder(tmp_path_factory.mktemp("happened") / "project")
    (made.path / ".patina").mkdir()
    made.write("src/old.py", CACHE)
    made.write("docs/a.md", "# A\n\nText.\n")
    made.commit("add the cache")
    made.write("src/old.py", CACHE.replace("return 2", "return 3"))
    made.commit("rows are three")
    made.git("mv", "src/old.py", "src/middle.py")
    made.commit("move once")
    (made.path / "store").mkdir()
    made.git("mv", "src/middle.py", "store/cache.py")
    made.write("docs/a.md", "# A\n\nOther text.\n")
    made.commit("move twice")
    made.write("store/cache.py", CACHE.replace("return 2", "return 3").replace("return 1", "return 4"))
    made.write("docs/a.md", "# A\n\nThird text.\n")
    made.commit("load is four")
    made.git("checkout", "-q", "-b", "side", "HEAD~1")
    made.write("other.py", "def other():\n    pass\n")
    made.commit("another file")
    made.git("checkout", "-q", "main")
    made.git("merge", "-q", "--no-ff", "-m", "Merge branch 'side'", "side")
    made.write("layer/sessions/20231115-030405.md", NOTE)
    made.commit("docs: a session")
    with pytest.MonkeyPatch.context() as place:
        place.chdir(made.path)
        assert patina("materialize").code == 0
    return made


@pytest.fixture
def project(folder: GitFolder, monkeypatch: pytest.MonkeyPatch) -> OpenProject:
    monkeypatch.chdir(folder.path)
    return open_project()


@pytest.fixture
def record(project: OpenProject) -> RepositoryRecord:
    return read_repository_record(Eventlog(project.root / ".patina/data/patina.db").rows(SOURCES))


def subjects(ran: Ran) -> list[str]:
    """Return what JSON output tells of, the first line each."""
    assert ran.code == 0, ran.err
    document = json.loads(ran.out)
    assert document["version"] == 1
    return [entry["text"].splitlines()[0] for entry in document["entries"]]


@pytest.mark.usefixtures("project")
def test_a_file_is_followed_through_its_names() -> None:
    ran = patina("why", "store/cache.py", "--json")
    assert [text for text in subjects(ran) if not text.startswith(("the cache", "read_rows"))] == [
        "load is four", "move twice", "move once", "rows are three", "add the cache",
    ]  # fmt: skip
    document = json.loads(ran.out)
    assert (document["former"], document["removed"], document["line"]) == (["src/middle.py", "src/old.py"], False, None)
    assert DECISION in subjects(ran)
    assert "nothing of this is about any file that there is" not in subjects(ran)
    for former in ("src/old.py", "cache.py"):
        assert json.loads(patina("why", former, "--json").out) == document
    assert "before: src/middle.py, src/old.py" in patina("why", "cache.py").out


@pytest.mark.usefixtures("project")
def test_a_line_tells_of_its_function() -> None:
    ran = patina("why", "store/cache.py:9", "--json")
    document = json.loads(ran.out)
    assert (document["symbol"], document["first_line"], document["last_line"]) == ("read_rows", 8, 9)
    assert [text for text in subjects(ran) if "rows" in text or "cache" in text] == subjects(ran)
    assert {"rows are three", "add the cache"} <= set(subjects(ran))
    assert "load is four" not in subjects(ran)
    assert "read_rows asks the index first and then the table" in subjects(ran)
    told = patina("why", "store/cache.py:9")
    assert told.out.splitlines()[:2] == [
        "store/cache.py:9  read_rows  function", "     the commits that changed lines 8 to 9 at HEAD",
    ]  # fmt: skip
    assert told.err == ""
    assert json.loads(patina("why", "read_rows", "--json").out) == document | {"line": 8}


@pytest.mark.usefixtures("project")
def test_a_line_of_no_function_tells_of_itself() -> None:
    ran = patina("why", "store/cache.py:1", "--json")
    assert {text for text in subjects(ran) if not text.startswith("the cache")} == {"add the cache"}
    assert patina("why", "docs/a.md:3", "-k", "1", "--json").out.count("Third text") == 0


@pytest.mark.usefixtures("project")
def test_a_line_that_is_not_committed_is_said(folder: GitFolder) -> None:
    path = folder.path / "store/cache.py"
    before = path.read_bytes()
    path.write_bytes(before.replace(b"return 3", b"return 5"))
    try:
        ran = patina("why", "store/cache.py:9", "-k", "1")
    finally:
        path.write_bytes(before)
    assert "store/cache.py:9: this line has changes that are not committed: this is about the whole file" in ran.err
    assert ran.code == 0


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("store/cache.py:99", "store/cache.py: there is no line 99: the file has 9 lines"),
        ("stroe/cache.py", "nothing is called 'stroe/cache.py' (did you mean 'store/cache.py'?)"),
        ("no_rows", "nothing is called 'no_rows' (did you mean 'read_rows'?): expected the path of a file"),
        ("store", "'store' is a folder: expected a file, such as store/cache.py"),
    ],
)
@pytest.mark.usefixtures("project")
def test_what_is_no_place_is_refused(place: str, said: str) -> None:
    ran = patina("why", place)
    assert (ran.code, ran.out) == (2, "")
    assert said in ran.err


@pytest.mark.usefixtures("project")
def test_what_happened_last_comes_first() -> None:
    found = subjects(patina("recent", "--json", "-k", "100"))
    commits = [text for text in found if text in {"docs: a session", "load is four", "add the cache", "another file"}]
    assert commits == ["docs: a session", "another file", "load is four", "add the cache"]
    assert not [text for text in found if text.startswith("Merge")]
    assert len([text for text in found if text.startswith(("the cache", "read_rows", "nothing of this"))]) == 3
    few = patina("recent", "-k", "4")
    assert f"and {len(found) - 4} earlier: -k NUMBER shows more" in few.out
    assert "touched layer/sessions/20231115-030405.md" in few.out


@pytest.mark.usefixtures("project")
def test_recent_is_limited_by_path_and_days(record: RepositoryRecord) -> None:
    found = subjects(patina("recent", "--json", "--path", "store/*"))
    assert "another file" not in found
    assert {"load is four", "rows are three", DECISION} <= set(found)
    nothing = patina("recent", "--path", "no/such/*")
    assert (nothing.code, nothing.out) == (0, "")
    assert "nothing touched no/such/*\n" in nothing.err
    today = patina("recent", "--days", "1")
    assert today.out == ""
    assert "nothing happened in the last 1 days" in today.err
    soon = datetime.fromtimestamp(FIRST_SECOND + 86_400, UTC)
    assert len(recent(record, 2, None, 100, soon).entries) == len(recent(record, None, None, 100, soon).entries)
    assert recent(record, 10**9, None, 100, soon).entries
    assert patina("recent", "--days", "0").code == 2


@pytest.mark.parametrize("title", ["Read it once (#12)", "Merge branch 'side'"])
def test_a_merge_that_changes_nothing_of_its_own_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, title: str
) -> None:
    made = GitFolder(tmp_path / "project")
    made.commit("an empty one (#1)")
    made.git("checkout", "-q", "-b", "side")
    made.write("a.py", "def a():\n    pass\n")
    made.commit("Read it once")
    made.git("checkout", "-q", "main")
    made.git("merge", "-q", "--no-ff", "-m", title, "side")
    (made.path / ".patina").mkdir()
    monkeypatch.chdir(made.path)
    assert patina("materialize").code == 0
    assert subjects(patina("recent", "--json")) == ["Read it once", "an empty one (#1)"]


def test_what_changed_together_is_what_git_says(folder: GitFolder, record: RepositoryRecord) -> None:
    [docs, *_] = changed_together(record, "store/cache.py")
    assert (docs.file, docs.count, docs.removed) == ("docs/a.md", 3, False)
    assert docs.commit == folder.git("rev-list", "--grep=load is four", "main").decode().strip()


def test_the_api_gives_the_same(project: OpenProject) -> None:
    why = project.why("store/cache.py:9")
    assert why.span is not None
    assert why.span.symbol == "read_rows"
    entries = project.recent(path="other.py")
    assert [(entry.item.kind, entry.author, entry.files) for entry in entries] == [("commit", "Ada", ("other.py",))]
    assert entries[0].time is not None
    assert entries[0].time.startswith("2023-11-14T")


def test_issues_and_pull_requests_stand_among_the_rest(tmp_path: Path) -> None:
    told = {"title": "The cache is cold", "body": "src/cache.py reads twice", "state": "open", "author": "grace"}
    changed = {**told, "title": "Warm it", "body": "at start", "files": ["src/cache.py"], "state": "merged"}
    events = [
        commit("a" * 40, "src/cache.py", "docs/a.md", hour=2),
        Event("forge.issue", {**told, "created_at": "2025-01-01T01:00:00Z"}, source_id="github.com/o/n#1"),
        Event("forge.pr", {**changed, "created_at": "2025-01-01T03:00:00Z"}, source_id="github.com/o/n#2"),
        Event("forge.issue", {**told, "body": "docs alone"}, source_id="github.com/o/n#3"),
    ]
    record = read_repository_record(Eventlog(build_eventlog(tmp_path / "patina.db", events)).rows(SOURCES))
    found = why(record, "src/cache.py", 9, line=None, span=None, why_not="", shas=None).found.entries
    assert [(entry.passage.kind, entry.passage.status) for entry in found] == [
        ("pr", "merged"), ("commit", None), ("issue", "open"),
    ]  # fmt: skip
    kinds = [entry.passage.kind for entry in recent(record, None, None, 9, datetime.now(UTC)).entries]
    assert kinds == ["pr", "commit", "issue", "issue"]


@pytest.mark.parametrize(
    ("message", "numbers"),
    [
        ("Add a limit (#12)", {"#12"}),
        ("Warm the cache, as of !7", {"!7"}),
        ("Fix it\n\nFixes #3, #4 and #5.\nCloses: #6", {"#3", "#4", "#5", "#6"}),
        ("Fix it\n\nfixed #1\nResolves #2\nRefs #9", {"#1", "#2", "#9"}),
        ("Bump other from 1 to 2\n\n- Speed it up (#44)\n- [#45](https://example.org/o/other/issues/45)", set()),
        ("Use C#7, &#8; and owner/other#9", set()),
        ("Number 12, #12345678901", set()),
    ],
)
def test_a_message_names_issues_by_their_numbers(message: str, numbers: set[str]) -> None:
    subject, _, body = message.partition("\n")
    assert named_numbers(subject, body) == numbers


def test_an_issue_that_a_commit_closes_belongs_to_the_files_of_the_commit(tmp_path: Path) -> None:
    told = {"title": "Too slow", "body": "nothing is named here", "state": "closed", "author": "grace"}
    comment = {"body": "me too", "author": "ada"}
    events = [
        commit("a" * 40, "src/cache.py", hour=2, message="Keep rows\n\nFixes #1, closes #4"),
        commit("b" * 40, "src/other.py", hour=3, message="Other (#3)"),
        Event("forge.issue", told, source_id="github.com/o/n#1"),
        Event("forge.comment", comment, source_id="github.com/o/n#1 comment-9"),
        Event("forge.issue", told, source_id="github.com/o/n#3"),
        Event("forge.issue", told, source_id="github.com/o/n#4"),
        Event("forge.issue", told, source_id="github.com/o/elsewhere#4"),  # which of the two, nobody knows
    ]
    record = read_repository_record(Eventlog(build_eventlog(tmp_path / "patina.db", events)).rows(SOURCES))
    found = why(record, "src/cache.py", 9, line=None, span=None, why_not="", shas=None).found.entries
    assert [(entry.item.kind, entry.item.session) for entry in found] == [
        ("commit", None), ("issue", "github.com/o/n#1"),
    ]  # fmt: skip


def test_without_a_repository_the_file_is_told_of(
    project: OpenProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".patina" / "data").mkdir(parents=True)
    (tmp_path / ".patina/data/patina.db").write_bytes((project.root / ".patina/data/patina.db").read_bytes())
    monkeypatch.chdir(tmp_path)
    ran = patina("why", "store/cache.py:9", "-k", "2")
    assert "there is no git repository that knows its lines: this is about the whole file" in ran.err
    assert "load is four" in ran.out
