"""Later commits as questions: does search find the files that a commit touched, from its subject alone?

    git -C PROJECT checkout OLDER && cd PROJECT && patina init      # a project of an older commit
    python benchmarks/bench_commits.py PROJECT NEWER

The commits between the two are asked for: the built project knows nothing of them. A subject is taken if it has four
words or more, and if its commit touched one to five files that the older commit has. The questions are many and cheap.
They choose weights; they do not replace questions of people, as a subject is worded by who knows the code.
"""

import argparse
import re
import subprocess
from pathlib import Path

from bench_questions import DEPTH, Question, measures

from patina_assets.passages.passage import Group
from patina_assets.search.asking.filters import NO_FILTERS, Filters
from patina_assets.search.searcher import Searcher
from patina_resources.errors import PatinaError
from patina_resources.project.project import find_project

MOST_FILES, LEAST_WORDS = 5, 4
# What tells of no place in the code.
CHORE = re.compile(r"^(?:merge|bump|release|version|prepare|changelog|chore|revert)\b", re.IGNORECASE)
LISTS = {
    "one list": NO_FILTERS,
    "code and documents": Filters(groups=(Group.CODE, Group.DOCS)),
    "code": Filters(groups=(Group.CODE,)),
}


def git(folder: Path, *arguments: str) -> str:
    """Return what git prints."""
    done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, check=True)  # noqa: S607
    return done.stdout.decode("utf-8", "replace")


def later_commits(folder: Path, newer: str) -> list[Question]:
    """Return the subjects of commits after the one that is checked out, and the files they touched."""
    there = set(git(folder, "ls-files", "-z").split("\0"))
    log = git(folder, "log", "--no-merges", "-z", "--name-only", "--format=%x01%s", f"HEAD..{newer}")
    questions = []
    for entry in log.split("\x01")[1:]:
        subject, *files = entry.strip("\0\n").split("\0")
        touched = frozenset(file.strip("\n") for file in files) - {""}
        is_place = len(subject.split()) >= LEAST_WORDS and not CHORE.match(subject)
        if is_place and touched <= there and 0 < len(touched) <= MOST_FILES:
            questions.append(Question(subject, frozenset(), touched))
    return questions


def first_answer(searcher: Searcher, question: Question, filters: Filters) -> int | None:
    """Return the rank of the first file that the commit touched."""
    try:
        return question.first_answer(searcher.answer(question.text, None, DEPTH, filters).hits)
    except PatinaError:  # no word of it is known
        return None


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", type=Path)
    parser.add_argument("newer", help="a commit, tag or branch after the one that is checked out")
    options = parser.parse_args()
    questions = later_commits(options.project, options.newer)
    if not questions:
        raise SystemExit(f"{options.project}: no commit up to {options.newer} can be asked for")
    searcher = Searcher(find_project(options.project))
    print(f"{len(questions)} later commits\n\n| list | MRR | hit@10 |\n|---|---|---|")
    for name, filters in LISTS.items():
        mrr, hit = measures([first_answer(searcher, question, filters) for question in questions])
        print(f"| {name} | {mrr:.3f} | {hit:.2f} |")


if __name__ == "__main__":
    main()
