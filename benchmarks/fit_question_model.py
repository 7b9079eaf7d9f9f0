"""Learn how questions lean to documents or commits, by leaving repositories out; write what all of them teach.

    python benchmarks/fit_question_model.py --model all-minilm-l6-v2 --projects FOLDER FOLDER QUESTIONS.json ...

Each FOLDER holds built projects called as the repositories of the questions. The model is one of `question_model.json`,
which gets the new weights with `--write`. `--maps` is what `fit_question_map.py --folds` kept: a question is asked with
maps that did not learn from its repository. What is learned adds to the exponents of `questions.py`: the loss is the
negative logarithm of the probability of the groups that answer, each weighted by 1 / rank of its first answer.
"""

import argparse
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench_locked import Question, cell, first, names_of
from numpy.typing import NDArray

from patina_assets.passages.passage import Group
from patina_assets.search.asking import question_map, question_model
from patina_assets.search.asking.question_map import QuestionMap, maps_from
from patina_assets.search.asking.question_model import CONSTANT, leanings, part_of, signs_of
from patina_assets.search.questions import counted
from patina_assets.search.searcher import Searcher
from patina_resources.errors import PatinaError
from patina_resources.project.project import find_project

GROUPS = (Group.DOCS, Group.COMMITS)
# A sign that stands in fewer questions teaches nothing.
LEAST_QUESTIONS = 8
COMPONENTS = 12
PENALTY, RATE, STEPS = 0.01, 0.05, 500
DEPTH = 400
FOLDS = 8
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Example:
    """A question and what its groups give.

    Attributes:
        question: The question.
        vector: What the model reads of its vector, float [dims] or [0].
        offsets: By group, the exponent that the rules give it.
        shares: By group, the score of each result as a share of the group's first, and the rank of the first answer.
    """

    question: Question
    vector: Floats
    offsets: dict[Group, float]
    shares: dict[Group, tuple[Floats, int | None]]


def example(searcher: Searcher, question: Question) -> Example | None:
    """Return a question with what is found for it; None where no word of it is known."""
    text = question["question"]
    try:
        hits = searcher.answer(text, None, DEPTH).hits
    except PatinaError:
        return None
    spec, vector = searcher.indexes.spec, searcher.indexes.vector(text)
    leaning = counted(text, leanings(text, spec, vector))
    groups: dict[Group, list[int]] = {}
    for place, hit in enumerate(hits):
        if hit.passage is not None:
            groups.setdefault(hit.passage.group, []).append(place)
    # The first of a group has its probability as score.
    offsets = {group: float(np.log(hits[own[0]].score)) - leaning.get(group, 0.0) for group, own in groups.items()}
    shares = {
        group: (
            np.asarray([hits[place].score / hits[own[0]].score for place in own]),
            first((names_of(hits[place]) for place in own), question),
        )
        for group, own in groups.items()
    }
    return Example(question, np.asarray(part_of(spec, vector)[1], float), offsets, shares)


def components(examples: list[Example]) -> tuple[Floats, Floats]:
    """Return the mean of the questions' vectors [dims], and their first components [dims, COMPONENTS], scaled."""
    vectors = np.stack([entry.vector for entry in examples])
    mean = vectors.mean(0)
    if not vectors.shape[1]:
        return mean, np.zeros((0, 0))
    axes = np.linalg.svd(vectors - mean, full_matrices=False)[2][:COMPONENTS].T
    return mean, axes / (2 * ((vectors - mean) @ axes).std(0))


def telling_signs(examples: list[Example]) -> list[str]:
    """Return the signs that stand in some questions."""
    counts = Counter(name for entry in examples for name in signs_of(entry.question["question"]))
    return sorted(name for name, count in counts.items() if count >= LEAST_QUESTIONS)


def asked_with(maps: Path | None, repository: str) -> None:
    """Ask from now on with the maps that did not learn from a repository, in the place of those that are shipped."""
    if maps is None:
        return
    others = maps_from((maps / f"{repository}.npz").read_bytes())
    shipped = question_map.learned_for

    def learned_for(digest: str, settings: str) -> Mapping[Group, QuestionMap]:
        return others if shipped(digest, settings) else {}

    question_map.learned_for = learned_for  # type: ignore[assignment]


def features(examples: list[Example], names: list[str], mean: Floats, axes: Floats) -> Floats:
    """Return float [n, signs and components]."""
    rows = [signs_of(entry.question["question"]) for entry in examples]
    signs = np.asarray([[row.get(name, 0.0) for name in names] for row in rows])
    return np.hstack([signs, (np.stack([entry.vector for entry in examples]) - mean) @ axes])


def fitted(examples: list[Example], found: Floats) -> Floats:
    """Return the weights, float [features, GROUPS], by gradient descent with momentum (Nesterov 1983)."""
    order = [*GROUPS, *(group for group in Group if group not in GROUPS)]
    offsets = np.asarray([[entry.offsets.get(group, -30.0) for group in order] for entry in examples])
    gains = np.asarray(
        [[1 / place if (place := entry.shares.get(group, (None, None))[1]) else 0.0 for group in order]
         for entry in examples]
    )  # fmt: skip
    best = gains.max(1)
    gains /= np.maximum(best, 1e-9)[:, None]
    weights, ahead = (np.zeros((found.shape[1], len(GROUPS))) for _ in range(2))
    for step in range(STEPS):
        exponents = offsets.copy()
        exponents[:, : len(GROUPS)] += found @ ahead
        shares = np.exp(exponents - exponents.max(1, keepdims=True))
        shares /= shares.sum(1, keepdims=True)
        right = shares * gains
        slope = (shares - right / np.maximum(right.sum(1, keepdims=True), 1e-9)) * best[:, None] / best.sum()
        moved = ahead - RATE * (found.T @ slope[:, : len(GROUPS)] + PENALTY * ahead)
        ahead, weights = moved + step / (step + 3) * (moved - weights), moved
    return weights


def rank(entry: Example, added: dict[Group, float]) -> int | None:
    """Return the rank of the first answer in one list."""
    counts = counted(entry.question["question"], added)
    worth = {group: np.exp(exponent + counts.get(group, 0.0)) for group, exponent in entry.offsets.items()}
    answers = [worth[group] * shares[at - 1] for group, (shares, at) in entry.shares.items() if at]
    if not answers:
        return None
    return 1 + sum(int((worth[group] * shares > max(answers)).sum()) for group, (shares, _) in entry.shares.items())


def report(title: str, examples: list[Example], ranks: list[int | None]) -> None:
    """Print MRR / hit@10 of the questions in plain words and of the others."""
    parts = [
        f"{style} {cell([at for at, entry in zip(ranks, examples, strict=True) if entry.question['style'] == style])}"
        for style in ("plain", "shared")
    ]
    print(f"{title:24} {'   '.join(parts)}")


def main() -> None:
    """Measure, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="+")
    parser.add_argument("--model", required=True, help=f"`{question_model.STATIC}`, or the name of a base model")
    parser.add_argument("--projects", type=Path, nargs="+", required=True)
    parser.add_argument("--maps", type=Path, help="a folder")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    asked = [question for path in options.questions for question in json.loads(path.read_text("utf-8"))]
    examples: list[Example] = []
    for name in dict.fromkeys(question["repo"] for question in asked):
        place = next(folder / name for folder in options.projects if (folder / name).is_dir())
        asked_with(options.maps, name)
        searcher = Searcher(find_project(place))
        made = (example(searcher, question) for question in asked if question["repo"] == name)
        examples += [entry for entry in made if entry is not None]
    names = telling_signs(examples)
    mean, axes = components(examples)
    found = features(examples, names, mean, axes)
    report("rules alone", examples, [rank(entry, {}) for entry in examples])
    ranks: list[int | None] = [None] * len(examples)
    repositories = sorted({entry.question["repo"] for entry in examples})
    for part in range(FOLDS):
        left_out = repositories[part::FOLDS]
        others = [place for place, entry in enumerate(examples) if entry.question["repo"] not in left_out]
        weights = fitted([examples[place] for place in others], found[others])
        for place in set(range(len(examples))).difference(others):
            ranks[place] = rank(examples[place], dict(zip(GROUPS, found[place] @ weights, strict=True)))
    report("learned from others", examples, ranks)
    if options.write:
        taught_by = ", ".join(path.stem for path in options.questions)
        write(options.model, taught_by, names, fitted(examples, found), mean, axes)


def write(model: str, taught_by: str, names: list[str], weights: Floats, mean: Floats, axes: Floats) -> None:
    """Write the weights of one model into `question_model.json`, and which files of questions taught it."""
    path = Path(question_model.__file__).parent / question_model.FILE
    told: dict[str, Any] = json.loads(path.read_text("utf-8")) if path.exists() else {"origin": "", "models": {}}
    told["origin"] = f"benchmarks/fit_question_model.py, from {taught_by}"
    entry: dict[str, dict[str, object]] = {}
    for column, group in enumerate(GROUPS):
        vector = axes @ weights[len(names) :, column]
        signs = dict(zip(names, weights[: len(names), column].tolist(), strict=True))
        signs[CONSTANT] -= float(mean @ vector)
        kept = {name: round(value, 3) for name, value in signs.items() if round(value, 3)}
        entry[group.value] = {"signs": kept, "vector": [round(value, 4) for value in vector.tolist()]}
    told["models"][model] = entry
    path.write_text(json.dumps(told, indent=1).replace("\n     ", " ") + "\n")


if __name__ == "__main__":
    main()
