"""How much a question leans to documents or to commits: by its little words, its form, and its vector where one helps.

A linear model, learned from questions of people by `benchmarks/fit_question_model.py`, which wrote
`question_model.json`. It adds to the rules of `questions.py`, and knows the base models that it was learned with.
"""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from patina_assets.passages.passage import Group
from patina_assets.search.asking.language import is_english
from patina_assets.search.base_model import is_static
from patina_assets.search.lexical import MAX_QUERY_CHARACTERS
from patina_resources.embedding.side_by_side import BaseSpec

# The entry for models that know words alone: the words of a question say there what its vector could.
STATIC = "static"
FILE = "question_model.json"
CONSTANT, LENGTH = "<constant>", "<length>"
# Shorter and longer questions were not learned from.
FEWEST_WORDS, MOST_WORDS = 5, 25
# Words and signs of a question that say how it is put; any other word is told by its ending alone.
_FORM_WORDS = (
    "a about after again all although an and any are as ask at away back be became because been before being but "
    "by came can can't change check could couldn't did didn't do does doesn't don't down each even ever every "
    "everybody find for from gave get give gone got had has have he her here him his how i if in instead into is "
    "isn't it its just keep kept left less let lets longer lost made make may me more must my needs never no "
    "nobody not nothing now of off on once one only or other our out over put rather same sent she should since "
    "so some somebody something still stop tell tells than that the their them then there these they this those "
    "to too took turn two until up us used was wasn't we went were what when where which while who whom whose why "
    "will with without won't would wrong you your , : ; ?"
)
FORM_WORDS = frozenset(_FORM_WORDS.split())
# Ending, length of the shortest word that is told by it.
_ENDINGS = {"ed": 4, "ing": 5, "ly": 4, "s": 4}
_FIRST, _LAST, _NUMBER, _OTHER = "<first>", "<last>", "<number>", "<word>"
_TOKEN = re.compile(r"[a-z']+|[,:;?]|[0-9]+")


@dataclass(frozen=True)
class Lean:
    """What speaks for one group.

    Attributes:
        signs: Weight of each sign; a sign that is not in it says nothing.
        vector: float32 [dims of the model] or [0]: times the question's vector.
    """

    signs: Mapping[str, float]
    vector: NDArray[np.float32]


def signs_of(question: str) -> dict[str, float]:
    """Return the kinds of words of a question, pairs that stand together, and signs of its form, with their values."""
    text = question[:MAX_QUERY_CHARACTERS].lower()
    tokens = _TOKEN.findall(text)
    kinds = [_FIRST, *map(_kind, tokens), _LAST]
    words = sum(token[0].isalpha() or token[0] == "'" for token in tokens)
    form = {CONSTANT: 1.0, LENGTH: math.log(min(max(words, FEWEST_WORDS), MOST_WORDS))}
    return dict.fromkeys([*kinds, *map(" ".join, pairwise(kinds))], 1.0) | form


def _kind(token: str) -> str:
    """Return a little word as it is, and of another word its ending: the tense of `it crashed`, not its subject."""
    if token in FORM_WORDS:
        return token
    if token[0].isdigit():
        return _NUMBER
    endings = (ending for ending, least in _ENDINGS.items() if token.endswith(ending) and len(token) >= least)
    return next((f"<{ending}>" for ending in endings if not token.endswith("ss")), _OTHER)


def leanings(question: str, spec: BaseSpec, vector: NDArray[np.float32] | None) -> dict[Group, float]:
    """Return what to add to the exponent of each group; nothing for a model or language not learned with.

    Args:
        question: The question.
        spec: The base model.
        vector: Of the question, float32 [spec.dims]; None or zeros where there is none.
    """
    name, own = part_of(spec, vector)
    text = question[:MAX_QUERY_CHARACTERS]
    if name is None or is_of_other_letters(text) or not is_english(text):
        return {}
    found = signs_of(question)
    return {
        group: sum(lean.signs.get(sign, 0.0) * value for sign, value in found.items())
        + (float(lean.vector @ own) if lean.vector.size else 0.0)
        for group, lean in _learned()[name].items()
    }


def part_of(spec: BaseSpec, vector: NDArray[np.float32] | None) -> tuple[str | None, NDArray[np.float32]]:
    """Return which entry serves a base model, or None, and the part of the vector that it reads, of unit length."""
    nothing = np.zeros(0, np.float32)
    if is_static(spec):
        return STATIC, nothing
    start = 0
    for part in spec.parts:
        if part.name in _learned() and vector is not None:
            own = vector[start : start + part.dims]
            length = float(np.linalg.norm(own))
            # A user's registry may give the name to another model; a model may give numbers that are none.
            is_known = all(lean.vector.shape == own.shape for lean in _learned()[part.name].values())
            return (part.name, own / length) if is_known and 0 < length < math.inf else (None, nothing)
        start += part.dims
    return None, nothing


def is_of_other_letters(question: str) -> bool:
    """Return whether most letters of a question are in none of the words that were learned from."""
    letters = [letter.isascii() for letter in question if letter.isalpha()]
    return 2 * sum(letters) < len(letters)


@cache
def _learned() -> dict[str, dict[Group, Lean]]:
    told = json.loads((files("patina_assets.search.asking") / FILE).read_text("utf-8"))["models"]
    return {
        model: {
            Group(group): Lean(lean["signs"], np.asarray(lean["vector"], np.float32)) for group, lean in entry.items()
        }
        for model, entry in told.items()
    }
