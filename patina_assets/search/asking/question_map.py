"""A question's vector as passages of a group are asked with it: linear maps, learned from questions and their answers.

A question says what code is for, and code how it does it. `benchmarks/fit_question_map.py` learned the maps, wrote
their numbers, and named in `question_maps.json` the bytes and settings of the models that they belong to.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files
from io import BytesIO
from typing import Any

import numpy as np

from patina_assets.passages.passage import Group
from patina_assets.search.asking.language import is_english
from patina_assets.search.asking.question_model import is_of_other_letters
from patina_assets.search.base_model import is_static, settings_text
from patina_resources.arrays import Float32
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec
from patina_resources.errors import PatinaError
from patina_resources.models.registry import CORPUS_STATIC

PACKAGE, FILE = "patina_assets.search.asking", "question_maps.json"
SCALES = "scales"
# What `corpus-static` counts beside a part that a map has turned, where no model knows meanings, and where one does
# (docs/decisions/0028): what it tells, the index of words tells already.
OWN_WORDS_BESIDE_WORDS, OWN_WORDS_BESIDE_MEANINGS = np.float32(0.7), np.float32(0.5)


@dataclass(frozen=True, eq=False)
class QuestionMap:
    """What is done to the vector of one model.

    Attributes:
        weights: float32 [dims, dims].
        offset: float32 [dims].
    """

    weights: Float32
    offset: Float32

    def apply(self, vector: Float32) -> Float32:
        """Return the mapped vector, float32 [dims], of the length that it had.

        Args:
            vector: float32 [dims]; zeros, or a length that is no number, stay as they are.
        """
        length = float(np.linalg.norm(vector))
        if not 0 < length < np.inf:
            return vector
        direction: Float32 = vector / np.float32(length)
        return _of_length(direction @ self.weights + self.offset, length)


def by_group(question: str, spec: BaseSpec, base: BaseFiles, vector: Float32) -> dict[Group, Float32]:
    """Return a question's vector for passages of some groups, float32 [spec.dims]; others are asked with it as it is.

    There is no such group where no part of the base model was learned with, or in other languages than English.

    Args:
        question: The question.
        spec: The base model.
        base: Its files.
        vector: Of the question, from `embed_query`.

    Raises:
        PatinaError: A file of the program is not as it was shipped.
    """
    known = [learned_for(own.digest, settings_text(replace(part, device="cpu")))
             for part, own in zip(spec.parts, base.parts, strict=True)]  # fmt: skip
    if not any(known) or not is_english(question) or is_of_other_letters(question):
        return {}
    parts = np.split(vector, np.cumsum([part.dims for part in spec.parts])[:-1])
    own_words = OWN_WORDS_BESIDE_WORDS if is_static(spec) else OWN_WORDS_BESIDE_MEANINGS
    names = [part.name for part in spec.parts]
    shares = [own_words if name == CORPUS_STATIC else np.float32(1) for name in names]
    asked = {}
    for group in Group:
        if any(group in maps for maps in known):
            turned = np.concatenate([
                maps[group].apply(own) if group in maps else own * share
                for maps, own, share in zip(known, parts, shares, strict=True)
            ])  # fmt: skip
            asked[group] = turned if CORPUS_STATIC not in names else _of_length(turned, float(np.linalg.norm(vector)))
    return asked


def _of_length(vector: Float32, length: float) -> Float32:
    scaled: Float32 = vector * np.float32(length / max(float(np.linalg.norm(vector)), 1e-12))
    return scaled


@cache
def learned_for(digest: str, settings: str) -> Mapping[Group, QuestionMap]:
    """Return the maps that were learned with a model's bytes and settings, by group."""
    told: Mapping[str, Any] = json.loads((files(PACKAGE) / FILE).read_text("utf-8"))["maps"]
    entry = told.get(digest)
    if entry is None or entry["settings"] != settings:
        return {}
    data = (files(PACKAGE) / entry["file"]).read_bytes()
    if hashlib.sha256(data).hexdigest() != entry["sha256"]:
        raise PatinaError(f"{entry['file']} is not as it was shipped: install Patina again")
    return maps_from(data)


def maps_from(data: bytes) -> dict[Group, QuestionMap]:
    """Return the maps of a file, by group.

    Args:
        data: For each group int8 [dims + 1, dims], what is added to the identity and, last, the offset; and as `scales`
            what each of its rows is multiplied by, float32 [groups, dims + 1].
    """
    with np.load(BytesIO(data), allow_pickle=False) as arrays:
        scales = dict(zip(sorted(set(arrays.files) - {SCALES}), arrays[SCALES], strict=True))
        rows = {name: arrays[name] * own[:, None] for name, own in scales.items()}
    return {
        Group(name): QuestionMap(own[:-1] + np.eye(own.shape[1], dtype=np.float32), own[-1])
        for name, own in rows.items()
    }
