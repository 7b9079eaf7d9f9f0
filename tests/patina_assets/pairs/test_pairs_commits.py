"""Items and pairs from commits: names over time, messages, and files that changed together."""

import gc
import json
import weakref
from collections.abc import Mapping
from pathlib import Path

import pytest
from commit_events import change, named
from deriver import Derived, Deriver
from eventlog_builder import Event, build_eventlog, commit

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.commits import ChangedPath, ChangeSet, commit_kind, module_of, read_commit
from patina_assets.pairs.files import read_files
from patina_assets.pairs.pair_type import DeriveOptions
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types import PAIR_TYPES, co_changed
from patina_assets.pairs.types.co_changed import CO_CHANGES
from patina_resources.eventlog.normal_forms import current_path, utc_time
from patina_resources.eventlog.reader import Eventlog, Row

NAMES = ["commit_touches", "same_author", "state_similarity", "effect_similarity"]


# Commits as they are read


def test_sources_that_begin_alike_say_together_what_each_says_alone(tmp_path: Path) -> None:
    events = [commit(f"{number:040x}", f"src/{number % 3}.py", hour=number, message="Mend it") for number in range(9)]
    eventlog = Eventlog(build_eventlog(tmp_path / "events.db", events))
    sources = [source for name in NAMES for source in PAIR_TYPES[name].sources if source.common]
    assert len({source.name for source in sources}) > 1
    together = eventlog.rows(sources)
    assert all(together.values())
    assert together == {source.name: eventlog.rows([source])[source.name] for source in sources}


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ("2025-01-01T02:30:00+02:00", "2025-01-01T00:30:00+00:00"),
        ("2025-01-01T02:30:00", "2025-01-01T02:30:00+00:00"),
        ("0001-01-01T00:00:00+02:00", "0001-01-01T00:00:00+02:00"),
        ("yesterday", "yesterday"),
        (None, "None"),
    ],
)
def test_times_are_in_utc_and_other_text_stays_as_it_is(written: str, time: str) -> None:
    assert utc_time(written) == time


@pytest.mark.parametrize("path", ["src//a.py", "a => " + "b" * 4092, "b" * 5000])
def test_what_is_no_rename_stays_as_it_is(path: str) -> None:
    assert current_path(path) == path


@pytest.mark.parametrize(
    ("written", "path"),
    [
        ("src/a.py", "src/a.py"),
        ("./src/a.py", "src/a.py"),
        ("{brain => layer}/core.md", "layer/core.md"),
        ("src/{old.py => new.py}", "src/new.py"),
        ("src/{deep => }/a.py", "src/a.py"),
        ("src/{ => deep}/a.py", "src/deep/a.py"),
        ("old.py => new.py", "new.py"),
        ("a => " + "b" * 4091, "b" * 4091),
    ],
)
def test_a_renamed_file_is_known_by_its_new_path(derive: Deriver, written: str, path: str) -> None:
    assert current_path(written) == path
    assert {item.file for item in derive("commit_touches", [commit("c", written)]).data.items} == {None, path}
    assert path in {item.file for item in derive("co_changed", [commit("c", written, "b.py")]).data.items}


@pytest.mark.parametrize(
    ("message", "parsed", "kind"),
    [
        ("Add a thing", None, "other"),
        ("feat: add", None, "feat"),
        ("Fix(core)!: it", None, "fix"),
        ("docs: x", "spec", "spec"),
        ("see http://x: y", None, "other"),
    ],
)
def test_the_kind_of_a_commit(message: str, parsed: str | None, kind: str) -> None:
    assert commit_kind(message, parsed) == kind


def test_what_a_commit_did_to_each_file_is_read() -> None:
    listed = [
        {"path": "d.py", "change_type": "added", "lines_added": 1, "lines_removed": -1},
        {"file_path": "c.py", "change_type": 5, "lines_added": True, "lines_removed": 2},
        "./b.py",
        {"path": "a.py", "change_type": "deleted", "lines_added": 4, "lines_removed": 2},
        *(None, "", 7, {}, {"path": ""}, {"path": 7, "change_type": "added"}),
    ]
    read = read_commit(("2025-01-01T02:00:00+02:00", "5ha", json.dumps(listed)), read_files([]))
    changes = (("a.py", "deleted", 6), ("b.py", "modified", 0), ("c.py", "modified", 2), ("d.py", "added", 1))
    assert read == ChangeSet("2025-01-01T00:00:00+00:00 5ha", "5ha", tuple(ChangedPath(*change) for change in changes))


def test_a_commit_is_read_once_for_a_history_and_goes_with_it() -> None:
    row = ("2025-01-01T02:00:00+02:00", "5ha", json.dumps([{"path": "a.py"}]))
    history = read_files([])
    read = read_commit(row, history)
    assert read_commit(row, history) is read
    assert read_commit((row[0], "other", row[2]), history).sha == "other"
    gone = weakref.ref(read)
    read_files([])  # the next history
    del read, history
    gc.collect()
    assert gone() is None


def test_a_module_is_a_folder_of_at_most_three_levels() -> None:
    assert [module_of(path) for path in ("a.py", "src/a.py", "a/b/c/d/e.py")] == [".", "src", "a/b/c"]


@pytest.mark.parametrize("name", NAMES)
def test_of_two_events_of_a_commit_the_one_that_tells_more_counts(derive: Deriver, name: str) -> None:
    others = [commit(f"c{number}", "b.py", f"{number}.py", hour=number) for number in range(8)]
    longer = commit("c0", "z.py", message="Say it otherwise, at length. " * 9)
    derived = derive(name, [*others, longer])
    assert "0.py" not in " ".join(derived.texts)
    assert derive(name, [longer, *others]).data == derived.data == derive(name, [longer, *others[1:]]).data
    broken = Event("git.commit", "{broken", source_id="c0")
    assert derive(name, [*others, broken], checked=False).data == derive(name, others).data


# Files over their history

ADDED, MODIFIED, DELETED = "added", "modified", "deleted"


MOVED = [
    change("c0", 0, ("old/a.py", ADDED), ("b.py", ADDED), ("keep.py", ADDED)),
    change("c1", 1, ("old/a.py", MODIFIED), ("b.py", MODIFIED)),
    change("c2", 2, ("new/a.py", "renamed", "old/a.py"), ("keep.py", MODIFIED)),
    change("c3", 3, ("b.py", DELETED), ("new/a.py", MODIFIED)),
    change("c4", 4, ("new/a.py", MODIFIED), ("keep.py", MODIFIED)),
]


FILE_TYPES = ["co_changed", "commit_touches", "same_author"]


def states(derived: Derived) -> dict[str | None, str | None]:
    return {item.file: item.state for item in derived.data.items if item.kind == "file"}


@pytest.mark.parametrize("name", FILE_TYPES)
def test_a_moved_file_is_one_item_and_a_deleted_one_is_marked(derive: Deriver, name: str) -> None:
    derived = derive(name, MOVED)
    assert states(derived) == {"new/a.py": None, "b.py": "removed", "keep.py": None}
    assert file_text("new/a.py") in derived.texts
    if name != "same_author":
        together = {frozenset(filter(None, members)) for members in named(list(derived.data.contexts))}
        assert together >= (
            {frozenset({"new/a.py", "b.py"})} if name == "co_changed" else {frozenset({"c0", "new/a.py"})}
        )


@pytest.mark.parametrize("name", FILE_TYPES)
def test_what_a_merge_did_to_a_file_counts(derive: Deriver, name: str) -> None:
    told = [
        Event("git.file", {"path": "keep.py", "now": "lib/keep.py"}),
        Event("git.file", {"path": "b.py", "now": "b.py"}),
        Event("git.file", {"path": "new/a.py", "now": None}),
    ]
    assert states(derive(name, [*MOVED, *told])) == {"new/a.py": "removed", "b.py": None, "lib/keep.py": None}
    taken_back = Event("git.removed", {"seqs": [6, 7, 8]})
    assert derive(name, [*MOVED, *told, taken_back]).data == derive(name, MOVED).data


def test_states_and_effects_know_a_file_by_its_newest_name(derive: Deriver) -> None:
    states_of = {item.commit: item.text for item in derive("state_similarity", MOVED).data.items}
    assert states_of["c1"] == "State: working on . (b.py, keep.py), new (a.py)"
    events = [change(f"c{n}", n, ("old/a.py", MODIFIED)) for n in range(8)]
    moved = change("c8", 8, ("new/a.py", "renamed", "old/a.py"))
    later = [change(f"c{n}", n, ("new/a.py", MODIFIED)) for n in range(9, 12)]
    effects = derive("effect_similarity", [*events, moved, *later])
    assert ["c7", "c9"] in named(list(effects.data.contexts))


@pytest.mark.parametrize("name", FILE_TYPES)
def test_the_order_of_appending_changes_no_name(derive: Deriver, name: str) -> None:
    def content(events: list[Event]) -> set[tuple[str | None, ...]]:
        return {(*item.order(), item.state) for item in derive(name, events).data.items}

    assert content(MOVED[::-1]) == content(MOVED)


# What a commit says


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("Because it was slow.", "\n\nBecause it was slow."),
        ("One.\n\nTwo.\n\nSigned-off-by: A <a@b>\nFixes: #3", "\n\nOne.\n\nTwo."),
        ("Signed-off-by: A <a@b>", ""),
        ("Note: it is slow", "\n\nNote: it is slow"),
        ("See-also: this\nand more", "\n\nSee-also: this\nand more"),
        ("", ""),
        (5, ""),
        (None, ""),
    ],
)
def test_a_commit_is_told_with_its_body_and_without_trailers(derive: Deriver, body: object, told: str) -> None:
    event = change("c0", 0, ("a.py", ADDED), ("b.py", ADDED), body=body)
    for name in ("commit_touches", "effect_similarity"):
        [item] = [item for item in derive(name, [event]).data.items if item.kind == "commit"]
        assert item.text == f"Commit: Do c0{told}"


@pytest.mark.parametrize("name", ["commit_touches", "effect_similarity"])
@pytest.mark.parametrize("count", [0, 51])
def test_nothing_is_learned_from_merges_and_large_commits(derive: Deriver, name: str, count: int) -> None:
    usual = [commit(f"c{number}", "a.py", f"{number}.py", hour=number) for number in range(4)]
    odd = change("m", 9, *((f"{number}.txt", ADDED) for number in range(count)), body="Why it was merged")
    assert derive(name, [*usual, odd]).data == derive(name, usual).data


@pytest.mark.parametrize("name", ["commit_touches", "effect_similarity", "state_similarity"])
@pytest.mark.parametrize(("count", "is_told"), [(0, False), (1, True), (50, True), (51, False)])
def test_commits_of_1_to_50_files_are_items(derive: Deriver, name: str, count: int, is_told: bool) -> None:
    usual = [commit(f"c{number}", "a.py", f"{number}.py", hour=number) for number in range(4)]
    odd = change("m", 9, *((f"{number}.txt", ADDED) for number in range(count)))
    assert ("m" in {item.commit for item in derive(name, [*usual, odd]).data.items}) == is_told


def rows_of(derive: Deriver, name: str, events: list[Event]) -> Mapping[str, list[Row]]:
    path = build_eventlog(derive.folder / "rows.db", events)
    return {source: read.rows for source, read in Eventlog(path).read(PAIR_TYPES[name].sources).items()}


def test_files_that_changed_together_come_in_the_order_of_their_commits(tmp_path: Path) -> None:
    events = [commit("c1", "z.py", "a.py", hour=2), commit("c0", "b.py", "a.py", hour=1), commit("c1", "z.py", "a.py")]
    eventlog = Eventlog(build_eventlog(tmp_path / "patina.db", events))
    read = {name: found.rows for name, found in eventlog.read(PAIR_TYPES["co_changed"].sources).items()}
    rows = read[CO_CHANGES.name]
    assert [row[1:] for row in rows] == [("c0", "a.py"), ("c0", "b.py"), ("c1", "a.py"), ("c1", "z.py")]
    for ordered in (rows, rows[::-1]):
        derived = PAIR_TYPES["co_changed"].derive({**read, CO_CHANGES.name: ordered})
        assert [item.file for item in derived.items] == ["a.py", "b.py", "z.py"]


# co_changed


def test_files_that_changed_together_seldom_can_be_left_out(derive: Deriver) -> None:
    events = [commit(f"c{number}", "a.py", "b.py", f"{number}.py", hour=number) for number in range(10)]
    rows = rows_of(derive, "co_changed", events)
    whole = co_changed.derive(rows)
    assert co_changed.derive(rows, DeriveOptions(1)) == whole == derive("co_changed", events).data
    often = co_changed.derive(rows, DeriveOptions(3))
    assert often.items == whole.items
    # One commit of the last two parts each: what is asked about there has been seen together often enough by then.
    assert [
        (*members, context.split) for members, context in zip(named(list(often.contexts)), often.contexts, strict=True)
    ] == [
        ("a.py", "b.py", Split.TRAIN),
        ("a.py", "b.py", Split.VALIDATION),
        ("a.py", "b.py", Split.TEST),
    ]
    assert {context.split for context in co_changed.derive(rows, DeriveOptions(9)).contexts} == {
        Split.VALIDATION,
        Split.TEST,
    }
    assert co_changed.derive(rows, DeriveOptions(11)).contexts == []
