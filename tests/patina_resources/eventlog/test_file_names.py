"""One name for a file over its history: renames followed through chains, swaps, branches and paths used twice."""

from collections.abc import Sequence

import pytest

from patina_resources.eventlog.file_names import FileNames, PathChange, follow, read_paths, untold_names

Line = Sequence[str]


def history(*lines: Line) -> list[PathChange]:
    """Return the changes of commits at the times 00000, 00001, ...: of `+path`, `-path` and `old>new`."""
    return [change(f"{number:05}", text) for number, line in enumerate(lines) for text in line]


def change(time: str, text: str) -> PathChange:
    if text[0] in "+-":
        return PathChange(time, "added" if text[0] == "+" else "deleted", text[1:])
    old, _, new = text.partition(">")
    return PathChange(time, "renamed", new, old)


def at(names: FileNames, number: int, path: str) -> str:
    return names.name(f"{number:05}", path)


def there(names: FileNames) -> set[str]:
    return {name for name in names.last if names.told_as_there(name)}


def test_rows_say_what_became_of_a_path_and_what_a_file_is_called_now() -> None:
    rows = [
        ("added", "./a", None, "2025-01-01T02:00:00+02:00"),
        ("renamed", "src/{a => b}", "./src/a", "2025-01-02T00:00:00Z"),
        ("deleted", "c", "odd", "2025-01-03T00:00:00Z"),
        ("file", "./d", "./e", None),
        ("file", "f", None, None),
    ]
    days = [f"2025-01-0{day}T00:00:00+00:00" for day in (1, 2, 3)]
    assert read_paths(rows) == (
        [
            PathChange(days[0], "added", "a"),
            PathChange(days[1], "renamed", "src/b", "src/a"),
            PathChange(days[2], "deleted", "c"),
        ],
        {"d": "e", "f": None},
    )


def test_a_chain_of_renames_leads_to_the_newest_name() -> None:
    names = follow(history(["+a", "+x"], ["a>b"], [], ["b>dir/c"]))
    assert [at(names, 0, "a"), at(names, 1, "b"), at(names, 2, "b"), at(names, 3, "dir/c")] == ["dir/c"] * 4
    assert at(names, 0, "x") == "x"
    assert there(names) == {"dir/c", "x"}


def test_a_renamed_file_that_is_deleted_later_is_gone_under_its_last_name() -> None:
    names = follow(history(["+a"], ["a>b"], ["-b"]))
    assert (at(names, 0, "a"), there(names)) == ("b", set())


def test_a_path_that_is_used_again_is_another_file() -> None:
    names = follow(history(["+a"], ["a>b"], ["+a"], ["a>c"], ["+a"]))
    assert [at(names, number, "a") for number in (0, 2, 4)] == ["b", "c", "a"]
    assert there(names) == {"a", "b", "c"}


def test_what_had_a_newer_files_path_before_is_not_that_file() -> None:
    names = follow(history(["+a", "+b"], ["-b"], ["a>b"]))
    assert (at(names, 0, "a"), at(names, 0, "b"), at(names, 2, "b")) == ("b", "b", "b")
    names = follow(history(["+b"], ["b>kept"], ["+a"], ["a>b"]))
    assert (at(names, 0, "b"), at(names, 2, "a"), at(names, 2, "b")) == ("kept", "b", "b")


def test_a_file_that_came_after_a_deleted_one_of_its_path_is_another_file() -> None:
    names = follow(history(["+a"], ["-a"], ["+a"], ["a>b"]))
    assert [at(names, number, "a") for number in range(3)] == ["a", "a", "b"]
    # What was never added again was not gone: a merge took the deletion back.
    assert at(follow(history(["+a"], ["-a"], [], ["a>b"])), 0, "a") == "b"


def test_a_name_that_was_given_up_is_no_file() -> None:
    names = follow(history(["+a"], ["a>b"]))
    assert [names.told_as_there(name) for name in ("a", "b", "unknown")] == [False, True, True]
    assert follow(history(["+a"], ["a>b"], ["+a"])).told_as_there("a")


@pytest.mark.parametrize("line", [["a>b", "b>a"], ["b>a", "a>b"]])
def test_two_files_that_change_places_keep_their_histories(line: Line) -> None:
    names = follow(history(["+a", "+b"], line))
    assert (at(names, 0, "a"), at(names, 0, "b")) == ("b", "a")
    # What is told at that time knows them as they were before.
    assert (at(names, 1, "a"), at(names, 1, "b")) == ("b", "a")
    assert there(names) == {"a", "b"}


@pytest.mark.parametrize("line", [["a>b", "b>c"], ["b>c", "a>b"]])
def test_files_that_move_up_in_one_commit_keep_their_histories(line: Line) -> None:
    names = follow(history(["+a", "+b"], line))
    assert (at(names, 0, "a"), at(names, 0, "b")) == ("b", "c")
    assert there(names) == {"b", "c"}


def test_the_order_of_the_changes_does_not_matter() -> None:
    changes = history(["+a"], ["a>b"], ["+a", "b>c"], ["-a"])
    assert follow(changes[::-1]) == follow(changes)


def test_a_commit_of_the_time_of_a_rename_has_the_old_path_before_it_and_the_new_one_after() -> None:
    names = follow([change("0", "a>b"), change("1", "b>c")])
    assert [names.name(time, path) for time, path in (("0", "a"), ("0", "b"), ("1", "b"), ("1", "c"))] == ["c"] * 4


def test_renames_at_one_time_are_followed_with_what_is_at_head() -> None:
    """An import of many commits may give all of them one time."""
    names = follow([change("0", text) for text in ("+a", "a>b", "b>c")])
    said = untold_names(names, {"a": True, "b": False, "c": False}, {"c"})
    assert {said.get(name, name) for name in (names.name("0", path) for path in "abc")} == {"c"}


def test_what_merges_did_is_seen_in_the_files_at_head() -> None:
    names = follow(history(["+a", "+b", "+c", "+d"], ["a>a2"], ["-d"], ["c>x"], ["x>y"], ["+c"]))
    # A merge took back the deletion of d, removed b, and the second c is the file that was moved to y.
    assert untold_names(names, {"e": False}, {"a2", "d", "y"}) == {"d": "d", "b": None, "c": "y", "e": None}
    assert untold_names(names, {"a2": False, "e": False}, {"a2", "b", "c", "e", "y"}) == {}


def test_a_name_in_another_case_is_a_new_one_where_no_commit_brought_that_file() -> None:
    names = follow(history(["+Gone", "+x"], ["x>made"]))
    there = {"gone", "kept", "made"}
    touched = {"Gone": True, "Kept": True, "kept": True, "Made": True, "x": True, "made": False, "gone": False}
    assert untold_names(names, touched, there) == {"Gone": "gone", "Kept": None, "Made": None}


def test_names_that_lead_in_a_circle_lead_nowhere() -> None:
    names = follow(history(["+a"], ["a>b"], ["b>a"]))
    assert untold_names(names, {}, set()) == {"a": None}


def test_a_long_history_takes_linear_time() -> None:
    many = 5_000
    names = follow(history(["+0"], *([f"{number}>{number + 1}"] for number in range(many))))
    assert at(names, 0, "0") == str(many)
    assert untold_names(names, {}, set()) == {str(many): None}


def test_many_names_of_one_long_chain_take_linear_time() -> None:
    many = 5_000
    names = follow(history(*([f"{number}>{number + 1}", f"+{number}"] for number in range(many))))
    assert set(untold_names(names, {}, {str(many)}).values()) == {str(many)}
