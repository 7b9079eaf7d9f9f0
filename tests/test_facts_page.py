"""docs/facts.md names the tests of the rules that hold for inputs that are not as usual."""

import re

from root import ROOT

TEST = re.compile(r"`(test_\w+)`")


def test_each_test_that_the_page_names_is_there() -> None:
    named = set(TEST.findall((ROOT / "docs/facts.md").read_text("utf-8")))
    there = {
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"^def (test_\w+)\(", path.read_text("utf-8"), re.MULTILINE)
    }
    assert len(named) > 40
    assert named <= there
