"""The recipe (`.patina/oxidize.yaml`): which projections to learn, from what, and how.

Three forms are accepted and read into one. Version 1 names the model and gives `layers: [input, hidden, output]`;
version 2 may leave both to the model; in either, a projection called `semantic`, `temporal` or `dependency` may be
*flat*: its training keys stand beside `layers`, and its name implies the source and the pair type.
reader.py reads them.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from patina_resources.documents.checks import (
    ANYTHING,
    TEXT,
    Check,
    list_of,
    number,
    one_of,
    or_nothing,
    read_by,
    record,
    table,
    table_of,
    whole,
)
from patina_resources.documents.document import Location
from patina_resources.embedding.side_by_side import part_names
from patina_resources.errors import PatinaError

ProjectionType = Literal["dimension", "world-model"]
Loss = Literal["infonce", "triplet"]

IMPLIED_BY_NAME: Mapping[str, tuple[str, str]] = {
    "semantic": ("sessions.observations", "same_session"),
    "temporal": ("git.co_changes", "co_changed"),
    "dependency": ("code.call_graph", "caller_callee"),
}
SHARE = Check("a number from 0 to 1", lambda value: type(value) in (int, float) and 0 <= value <= 1)
# Cosines that are divided by less are no numbers any more, or all alike if by more.
TEMPERATURE = Check("a number from 0.001 to 100", lambda value: type(value) in (int, float) and 0.001 <= value <= 100)
# Those that `min_count` is for.
COUNTING_PAIR_TYPES = ("co_changed",)
MAX_NAME_LENGTH = 64
# Asset keys and files of these names already mean something else.
RESERVED_NAMES = frozenset({"base", "lexical", "model", "source", "lock", "oxidize_lock"})
# A recipe comes with a repository: no line of it makes a build take more memory than a gigabyte or two.
MOST_WIDE, LARGEST_BATCH, MOST_PAIRS = 8_192, 16_384, 1_000_000
_LAYERS = f"whole numbers >= 1 and <= {MOST_WIDE}, such as [384, 1024, 256]"
_MODEL_NAME = (
    "a model name such as all-minilm-l6-v2, or names joined by '+' (at most 200 printable characters, no backslash, "
    "no '..', no absolute path)"
)


def _is_model_name(name: object) -> bool:
    if not isinstance(name, str) or ".." in name or "\\" in name or name != name.strip() or not name.isprintable():
        return False
    # An empty part means a leading, trailing or doubled slash.
    has_bad_part = any(part in {"", "."} for part in name.split("/"))
    return not has_bad_part and len(name) <= 200 and re.match(r"~|[A-Za-z]:/", name) is None


def _with_parts(name: str) -> str:
    """Return the name of a model, or of models side by side, if each of them is named once."""
    part_names(name)
    return name


@dataclass(frozen=True)
class Training:
    """How one projection is trained.

    Attributes:
        source: The query over the eventlog that gives the rows, such as `git.co_changes`.
        pair_type: How rows become triplets, such as `co_changed`.
        epochs: Passes over all pairs.
        batch_size: Pairs a batch.
        pairs: How many pairs to sample at most.
        learning_rate: Step size of Adam.
        loss: `infonce` (in-batch softmax) or `triplet`.
        margin: Margin of the triplet loss, in cosine distance, which is at most 2.
        temperature: Temperature of the InfoNCE softmax.
        seed: Seed of sampling, splits and initial weights.
        min_count: For a pair type that counts: how often two things must be seen together; None for its default.
    """

    source: Annotated[str, TEXT._replace(expected="the name of a source, such as git.co_changes")]
    pair_type: Annotated[str, TEXT._replace(expected="the name of a pair type, such as co_changed")]
    epochs: Annotated[int, whole(1, 100_000)]
    batch_size: Annotated[int, whole(1, LARGEST_BATCH)] = 256
    pairs: Annotated[int, whole(1, MOST_PAIRS)] = 10_000
    learning_rate: Annotated[float, number("> 0", 1)] = 1e-4
    loss: Annotated[Loss, one_of(*get_args(Loss))] = "infonce"
    margin: Annotated[float, number(">= 0", 2)] = 0.2
    temperature: Annotated[float, TEMPERATURE] = 0.05
    seed: Annotated[int, whole(0, 2**32 - 1)] = 0
    min_count: Annotated[int | None, whole(1, 1_000_000)] = None


@dataclass(frozen=True)
class Refresh:
    """When trained weights are kept, continued or trained anew, as relations change. docs/drift.md defines drift.

    Attributes:
        keep_below: Below this drift since the last training they are kept (see `refresh.py` for those that learned
            nothing).
        continue_below: Below this one they are continued by a few epochs, from it on by some more.
        renew_above: Above this sum of all drift since they were trained anew they are trained anew.
        always: They are trained anew whenever anything changed.
    """

    keep_below: Annotated[float, SHARE] = 0.02
    continue_below: Annotated[float, SHARE] = 0.20
    renew_above: Annotated[float, SHARE] = 0.50
    always: bool = False


def _refresh_of(limits: Mapping[str, Any]) -> Refresh:
    """Return a policy from the limits that a recipe gives.

    Raises:
        PatinaError: They are not in order.
    """
    found = Refresh(**limits)
    if not found.keep_below <= found.continue_below <= found.renew_above:
        raise PatinaError(
            f"keep_below {found.keep_below:g}, continue_below {found.continue_below:g}, renew_above "
            f"{found.renew_above:g}: expected each to be at least the one before it"
        )
    return found


_REFRESH_WORDS = {"always": Refresh(always=True), "by_drift": Refresh()}
_REFRESH_LIMITS = table(dict.fromkeys(("keep_below", "continue_below", "renew_above"), SHARE), then=_refresh_of)


def _refresh(value: str | dict[str, object], location: Location) -> Refresh:
    """Return a policy, written as a word or as a mapping."""
    if isinstance(value, dict):
        found: Refresh = _REFRESH_LIMITS.read(value, location)
        return found
    return _REFRESH_WORDS[value]


REFRESH = Check(
    f"{', '.join(_REFRESH_WORDS)}, or a mapping with {', '.join(_REFRESH_LIMITS.keys)}",
    lambda value: isinstance(value, dict) or (isinstance(value, str) and value in _REFRESH_WORDS),
    tuple(_REFRESH_WORDS),
    convert=_refresh,
)

_TRAINING = record(Training)
# Keys that stand directly under a projection's name in every form, and those that do so in the flat form.
SHAPE = {
    "type": one_of(*get_args(ProjectionType)),
    "layers": list_of(whole(1, MOST_WIDE, _LAYERS), _LAYERS),
    "refresh": REFRESH,
}
OPTIONS = {key: check for key, check in _TRAINING.keys.items() if key not in {"source", "pair_type"}}
NESTED_PROJECTION = table({**SHAPE, "training": _TRAINING}, needed=("layers", "training"))
FLAT_PROJECTION = table({**SHAPE, **OPTIONS}, needed=("layers", "epochs"))

_TOP = {
    "version": whole(1, 2, "1 or 2"),
    "embedding_model": read_by(_with_parts, _MODEL_NAME, _is_model_name),
    "projections": or_nothing(table_of(ANYTHING, "a mapping of projections")),
    "refresh": REFRESH,
}
VERSION_1 = table(_TOP, needed=("version", "embedding_model", "projections"))
VERSION_2 = table(_TOP, needed=("version", "projections"))


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
        refresh: When its weights are kept, continued or trained anew: its own policy, or the one of the whole recipe.
    """

    name: str
    type: ProjectionType
    input: int | None
    hidden: int
    output: int
    training: Training
    line: int = field(compare=False)
    layers_line: int = field(compare=False)
    refresh: Refresh = Refresh()


@dataclass(frozen=True)
class Recipe:
    """What `.patina/oxidize.yaml` says.

    Attributes:
        version: 1 or 2.
        embedding_model: Name of the base model, or `a+b`; None where version 2 leaves it to config.toml.
        projections: In the order of the file; none where only passages are searched.
        path: The file it was read from.
        model_line: 1-based line of `embedding_model`; not part of equality.
    """

    version: int
    embedding_model: str | None
    projections: tuple[ProjectionRecipe, ...]
    path: Path
    model_line: int = field(compare=False)

    def model_error(self, reason: str) -> PatinaError:
        """Return why `embedding_model` cannot be used, with its line."""
        return PatinaError(f"{self.path}:{self.model_line}: embedding_model: {reason}")


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
            raise PatinaError(
                f"{recipe.path}:{projection.layers_line}: projections.{projection.name}.layers: the input is "
                f"{projection.input}, but the vectors of {model} have {dims} dimensions: "
                f"write [{dims}, {projection.hidden}, {projection.output}]"
            )
