"""The recipe (`.patina/oxidize.yaml`): which projections to learn, from what, and how.

Three forms are accepted and read into one. Version 1 names the model and gives `layers: [input, hidden, output]`;
version 2 may leave both to the model; in either, a projection called `semantic`, `temporal` or `dependency` may be
*flat*: its training keys stand beside `layers`, and its name implies the source and the pair type.
recipe_reader.py reads them.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from patina_assets.recipe.yaml_lines import Problem, problem_error
from patina_assets.recipe.yaml_typed import StrictModel
from patina_resources.embedding.side_by_side import part_names
from patina_resources.errors import PatinaError, did_you_mean, shown

ProjectionType = Literal["dimension", "world-model"]
Loss = Literal["infonce", "triplet"]

IMPLIED_BY_NAME: Mapping[str, tuple[str, str]] = {
    "semantic": ("sessions.observations", "same_session"),
    "temporal": ("git.co_changes", "co_changed"),
    "dependency": ("code.call_graph", "caller_callee"),
}
MAX_NAME_LENGTH = 64
# Asset keys and files of these names already mean something else.
RESERVED_NAMES = frozenset({"base", "lexical", "model", "source", "lock", "oxidize_lock"})
_LAYERS = "whole numbers >= 1 and <= 65536, such as [384, 1024, 256]"
_MODEL_NAME = (
    "a model name such as all-minilm-l6-v2, or names joined by '+' (at most 200 printable characters, no backslash, "
    "no '..', no absolute path)"
)


@dataclass(frozen=True)
class RecipeContext:
    """What validators have to know beside the value: pydantic hands it to them as `info.context`.

    Attributes:
        version: What the file says.
        pair_types: The known sources, each with the pair types that can be made from it.
    """

    version: object
    pair_types: Mapping[str, Collection[str]]


class Options(StrictModel):
    """Training keys that every form accepts."""

    epochs: int = Field(ge=1, le=100_000, description="a whole number >= 1 and <= 100000")
    batch_size: int = Field(256, ge=1, le=10_000_000, description="a whole number >= 1 and <= 10000000")
    pairs: int = Field(10_000, ge=1, le=10_000_000, description="a whole number >= 1 and <= 10000000")
    learning_rate: float = Field(1e-4, gt=0, description="a number > 0")
    loss: Loss = Field("infonce", description="infonce or triplet")
    margin: float = Field(0.2, ge=0, description="a number >= 0")
    temperature: float = Field(0.05, gt=0, description="a number > 0")
    seed: int = Field(0, ge=0, lt=2**32, description="a whole number >= 0 and < 4294967296")


class Training(Options):
    """How one projection is trained.

    Attributes:
        source: The query over the eventlog that gives the rows, such as `git.co_changes`.
        pair_type: How rows become triplets, such as `co_changed`.
        epochs: Passes over all pairs.
        batch_size: Pairs a batch.
        pairs: How many pairs to sample at most.
        learning_rate: Step size of Adam.
        loss: `infonce` (in-batch softmax) or `triplet`.
        margin: Margin of the triplet loss, in cosine distance.
        temperature: Temperature of the InfoNCE softmax.
        seed: Seed of sampling, splits and initial weights.
    """

    source: str = Field(description="the name of a source, such as git.co_changes")
    pair_type: str = Field(description="the name of a pair type, such as co_changed")

    @field_validator("source")
    @classmethod
    def _known_source(cls, source: str, info: ValidationInfo) -> str:
        if info.context is not None and source not in info.context.pair_types:
            raise ValueError(f"unknown source {_one_of(source, info.context.pair_types)}")
        return source

    @field_validator("pair_type")
    @classmethod
    def _pair_type_of_source(cls, pair_type: str, info: ValidationInfo) -> str:
        source = info.data.get("source")  # absent where the source itself is wrong
        if info.context is not None and source is not None:
            known = info.context.pair_types[source]
            if pair_type not in known:
                raise ValueError(f"source {source} has no pair type {_one_of(pair_type, known)}")
        return pair_type


class Shape(StrictModel):
    """Keys that stand directly under a projection's name in every form."""

    type: ProjectionType = Field("dimension", description="dimension or world-model")
    layers: list[Annotated[int, Field(ge=1, le=65536)]] = Field(description=_LAYERS)

    @field_validator("layers")
    @classmethod
    def _three_or_two(cls, layers: list[int], info: ValidationInfo) -> list[int]:
        if info.context is not None and info.context.version == 1 and len(layers) != 3:
            raise ValueError(f"expected three numbers, [input, hidden, output], got {len(layers)}")
        if len(layers) not in (2, 3):
            raise ValueError(
                f"expected two or three numbers, [input, hidden, output] or [hidden, output], got {len(layers)}"
            )
        return layers


class NestedProjection(Shape):
    """A projection with its training keys under `training`."""

    training: Training = Field(description="a mapping with source, pair_type and epochs")


class FlatProjection(Options, Shape):
    """A projection with its training keys beside `layers`."""


def _checked_model_name(name: str) -> str:
    # An empty part means a leading, trailing or doubled slash.
    bad_part = any(part in {"", "."} for part in name.split("/"))
    bad_text = ".." in name or "\\" in name or name != name.strip() or not name.isprintable()
    if bad_part or bad_text or len(name) > 200 or re.match(r"~|[A-Za-z]:/", name):
        raise ValueError(f"expected {_MODEL_NAME}, got {shown(name)}")
    try:
        part_names(name)
    except PatinaError as error:
        raise ValueError(str(error)) from error
    return name


_ModelName = Annotated[str, AfterValidator(_checked_model_name)]


class Version2(StrictModel):
    """The keys on top of a recipe of version 2, and of one whose version is wrong."""

    version: int = Field(ge=1, le=2, description="1 or 2")
    # The default, which no file can spell, stands for "left out".
    embedding_model: _ModelName = Field("", description=_MODEL_NAME)
    projections: dict[str, Any] = Field(min_length=1, description="a mapping with at least one projection")


class Version1(Version2):
    """The keys on top of a recipe of version 1."""

    embedding_model: _ModelName = Field(description=_MODEL_NAME)


@dataclass(frozen=True)
class ProjectionRecipe:
    """One projection, whichever form it was written in.

    Attributes:
        name: As written; see `RESERVED_NAMES` and `MAX_NAME_LENGTH` for what it cannot be.
        type: `dimension` or `world-model`.
        input: Dimension of the base embeddings if the recipe gives it, else None (the model decides).
        hidden: Width of the hidden layer.
        output: Dimension of the projected vectors.
        training: How it is trained.
        line: 1-based line of the name in the recipe; not part of equality.
        layers_line: 1-based line of `layers`; not part of equality.
    """

    name: str
    type: ProjectionType
    input: int | None
    hidden: int
    output: int
    training: Training
    line: int = field(compare=False)
    layers_line: int = field(default=1, compare=False)


@dataclass(frozen=True)
class Recipe:
    """What `.patina/oxidize.yaml` says.

    Attributes:
        version: 1 or 2.
        embedding_model: Name of the base model, or `a+b`; None where version 2 leaves it to config.toml.
        projections: In the order of the file, at least one.
        path: The file it was read from.
        model_line: 1-based line of `embedding_model`; not part of equality.
    """

    version: int
    embedding_model: str | None
    projections: tuple[ProjectionRecipe, ...]
    path: Path
    model_line: int = field(default=1, compare=False)

    def model_error(self, reason: str) -> PatinaError:
        """Return why `embedding_model` cannot be used, with its line."""
        return problem_error(self.path, Problem(self.model_line, ("embedding_model",), reason))


def check_input_dimensions(recipe: Recipe, model: str, dims: int) -> None:
    """Check every input dimension that the recipe gives against the model's.

    Args:
        recipe: The recipe.
        model: Name of the base model, for the message.
        dims: Length of the model's vectors.

    Raises:
        PatinaError: A projection's input is not `dims`; names both numbers.
    """
    for projection in recipe.projections:
        if projection.input not in (None, dims):
            text = (
                f"the input is {projection.input}, but the vectors of {model} have {dims} dimensions: "
                f"write [{dims}, {projection.hidden}, {projection.output}]"
            )
            location = ("projections", projection.name, "layers")
            raise problem_error(recipe.path, Problem(projection.layers_line, location, text))


def _one_of(word: str, known: Collection[str]) -> str:
    return f"{shown(word)}{did_you_mean(word, known)}: expected {' or '.join(known)}"
