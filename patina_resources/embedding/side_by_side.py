"""Several base models as one: `a+b` in a recipe. Their unit vectors one after the other, scaled to unit length.

Each model weighs the same, whatever its dimensions: the cosine of two such vectors is the mean of the models' cosines.
Where one model knows no token of a text its part is zeros, and the others' alone speak for the text.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from patina_resources.arrays import Vectors
from patina_resources.errors import PatinaError, shown_path
from patina_resources.models.references import JOINT
from patina_resources.models.registry import ModelFiles, ModelSpec, Registry


@dataclass(frozen=True)
class BaseSpec:
    """What a project embeds with: one model, or several side by side.

    Attributes:
        parts: The models in the order of their vectors; at least one, none twice.
    """

    parts: tuple[ModelSpec, ...]

    @property
    def name(self) -> str:
        """The models' names joined by `+`, which no model's own name has."""
        return JOINT.join(part.name for part in self.parts)

    @property
    def reference(self) -> str:
        """How a recipe names it."""
        return JOINT.join(part.reference for part in self.parts)

    @property
    def dims(self) -> int:
        """Length of a vector: the sum of the models'."""
        return sum(part.dims for part in self.parts)


@dataclass(frozen=True)
class BaseFiles:
    """Verified files of each model, in the order of `BaseSpec.parts`."""

    parts: tuple[ModelFiles, ...]

    @property
    def digest(self) -> str:
        """The identity of all of them together, in fingerprints."""
        return joint_digest([part.digest for part in self.parts])


def part_names(reference: str) -> tuple[str, ...]:
    """Return the names that `a+b` joins; of a single model, its name.

    Raises:
        PatinaError: A name is empty, stands beside a space, or is given twice.
    """
    names = tuple(reference.split(JOINT))
    if not all(names) or any(name != name.strip() for name in names):
        raise PatinaError(
            f"{shown_path(reference)} has an empty part or a space: expected model names joined by '{JOINT}' alone, "
            "such as all-minilm-l6-v2+corpus-static"
        )
    _refuse_twice(names, reference)
    return names


def resolve_base(registry: Registry, reference: str) -> BaseSpec:
    """Return the specs of the models that `a` or `a+b` means; each is a name, an alias, or `hf:org/name[@revision]`.

    Raises:
        PatinaError: A model is unknown, or two of the names mean the same one.
    """
    parts = tuple(registry.resolve(name) for name in part_names(reference))
    _refuse_twice([part.reference for part in parts], reference)
    return BaseSpec(parts)


def joint_digest(digests: Sequence[str]) -> str:
    """Return the identity of models side by side (hex), from their own digests in order; a single model keeps its."""
    if len(digests) == 1:
        return digests[0]
    return hashlib.sha256(f"side by side {' '.join(digests)}".encode()).hexdigest()


def joint_settings(settings: Mapping[str, str]) -> str:
    """Return each model's settings behind its name, in order; those of a single model as they are."""
    if len(settings) == 1:
        return next(iter(settings.values()))
    return "; ".join(f"{name}: {text}" for name, text in settings.items())


def side_by_side(vectors: Sequence[Vectors]) -> Vectors:
    """Return the models' unit vectors joined and scaled to unit length, float32 [n, sum of dims].

    Args:
        vectors: Of each model float32 [n, dims], rows of unit length or of zeros. Those of a single model come back
            as they are. A row that is zeros in all of them stays zeros.
    """
    if len(vectors) == 1:
        return vectors[0]
    # The length of a row of k unit vectors is exactly the root of k: counted, it is free of rounding.
    known = np.stack([part.any(axis=1) for part in vectors], axis=1).sum(axis=1)
    joined: Vectors = np.concatenate(vectors, axis=1)
    joined /= np.sqrt(np.maximum(known, 1)).astype(np.float32)[:, None]
    return joined


def _refuse_twice(names: Sequence[str], reference: str) -> None:
    repeated = next((name for name in names if names.count(name) > 1), None)
    if repeated is not None:
        raise PatinaError(
            f"{shown_path(reference)} names {repeated} twice: beside itself a model tells nothing new, name each "
            "model once"
        )
