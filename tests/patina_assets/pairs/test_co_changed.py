"""Files that one commit touches belong together."""

import time
from collections.abc import Mapping
from dataclasses import replace

import pytest
from deriver import Derived, Deriver, both_ways
from eventlog_builder import (
    Event,
    commit,
)

from patina_assets.pairs.code_text import file_text
from patina_assets.pairs.pair_type import DeriveOptions, PairData
from patina_assets.pairs.splits import Split


@pytest.mark.parametrize(("count", "kept"), [(0, False), (1, False), (2, True), (50, True), (51, False)])
def test_commits_of_2_to_50_files_count(derive: Deriver, count: int, kept: bool) -> None:
    derived = derive("co_changed", [commit("c", *(f"src/{number}.py" for number in range(count)))])
    assert len(derived.data.items) == (count if kept else 0)
    assert len(derived.data.contexts) == kept


def test_a_file_counts_once_in_a_commit(derive: Deriver) -> None:
    assert derive("co_changed", [commit("c", "a.py", "a.py")]).data == PairData([], [])
    assert derive("co_changed", [commit("c", "a.py", "./a.py")]).data == PairData([], [])
    fifty = [f"src/{number}.py" for number in range(50)]
    twice = derive("co_changed", [commit("c", *fifty, *(f"./{path}" for path in fifty))])
    assert len(twice.data.items) == 50
    assert len(twice.data.contexts) == 1


def test_paths_are_read_with_and_without_a_leading_dot(derive: Deriver) -> None:
    events = [commit("c1", "./src/a.py", ".ci/run"), commit("c2", "src/a.py", "../b.py", hour=1)]
    derived = derive("co_changed", events)
    assert [item.file for item in derived.data.items] == ["../b.py", ".ci/run", "src/a.py"]


def test_a_commit_that_is_scanned_again_counts_once(derive: Deriver) -> None:
    again = [commit("c", "a.py", "b.py"), commit("c", "b.py", "c.py")]
    derived = derive("co_changed", again)
    assert len(derived.data.contexts) == 1
    assert derived.related() == both_ways([map(file_text, ["a.py", "b.py", "c.py"])])


@pytest.mark.parametrize("first_told", [0, 30])
def test_a_commit_that_is_told_with_two_times_has_the_earlier_one(derive: Deriver, first_told: int) -> None:
    told = [commit(f"{hour:040x}", f"x{hour}.py", f"y{hour}.py", hour=hour) for hour in range(1, 20)]
    twice = [commit(f"{99:040x}", "a.py", "b.py", hour=hour) for hour in (first_told, 30 - first_told)]
    split_of = {
        context.members[0].file: context.split
        for context in derive("co_changed", [twice[0], *told, twice[1]]).data.contexts
    }
    assert split_of["a.py"] == Split.TRAIN
    assert split_of["x19.py"] == Split.TEST


@pytest.mark.parametrize("min_count", [1, 2])
def test_contexts_stand_in_the_order_of_shas_and_then_of_files(derive: Deriver, min_count: int) -> None:
    """Their order decides what is drawn: with `min_count`, the parts of the data come one after the other."""
    early = [commit(sha, "c.py", "a.py", "b.py", hour=hour) for hour, sha in enumerate(("f", "e"))]
    late = [commit(f"d{hour}", "b.py", "a.py", hour=hour) for hour in (2, 3)]
    between = [commit("c", "y.py", "x.py", hour=hour) for hour in (4,)]
    contexts = derive("co_changed", [*early, *late, *between], options=DeriveOptions(min_count)).data.contexts
    found = [" ".join(str(item.file)[0] for item in context.members) for context in contexts]
    assert found == (["x y", "a b", "a b", "a b c", "a b c"] if min_count == 1 else ["a b", "a c", "b c"])


@pytest.mark.parametrize(
    "data",
    [
        {"sha": "c", "files": ["a.py", "b.py"]},
        {"sha": "c", "files": [{"path": "a.py"}, {"file_path": "b.py"}, {"path": 5}, None, ["x.py"], ""]},
        {"sha": "c", "files_changed": ["a.py", "b.py"]},
        {"sha": "c", "files": None, "files_changed": [{"path": "a.py"}, {"path": "b.py"}]},
        {"files": ["a.py", "b.py"]},
    ],
)
def test_all_ways_of_naming_files_are_read(derive: Deriver, data: dict[str, object]) -> None:
    derived = derive("co_changed", [Event("git.commit", data)])
    assert derived.labels() == {"File: a.py (Python source)", "File: b.py (Python source)"}


@pytest.mark.parametrize("files", ["a.py", 3, {"a.py": 1}, True])
def test_a_commit_that_names_files_otherwise_does_not_hide_the_rest(derive: Deriver, files: object) -> None:
    odd = [Event("git.commit", {"sha": "odd", key: files}) for key in ("files", "files_changed")]
    derived = derive("co_changed", [*odd, commit("c", "x.py", "y.py")])
    assert {item.file for item in derived.data.items} == {"x.py", "y.py"}


def test_the_test_asks_about_later_commits_than_training_saw(histories: Mapping[str, Derived]) -> None:
    in_order_of_time = [context.split for context in histories["co_changed"].data.contexts]
    assert in_order_of_time == [Split.TRAIN] * 96 + [Split.VALIDATION] * 12 + [Split.TEST] * 12


def test_commits_are_ordered_by_moment_not_by_text(derive: Deriver) -> None:
    """The last commit of the day in Auckland comes before the first of the same day in Honolulu."""
    zones = [("2025-06-02T09:00:00+12:00", "auckland"), ("2025-06-02T00:00:00-10:00", "honolulu")]
    events = [replace(commit(sha, f"{sha}.py", "b.py"), timestamp=stamp) for stamp, sha in zones]
    (latest,) = [context for context in derive("co_changed", events).data.contexts if context.split == Split.TEST]
    assert "honolulu.py" in {item.file for item in latest.members}


def test_times_without_a_zone_do_not_depend_on_the_machine(derive: Deriver, monkeypatch: pytest.MonkeyPatch) -> None:
    stamps = [f"2025-06-02T{hour:02}:30:00" + ("" if hour % 2 else "+00:00") for hour in range(24)]
    events = [
        replace(commit(f"c{number}", f"{number}.py", "b.py"), timestamp=stamp) for number, stamp in enumerate(stamps)
    ]
    found = []
    for zone in ("UTC", "Pacific/Auckland", "America/New_York"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        found.append(derive("co_changed", events).data)
    monkeypatch.undo()
    time.tzset()
    assert found[0] == found[1] == found[2]


def test_times_that_are_none_sort_by_their_text(derive: Deriver) -> None:
    stamps: list[str | bytes] = ["not a time", "", "2025-99-99", "9999-12-31T23:59:59-23:59", b"\xff"]
    events = [replace(commit(f"c{stamp!r}", "a.py", "b.py"), timestamp=stamp) for stamp in stamps]
    assert len(derive("co_changed", events).data.contexts) == len(stamps)


def test_files_that_often_change_together_are_counted_up_to_their_part_of_the_data(derive: Deriver) -> None:
    """With `min_count`, a pair counts where so many commits touched both: those of its part, and of earlier parts."""
    together = [commit(f"{hour:040x}", "a.py", "b.py", "c.py", hour=hour) for hour in range(2)]
    once = [commit(f"{2:040x}", "a.py", "d.py", hour=2)]
    others = [commit(f"{hour:040x}", f"x{hour}.py", f"y{hour}.py", hour=hour) for hour in range(3, 20)]
    later = [commit(f"{20:040x}", "a.py", "d.py", hour=20), commit(f"{21:040x}", "a.py", "e.py", hour=21)]

    def found(min_count: int) -> set[tuple[str | None, str | None, Split]]:
        options = DeriveOptions(min_count)
        contexts = derive("co_changed", [*together, *once, *others, *later], options=options).data.contexts
        return {(*(item.file for item in context.members), context.split) for context in contexts}

    train = {("a.py", "b.py", Split.TRAIN), ("a.py", "c.py", Split.TRAIN), ("b.py", "c.py", Split.TRAIN)}
    assert found(2) == train | {("a.py", "d.py", Split.TEST)}
    assert found(3) == set()
