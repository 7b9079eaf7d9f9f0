"""Learn how a question's vector is turned before passages of a group are asked with it; write what all teach.

    python benchmarks/fit_question_map.py --model all-minilm-l6-v2 --projects FOLDER FOLDER QUESTIONS.json ...

Each FOLDER holds projects called as the repositories of the questions, built with the model. For a model that looks
words up they may be built with any other: it embeds their texts anew. To the questions of people come those of
`questions/training.jsonl`, which were written from the function's code or the commit's message. Each of these counts a
fifth. For a group, a linear map and an offset learn to tell the passages that answer from others of the repository's
group (InfoNCE, van den Oord et al. 2018). The map of code stays near the identity, and the others near that of code.
First it says how near answers are in repositories that taught nothing, a sixth of them at a time; `--folds` keeps these
maps, and `--write` what all teach.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Group
from patina_assets.passages.roles import Role
from patina_assets.search.asking import question_map
from patina_assets.search.asking.question_map import QuestionMap
from patina_assets.search.base_model import STATIC_MODELS, embedder, settings_text
from patina_assets.search.built import BASE
from patina_assets.search.indexes import OpenIndex
from patina_assets.search.ranking import COSINE_POWER, ROLE_FACTORS
from patina_assets.search.searcher import Searcher
from patina_resources.arrays import Float32
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import ModelSpec, RegistryEntry, model_digest
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

TEMPERATURE, OFFSET_HELD_BACK = 0.07, 0.1
# By group, how much the weights are held back towards those that they begin with: the identity for code, and what code
# taught for the others, since few questions ask for these.
HELD_BACK = {Group.CODE: 0.01, Group.DOCS: 0.1, Group.COMMITS: 0.03}
OF_PEOPLE = 5.0
# Adam (Kingma and Ba 2015), whose step falls to zero; a step sees a sixth of the repositories.
EPOCHS, STEP, PARTS = 5, 0.003, 6
MOMENTUM, SCALE_MOMENTUM = 0.9, 0.99
FOLDS = 6
TRAINING = Path(__file__).parent / "questions" / "training.jsonl"


Questions = list[dict[str, Any]]


@dataclass
class Repository:
    """The passages of a repository's group, and questions that they answer.

    Attributes:
        name: The repository.
        vectors: Unit vectors times what their role counts, float32 [passages, dims].
        names: File and symbol of each passage.
        kept: What answers are told apart from, bool [passages].
        asked: Questions with an answer among these passages.
        questions: Their unit vectors, float32 [questions, dims].
        answers: By question, the passages that answer.
        counts: By question, how much it counts, float32 [questions].
    """

    name: str
    vectors: Float32
    names: list[tuple[str, str]]
    kept: NDArray[np.bool_]
    asked: Questions = field(default_factory=list)
    questions: Float32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    answers: list[NDArray[np.int64]] = field(default_factory=list)
    counts: Float32 = field(default_factory=lambda: np.zeros(0, np.float32))


Groups = dict[Group, list[Repository]]


def read_questions(files: Sequence[Path]) -> Questions:
    """Return the questions of people, and those of TRAINING in the same form."""
    of_people = [question for path in files for question in json.loads(path.read_text("utf-8"))]
    written = [json.loads(line) for line in TRAINING.read_text("utf-8").splitlines()]
    return of_people + [entry | {"style": "training"} for entry in written]


def read_repository(folder: Path, name: str, group: Group, questions: Questions, model: OnnxEmbedder) -> Repository:
    """Return a repository's passages of a group, with the questions that some of them answer."""
    base = Searcher(find_project(folder)).indexes.opened(BASE)
    rows = base.file.rows('SELECT key, thing, symbol, role FROM passage WHERE "group" = ?', (str(group),))
    factors = np.asarray([ROLE_FACTORS[group].get(Role(role), 1.0) for _, _, _, role in rows], np.float32)
    vectors = passage_vectors(base, model, [key for key, *_ in rows]) * factors[:, None] ** np.float32(COSINE_POWER)
    # Tests and what else stands below sources are no answers that compete with them.
    kept = (factors == 1.0) | (group is not Group.CODE)
    repository = Repository(name, vectors, [(thing.partition(" ")[2], symbol) for _, thing, symbol, _ in rows], kept)
    found = []
    for question in questions:
        is_of_group = (question["kind"] == "commit") == (group is Group.COMMITS)
        answers = answering(repository, question) if is_of_group else np.zeros(0, np.int64)
        if kept[answers].any():
            repository.asked.append(question)
            repository.answers.append(answers)
            found.append(model.embed_query(question["question"]))
    if found:
        repository.questions = np.stack(found)
        styles = [question["style"] for question in repository.asked]
        repository.counts = np.asarray([1.0 if style == "training" else OF_PEOPLE for style in styles], np.float32)
    return repository


def passage_vectors(base: OpenIndex, model: OnnxEmbedder, keys: Sequence[int]) -> Float32:
    """Return unit vectors of some passages, float32 [len(keys), dims]."""
    if model.spec.name not in STATIC_MODELS:
        return unit(base.vectors(keys))
    items = base.file.items()
    return model.embed_passages([items[key].text for key in keys])


def answering(repository: Repository, question: dict[str, Any]) -> NDArray[np.int64]:
    """Return the passages that answer a question: of a file, of a definition in it, or a commit.

    A definition may be told by its last name, and a commit by its first characters.
    """
    wanted = [answer.partition("::")[::2] for answer in question["answers"]]
    is_commit = question["kind"] == "commit"
    same, like = (
        [row for row, (own, symbol) in enumerate(repository.names) for name, defined in wanted
         if (own.startswith(name) if is_commit else own == name) and (not defined or named(symbol) == named(defined))]
        for named in (str, last)
    )  # fmt: skip
    return np.asarray(same or like, np.int64)


def last(symbol: str) -> str:
    """Return the last name of a symbol, such as `b` of `a.b`, `a::b` and `a#b`."""
    return symbol.replace("::", ".").replace("#", ".").rpartition(".")[2]


def unit(rows: Float32) -> Float32:
    """Return rows of unit length."""
    scaled: Float32 = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return scaled


def slope(repository: Repository, learned: QuestionMap) -> tuple[Float32, Float32]:
    """Return the slope of the loss of a repository's questions, summed: for the weights and for the offset."""
    turned = repository.questions @ learned.weights + learned.offset
    length = np.linalg.norm(turned, axis=1, keepdims=True)
    turned /= length
    candidates, place = repository.vectors[repository.kept], np.cumsum(repository.kept) - 1
    nearness = turned @ candidates.T / TEMPERATURE
    shares = np.exp(nearness - nearness.max(1, keepdims=True))
    pulled = shares / shares.sum(1, keepdims=True)
    for row, answers in enumerate(repository.answers):
        right = place[answers[repository.kept[answers]]]
        pulled[row, right] -= shares[row, right] / shares[row, right].sum()
    of_turned = repository.counts[:, None] * (pulled @ candidates) / TEMPERATURE
    of_turned = (of_turned - turned * (of_turned * turned).sum(1, keepdims=True)) / length
    return repository.questions.T @ of_turned, of_turned.sum(0)


def fitted(repositories: Sequence[Repository], held_back: float, start: QuestionMap | None = None) -> QuestionMap:
    """Return what the questions of some repositories teach; they begin with the identity, or with another map."""
    dims = repositories[0].vectors.shape[1]
    if start is None:
        start = QuestionMap(np.eye(dims, dtype=np.float32), np.zeros(dims, np.float32))
    learned = QuestionMap(start.weights.copy(), start.offset.copy())
    values = (learned.weights, learned.offset)
    momenta, scales = ([np.zeros_like(value) for value in values] for _ in range(2))
    random, size = np.random.default_rng(0), max(len(repositories) // PARTS, 1)
    steps, done = EPOCHS * -(-len(repositories) // size), 0
    for _ in range(EPOCHS):
        order = random.permutation(len(repositories))
        for first in range(0, len(order), size):
            batch = [repositories[place] for place in order[first : first + size]]
            count = sum(float(repository.counts.sum()) for repository in batch)
            slopes = [np.sum(parts, axis=0) / count
                      for parts in zip(*(slope(own, learned) for own in batch), strict=True)]  # fmt: skip
            slopes[0] += held_back * (learned.weights - start.weights)
            slopes[1] += OFFSET_HELD_BACK * (learned.offset - start.offset)
            done += 1
            for value, own, momentum, scale in zip(values, slopes, momenta, scales, strict=True):
                momentum += (1 - MOMENTUM) * (own - momentum)
                scale += (1 - SCALE_MOMENTUM) * (own * own - scale)
                falling = STEP * (1 - (done - 1) / steps) / (1 - MOMENTUM**done)
                value -= falling * momentum / (np.sqrt(scale / (1 - SCALE_MOMENTUM**done)) + 1e-8)
    return learned


def ranks(repository: Repository, learned: QuestionMap | None) -> list[tuple[str, int]]:
    """Return the style of each question, and the rank of the first definition or file that answers, by cosine."""
    turned = repository.questions
    if learned is not None:
        turned = unit(turned @ learned.weights + learned.offset)
    things: dict[tuple[str, str], int] = {}
    thing = np.asarray([things.setdefault(name, len(things)) for name in repository.names])
    found = []
    for question, cosines, answers in zip(
        repository.asked, turned @ repository.vectors.T, repository.answers, strict=True
    ):
        best = np.full(len(things), -1, np.float32)
        np.maximum.at(best, thing, cosines)
        found.append((question["style"], 1 + int((best > best[thing[answers]].max()).sum())))
    return found


def report(title: str, found: Collection[tuple[str, int]]) -> None:
    """Print MRR of each style."""
    cells = [
        f"{style} ({len(own)}) {np.mean([1 / rank for rank in own]):.3f}"
        for style in ("plain", "shared", "training")
        if (own := [rank for of, rank in found if of == style])
    ]
    print(f"{title:24} {'   '.join(cells)}", flush=True)


def taught(repositories: Groups, without: Collection[str] = ()) -> dict[Group, QuestionMap]:
    """Return what the questions of all repositories but some teach, by group."""
    maps: dict[Group, QuestionMap] = {}
    for group, held_back in HELD_BACK.items():
        own = [repository for repository in repositories[group] if repository.name not in without]
        maps[group] = fitted(own, held_back, maps.get(Group.CODE))
    return maps


def folds(repositories: Groups) -> list[list[str]]:
    """Return the names of FOLDS parts with about as many questions each."""
    counts: Counter[str] = Counter()
    for own in repositories.values():
        counts.update({repository.name: len(repository.asked) for repository in own})
    parts: list[list[str]] = [[] for _ in range(FOLDS)]
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        min(parts, key=lambda part: sum(counts[own] for own in part)).append(name)
    return [part for part in parts if part]


def left_out(repositories: Groups) -> dict[str, dict[Group, QuestionMap]]:
    """Return, by repository, what others teach that are not of its part; say what that is worth."""
    maps: dict[str, dict[Group, QuestionMap]] = {}
    for part in folds(repositories):
        maps |= dict.fromkeys(part, taught(repositories, part))
    for group, own in repositories.items():
        report(f"{group}, as it is", [found for entry in own for found in ranks(entry, None)])
        report(f"{group}, learned", [found for entry in own for found in ranks(entry, maps[entry.name][group])])
    return maps


def packed(maps: Mapping[Group, QuestionMap]) -> bytes:
    """Return the bytes that `maps_from` reads."""
    rows = {
        str(group): np.vstack([own.weights - np.eye(len(own.weights), dtype=np.float32), own.offset])
        for group, own in sorted(maps.items())
    }
    scales = np.stack([np.maximum(np.abs(own).max(1), 1e-9) / 127 for own in rows.values()]).astype(np.float32)
    data = BytesIO()
    whole = {name: np.round(own / scale[:, None]).astype(np.int8)
             for (name, own), scale in zip(rows.items(), scales, strict=True)}  # fmt: skip
    np.savez(data, scales=scales, **whole)
    return data.getvalue()


def digests_on_hub(entry: RegistryEntry) -> list[str]:
    """Return the digests of a model's files that the registry pins on the model hub: the same weights."""
    if entry.hub is None:
        return []
    pins, hub = entry.hub.sha256, entry.hub
    return [model_digest(pins[onnx], pins[hub.tokenizer]) for onnx in hub.onnx.values() if onnx in pins]


def write(model: ModelSpec, digests: Sequence[str], data: bytes, taught_by: Sequence[Path]) -> None:
    """Write the maps of one model, and in `question_maps.json` which bytes and settings they belong to."""
    folder = Path(question_map.__file__).parent
    name = f"question_maps-{model.name}.npz"
    (folder / name).write_bytes(data)
    path = folder / question_map.FILE
    told = json.loads(path.read_text("utf-8"))
    told["origin"] = f"benchmarks/fit_question_map.py, from {', '.join(own.stem for own in [*taught_by, TRAINING])}"
    entry = {"model": model.name, "settings": settings_text(model), "file": name,
             "sha256": hashlib.sha256(data).hexdigest()}  # fmt: skip
    told["maps"] |= dict.fromkeys(digests, entry)
    path.write_text(json.dumps(told, indent=1) + "\n")


def main() -> None:
    """Measure, and write where that is asked for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("questions", type=Path, nargs="+")
    parser.add_argument("--model", required=True, help="its name")
    parser.add_argument("--projects", type=Path, nargs="+", required=True)
    parser.add_argument("--folds", type=Path, help="an empty folder for what each part's others teach")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    home = mothership()
    entry = load_registry(home).entry(options.model)
    files = cached_model(home, entry.spec)
    model = embedder(entry.spec, files)
    questions = read_questions(options.questions)
    places = {name: next(folder / name for folder in options.projects if (folder / name).is_dir())
              for name in dict.fromkeys(question["repo"] for question in questions)}  # fmt: skip
    repositories: Groups = {}
    for group in HELD_BACK:
        read = (read_repository(place, name, group, [own for own in questions if own["repo"] == name], model)
                for name, place in places.items())  # fmt: skip
        repositories[group] = [repository for repository in read if repository.asked]
    parts = left_out(repositories)
    if options.folds is not None:
        for name, maps in parts.items():
            (options.folds / f"{name}.npz").write_bytes(packed(maps))
    if options.write:
        digests = [files.digest, *digests_on_hub(entry)]
        write(entry.spec, digests, packed(taught(repositories)), options.questions)


if __name__ == "__main__":
    main()
