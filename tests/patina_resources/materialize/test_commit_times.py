"""When a commit was written: what git prints where it can, else what the commit object says."""

import pytest

from patina_resources.materialize.git.times import EARLIEST, LATEST, NO_TIME, CommitTime, commit_time

MISSING = ["", "", "", ""]


def raw(author: str, committer: str = "") -> bytes:
    lines = [f"author A <a@x> {author}" if author else "", f"committer C <c@x> {committer}" if committer else ""]
    return "\n".join(["tree 1", *filter(None, lines)]).encode() + b"\n\nauthor B <b@x> 5 +0000\n"


@pytest.mark.parametrize(
    ("seconds", "time"),
    [
        ("0", CommitTime("1970-01-01T00:00:00+00:00", as_written=False)),
        ("-1", CommitTime("1969-12-31T23:59:59+00:00", as_written=False)),
        ("9" * 18, CommitTime(LATEST, as_written=False, seconds=10**18 - 1)),
        ("-" + "9" * 18, CommitTime(EARLIEST, as_written=False, seconds=1 - 10**18)),
        ("9" * 19, CommitTime(NO_TIME, as_written=False)),
        ("12a", CommitTime(NO_TIME, as_written=False)),
        ("6\u0660", CommitTime(NO_TIME, as_written=False)),
        ("", CommitTime(NO_TIME, as_written=False)),
    ],
)
def test_the_object_is_read_where_git_prints_nothing(seconds: str, time: CommitTime) -> None:
    assert commit_time(MISSING, lambda: raw(f"{seconds} +0000")) == time


def test_the_committer_counts_where_the_author_has_no_time() -> None:
    assert commit_time(MISSING, lambda: raw("x", "60 +0200")).text == "1970-01-01T00:01:00+00:00"
    printed = ["", "", "60", "1970-01-01T02:01:00+02:00"]
    assert commit_time(printed, lambda: raw("")) == CommitTime("1970-01-01T02:01:00+02:00", as_written=False)


def test_newer_versions_of_git_write_utc_otherwise() -> None:
    times = [commit_time(["60", f"1970-01-01T00:01:00{zone}", "", ""], lambda: b"") for zone in ("Z", "+00:00")]
    assert times == [CommitTime("1970-01-01T00:01:00+00:00")] * 2


def test_what_git_prints_is_kept_with_its_zone_unless_it_is_another_time() -> None:
    def never() -> bytes:
        raise AssertionError("the object is not asked for")

    printed = ["60", "1970-01-01T02:01:00+02:00", "", ""]
    assert commit_time(printed, never) == CommitTime("1970-01-01T02:01:00+02:00")
    odd = ["60", "1970-01-01T09:01:00+02:00", "", ""]
    assert commit_time(odd, never) == CommitTime("1970-01-01T00:01:00+00:00", as_written=False)
