"""What a replay commit by commit asks at its end."""

from pathlib import Path

from bench_commit_replay import LATER, later_questions
from materialize_helpers import GitFolder


def test_later_commits_are_asked_for_the_files_that_there_are_already(tmp_path: Path) -> None:
    origin = GitFolder(tmp_path / "origin")
    paths = [f"src/{number}.py" for number in range(6)]
    for path in paths:
        origin.write(path, "first = 1\n")
    begun = origin.commit("first")
    origin.write(paths[0], "second = 2\n")
    origin.write("src/new.py", "second = 2\n")
    origin.commit("add the second")
    origin.write("src/new.py", "third = 3\n")
    origin.commit("only what is new")
    for path in paths:
        origin.write(path, "fourth = 4\n")
    origin.commit("everything")
    origin.write(paths[1], "fifth = 5\n")
    origin.commit("the fifth")
    clone = tmp_path / "clone"
    origin.git("clone", "-q", str(origin.path), str(clone))
    origin.git("-C", str(clone), "checkout", "-q", begun)
    asked = [
        {"question": "add the second", "kind": LATER, "answers": [paths[0]]},
        {"question": "the fifth", "kind": LATER, "answers": [paths[1]]},
    ]
    assert later_questions(clone, 10) == asked
    assert later_questions(clone, 3) == asked[:1]
