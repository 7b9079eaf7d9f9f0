"""How well questions find their answers in a built project, for each list and for all of them fused.

    python benchmarks/bench_questions.py benchmarks/questions-2026-02-04.json PROJECT_FOLDER

A question is answered by a hit of one of its sessions or files. MRR is the mean of 1 / rank of the first such hit
(0 beyond the first 50); hit@10 is the share of questions with one among the first ten. The questions are of two
kinds: those that ask for a session's note and those that ask for a file.
"""

import argparse
import json
import statistics
import time
from dataclasses import dataclass
from pathlib import Path

from patina_assets.search.built import BASE, LEXICAL
from patina_assets.search.fusion import Hit
from patina_assets.search.searcher import Searcher
from patina_resources.errors import PatinaError
from patina_resources.project.project import find_project

DEPTH = 50
FUSED = "fused"


@dataclass(frozen=True)
class Question:
    """A question in free words.

    Attributes:
        text: The question.
        sessions: Ids of the sessions that answer it; empty where it asks for a file.
        files: Paths of the files that answer it.
    """

    text: str
    sessions: frozenset[str]
    files: frozenset[str]

    def first_answer(self, hits: list[Hit]) -> int | None:
        """Return the rank (from 1) of the first hit that answers it."""
        for rank, hit in enumerate(hits, 1):
            if hit.item.session in self.sessions or hit.item.file in self.files:
                return rank
        return None


def read_questions(path: Path) -> list[Question]:
    """Return the questions of a file."""
    return [
        Question(entry["question"], frozenset(entry["sessions"]), frozenset(entry["files"]))
        for entry in json.loads(path.read_text("utf-8"))
    ]


def ranks(searcher: Searcher, name: str, questions: list[Question]) -> list[int | None]:
    """Return for each question the rank of its first answer in one list, or fused."""
    found = []
    for question in questions:
        try:
            hits = searcher.search(question.text, None if name == FUSED else name, DEPTH)
        except PatinaError:  # no word of it is known to that list
            hits = []
        found.append(question.first_answer(hits))
    return found


def measures(found: list[int | None]) -> tuple[float, float]:
    """Return MRR and hit@10."""
    reciprocal = [0.0 if rank is None else 1 / rank for rank in found]
    return statistics.fmean(reciprocal), statistics.fmean(rank is not None and rank <= 10 for rank in found)


def row(name: str, questions: list[Question], found: list[int | None]) -> str:
    """Return a line of the Markdown table: all questions, those for notes, those for files."""
    notes = [rank for question, rank in zip(questions, found, strict=True) if question.sessions]
    files = [rank for question, rank in zip(questions, found, strict=True) if question.files]
    cells = [f"{value:.3f}" for part in (found, notes, files) for value in measures(part)]
    return f"| {name} | {' | '.join(cells)} |"


def milliseconds(searcher: Searcher, questions: list[Question]) -> float:
    """Return the median time of a fused query whose indexes are in memory."""
    times = []
    for question in questions:
        started = time.perf_counter()
        searcher.search(question.text)
        times.append(time.perf_counter() - started)
    return 1000 * statistics.median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path)
    parser.add_argument("project", type=Path)
    parser.add_argument("--misses", action="store_true", help="list the questions without an answer among the first 10")
    options = parser.parse_args()
    questions = read_questions(options.questions)
    searcher = Searcher(find_project(options.project))
    print("| list | MRR | hit@10 | notes MRR | notes hit@10 | files MRR | files hit@10 |")
    print("|---|---|---|---|---|---|---|")
    for name in (BASE, *searcher.projections, LEXICAL, FUSED):
        found = ranks(searcher, name, questions)
        print(row(name, questions, found))
        if name == FUSED and options.misses:
            late = [(rank, question.text) for question, rank in zip(questions, found, strict=True) if (rank or 99) > 10]
            print("\n".join(f"- {rank or 'none'}: {text}" for rank, text in late))
    print(
        f"\n{len(questions)} questions; a fused query takes {milliseconds(searcher, questions):.1f} ms (median, warm)"
    )


if __name__ == "__main__":
    main()
