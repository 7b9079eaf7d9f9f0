"""Questions of people on public repositories: ask them once, and print the table of docs/search-figures.md.

    PYTHONPATH=OTHER_CHECKOUT python benchmarks/bench_locked.py ask QUESTIONS.json CLONES SCRATCH --save before.json
    python benchmarks/bench_locked.py ask QUESTIONS.json CLONES SCRATCH --save now.json
    python benchmarks/bench_locked.py baseline QUESTIONS.json SCRATCH --ask ask.py --model FOLDER --save baseline.json
    python benchmarks/bench_locked.py table baseline.json before.json now.json

CLONES holds a git repository for each name in `repositories.json`, which stands beside the questions: NAME, or
OWNER+NAME/repo. SCRATCH gets one project for each repository and model; what is built there already serves the next
call. `ask` builds `base` alone. A question is answered by a result of one of its files or commits. *One list*: as it is
shown. *Told*: commits alone for a question that asks for one, and no commits for another.
"""

import argparse
import json
import runpy
import statistics
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from patina_assets.passages.passage import Group
from patina_assets.search.fusion import Hit
from patina_assets.search.searcher import Searcher
from patina_resources.errors import PatinaError
from patina_resources.project.project import find_project

MODELS = ("corpus-static+english-static", "all-minilm-l6-v2", "all-minilm-l6-v2+corpus-static")
DEPTH, FIRST = 50, 3
RESULTS = 400
ONE, TOLD, EXACT = "one list", "told", "exact"
STYLES = {"plain words": "plain", "words of the answer": "shared"}
KINDS = {"functions": "function", "files and documents": "file", "commits": "commit"}
Question = dict[str, Any]
Ranks = dict[str, list[int | None]]


def read(questions: Path) -> list[Question]:
    """Return the questions of a file, those of one repository together."""
    asked: list[Question] = json.loads(questions.read_text("utf-8"))
    return sorted(asked, key=lambda question: question["repo"])


def built(questions: Path, name: str, model: str, clones: Path, scratch: Path) -> Path:
    """Return the folder of a project whose `base` is built with a model."""
    entries = json.loads((questions.parent / "repositories.json").read_text("utf-8"))
    entry = next(entry for entry in entries if entry["name"] == name)
    places = (clones / name, clones / entry["source"].replace("/", "+") / "repo")
    clone = next((place for place in places if place.is_dir()), None)
    if clone is None:
        raise SystemExit(f"{clones}: expected a git repository called {name} or {places[1].relative_to(clones)}")
    folder = scratch / model / name
    patina = [sys.executable, "-m", "patina_assets.cli"]
    if not folder.is_dir():
        subprocess.run(["git", "clone", "-q", clone, folder], check=True)  # noqa: S607
        subprocess.run(["git", "-C", folder, "checkout", "-q", entry["commit"]], check=True)  # noqa: S607
        subprocess.run([*patina, "init", "--no-build", "--model", model, "."], cwd=folder, check=True)
    for step in (["materialize"], ["oxidize", "--only", "base"]):
        subprocess.run([*patina, *step], cwd=folder, check=True)
    return folder


def wanted(question: Question) -> set[str]:
    """Return the files and commits that answer a question."""
    return {answer.partition("::")[0] for answer in question["answers"]}


def first(found: Iterable[set[str]], question: Question) -> int | None:
    """Return the rank of the first result that answers; a commit may be told by its first characters."""
    answers = wanted(question)
    for rank, names in enumerate(list(found)[:DEPTH], 1):
        if any(name == answer or (question["kind"] == "commit" and name.startswith(answer))
               for name in names for answer in answers):  # fmt: skip
            return rank
    return None


def names_of(hit: Hit) -> set[str]:
    """Return the file, commit and session of a result."""
    return {name for name in (hit.item.file, hit.item.commit, hit.item.session) if name}


def fits(hit: Hit, kind: str) -> bool:
    """Return whether a result is of the kind that a question asks for."""
    groups = {"commit": {Group.COMMITS}, "note": {Group.NOTES}}.get(kind, {Group.CODE, Group.DOCS})
    return hit.passage is not None and hit.passage.group in groups


def is_exact(hits: list[Hit], question: Question) -> bool:
    """Return whether a function that answers is among the first results, or told beside one of them."""
    shown = {
        (hit.item.file, passage.symbol) for hit in hits[:FIRST] for passage in (hit.passage, *hit.others) if passage
    }
    last = {(file, symbol.replace("::", ".").replace("#", ".").rpartition(".")[2]) for file, symbol in shown}
    return any(tuple(answer.split("::", 1)) in shown | last for answer in question["answers"])


def ask(options: argparse.Namespace) -> dict[str, Ranks]:
    """Return, by model, the rank of the first answer to each question."""
    found: dict[str, Ranks] = {}
    for model in MODELS:
        searchers: dict[str, Searcher] = {}
        ranks: Ranks = {ONE: [], TOLD: [], EXACT: []}
        for question in read(options.questions):
            name = question["repo"]
            if name not in searchers:
                folder = built(options.questions, name, model, options.clones, options.scratch)
                searchers[name] = Searcher(find_project(folder))
            try:
                hits = searchers[name].answer(question["question"], None, RESULTS).hits
            except PatinaError:  # no word of it is known
                hits = []
            ranks[ONE].append(first(map(names_of, hits), question))
            ranks[TOLD].append(first((names_of(hit) for hit in hits if fits(hit, question["kind"])), question))
            ranks[EXACT].append(1 if is_exact(hits, question) else None)
        found[model] = ranks
    return found


def baseline(options: argparse.Namespace) -> dict[str, Ranks]:
    """Return the ranks of windows of 35 lines and commit messages, told the kind, by a script outside of Patina."""
    plain = runpy.run_path(str(options.ask))
    encoder = plain["Encoder"](options.model)
    asked: dict[str, Any] = {}
    found: dict[str, Ranks] = {}
    for question in read(options.questions):
        name = question["repo"]
        if name not in asked:
            asked = {name: plain["baseline"](options.scratch / MODELS[0] / name, encoder)}
        for column, names in asked[name](question["question"], question["kind"]).items():
            ranks = found.setdefault(f"baseline, {column}", {TOLD: []})
            ranks[TOLD].append(first(({entry} for entry in names), question))
    return found


def cell(ranks: list[int | None]) -> str:
    """Return MRR / hit@10."""
    if not ranks:
        return "-"
    reciprocal = statistics.fmean(0 if rank is None else 1 / rank for rank in ranks)
    return f"{reciprocal:.3f} / {statistics.fmean(rank is not None and rank <= 10 for rank in ranks):.2f}"


def table(saved: list[Path]) -> None:
    """Print the tables of some answers that were saved."""
    documents = [(path.stem, json.loads(path.read_text("utf-8"))) for path in saved]
    questions: list[Question] = documents[0][1]["questions"]
    rows = [
        (f"{column}, {told}" if column.startswith("baseline") else f"`{column}`, {stem}, {told}", ranks[told])
        for stem, document in documents
        for column, ranks in document["ranks"].items()
        for told in (ONE, TOLD)
        if told in ranks
    ]
    parts = {"all": questions} | {
        name: [question for question in questions if question["style"] == style] for name, style in STYLES.items()
    }
    print_table(rows, questions, parts)
    plain = parts["plain words"]
    kinds = {name: [question for question in plain if question["kind"] == kind] for name, kind in KINDS.items()}
    print("\nplain words:\n")
    print_table(rows, questions, kinds)
    exact = [
        (f"`{model}`, {stem}", ranks[EXACT])
        for stem, document in documents
        for model, ranks in document["ranks"].items()
        if EXACT in ranks
    ]
    functions = {
        name: [question for question in part if question["kind"] == "function"] for name, part in parts.items()
    }
    print("\nfile and name of the function among the first three (second figure):\n")
    print_table(exact, questions, functions)


def print_table(
    rows: list[tuple[str, list[int | None]]], questions: list[Question], parts: dict[str, list[Question]]
) -> None:
    """Print one table in Markdown: a row for each list of ranks, a column for each part of the questions."""
    print(f"| | {' | '.join(f'{name} ({len(part)})' for name, part in parts.items())} |")
    print("|---" * (len(parts) + 1) + "|")
    for title, ranks in rows:
        own = [[rank for rank, question in zip(ranks, questions, strict=True) if question in part]
               for part in parts.values()]  # fmt: skip
        print(f"| {title} | {' | '.join(cell(part) for part in own)} |")


def main() -> None:
    """Ask, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True, dest="command")
    for name in ("ask", "baseline"):
        command = commands.add_parser(name)
        command.add_argument("questions", type=Path)
        if name == "ask":
            command.add_argument("clones", type=Path)
        command.add_argument("scratch", type=Path, help="absolute, and kept between calls")
        command.add_argument("--save", type=Path, required=True)
        if name == "baseline":
            command.add_argument("--ask", type=Path, required=True, help="a script with `baseline` and `Encoder`")
            command.add_argument("--model", type=Path, required=True, help="model.onnx and tokenizer.json")
    commands.add_parser("table").add_argument("saved", type=Path, nargs="+")
    options = parser.parse_args()
    if options.command == "table":
        table(options.saved)
        return
    ranks = ask(options) if options.command == "ask" else baseline(options)
    options.save.write_text(json.dumps({"questions": read(options.questions), "ranks": ranks}))


if __name__ == "__main__":
    main()
