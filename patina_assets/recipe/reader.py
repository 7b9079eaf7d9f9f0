"""Reads a recipe file: which form it has, and of all that is wrong in it what stands first."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from patina_assets.recipe.model import (
    COUNTING_PAIR_TYPES,
    FLAT_PROJECTION,
    IMPLIED_BY_NAME,
    MAX_NAME_LENGTH,
    NESTED_PROJECTION,
    OPTIONS,
    RESERVED_NAMES,
    SHAPE,
    VERSION_1,
    VERSION_2,
    ProjectionRecipe,
    Recipe,
    Refresh,
    Training,
)
from patina_resources.documents.checks import Check, InvalidError
from patina_resources.documents.document import Document, Fault, Location
from patina_resources.documents.yaml_file import read_yaml
from patina_resources.errors import PatinaError, did_you_mean, shown

_NAME = re.compile(r"[a-z][a-z0-9]*([-_][a-z0-9]+)*")


def read_recipe(path: Path, pair_types: Mapping[str, Collection[str]]) -> Recipe:
    """Return the recipe in `path`.

    Args:
        path: The recipe file.
        pair_types: The known sources, each with the pair types that can be made from it.

    Raises:
        PatinaError: The file is missing or wrong; names the file and, of all that is wrong, what stands first in it.
            What is not strict YAML is reported before what is not a recipe.
    """
    try:
        document = read_yaml(path)
    except FileNotFoundError as error:
        raise PatinaError(f"no recipe at {path}: run `patina init`") from error
    if document.data is None:
        raise PatinaError(f"{path}: the recipe is empty: expected version and projections")
    return _RecipeReader(document, pair_types).recipe()


class _RecipeReader:
    """Turns one document into a `Recipe`, gathering what is wrong until the first of it can be named."""

    def __init__(self, document: Document, pair_types: Mapping[str, Collection[str]]) -> None:
        self.document = document
        self.pair_types = pair_types
        self.table = document.data if isinstance(document.data, dict) else {}
        self.version = self.table.get("version")
        self.faults = list(document.duplicates)
        self.refresh = Refresh()

    def recipe(self) -> Recipe:
        top = self._checked(VERSION_1 if self.version == 1 else VERSION_2, self.document.data, ())
        self.refresh = (top or {}).get("refresh", Refresh())
        projections = self._projections(self.table.get("projections"))
        if self.faults or top is None:
            raise self.document.error(*self.faults)
        line = self.document.line_of(("embedding_model",))
        return Recipe(top["version"], top.get("embedding_model"), projections, self.document.path, line)

    def _checked(self, check: Check, value: object, location: Location) -> dict[str, Any] | None:
        try:
            values: dict[str, Any] = check.read(value, location)
            return values
        except InvalidError as error:
            self.faults += error.faults
            return None

    def _refuse(self, location: Location, text: str) -> None:
        self.faults.append(Fault("rule", location, expected=text))

    def _projections(self, tables: object) -> tuple[ProjectionRecipe, ...]:
        """Read projections up to the first that is wrong: later ones stand on later lines."""
        projections: list[ProjectionRecipe] = []
        seen: dict[str, str] = {}
        for name, table in tables.items() if isinstance(tables, dict) else ():
            location = ("projections", name)
            unusable = _why_unusable(name, seen)
            if unusable is not None:
                self._refuse(location, unusable)
                break
            seen[_asset_name(name)] = name
            projection = self._projection(name, table, location)
            if projection is None:
                break
            projections.append(projection)
        return tuple(projections)

    def _projection(self, name: str, table: object, location: Location) -> ProjectionRecipe | None:
        flat = isinstance(table, dict) and _is_flat(table)
        if isinstance(table, dict):
            self._check_layers(table.get("layers"), (*location, "layers"))
        values = self._checked(FLAT_PROJECTION if flat else NESTED_PROJECTION, table, location)
        if values is None:
            return None
        training: Training | None
        training = self._implied_training(name, values, location) if flat else values["training"]
        if training is not None:
            self._check_training(training, location if flat else (*location, "training"))
        if training is None or self.faults:
            return None
        layers = values["layers"]
        return ProjectionRecipe(
            name=name,
            type=values.get("type", "dimension"),
            input=layers[0] if len(layers) == 3 else None,
            hidden=layers[-2],
            output=layers[-1],
            training=training,
            line=self.document.line_of(location),
            layers_line=self.document.line_of((*location, "layers")),
            refresh=values.get("refresh", self.refresh),
        )

    def _implied_training(self, name: str, values: Mapping[str, Any], location: Location) -> Training | None:
        if name not in IMPLIED_BY_NAME:
            self._refuse(
                location,
                f"source and pair_type must be given under training: only the names {', '.join(IMPLIED_BY_NAME)} "
                f"imply them{did_you_mean(name, IMPLIED_BY_NAME)}",
            )
            return None
        source, pair_type = IMPLIED_BY_NAME[name]
        return Training(source, pair_type, **{key: value for key, value in values.items() if key in OPTIONS})

    def _check_training(self, training: Training, location: Location) -> None:
        source, known = training.source, self.pair_types.get(training.source)
        if known is None:
            self._refuse((*location, "source"), f"unknown source {_one_of(source, self.pair_types)}")
        elif training.pair_type not in known:
            text = f"source {source} has no pair type {_one_of(training.pair_type, known)}"
            self._refuse((*location, "pair_type"), text)
        elif training.min_count is not None and training.pair_type not in COUNTING_PAIR_TYPES:
            text = f"only {' and '.join(COUNTING_PAIR_TYPES)} takes it, not {training.pair_type}: delete the key"
            self._refuse((*location, "min_count"), text)

    def _check_layers(self, layers: object, location: Location) -> None:
        count = len(layers) if isinstance(layers, list) else 3
        if self.version == 1 and count != 3:
            self._refuse(location, f"expected three numbers, [input, hidden, output], got {count}")
        elif count not in (2, 3):
            text = f"expected two or three numbers, [input, hidden, output] or [hidden, output], got {count}"
            self._refuse(location, text)
        elif isinstance(layers, list) and type(layers[-2]) is int and layers[-2] == 1:
            self._refuse(location, "expected at least 2 hidden units, the last number but one, got 1")


def _is_flat(table: Mapping[str, object]) -> bool:
    """Tell whether training keys stand beside `layers`, judging misspelt ones by what they were meant to be."""
    others = [key for key in table if key not in SHAPE]
    if did_you_mean("training", others):
        return False
    return any(did_you_mean(key, others) for key in OPTIONS)


def _asset_name(name: str) -> str:
    return name.replace("-", "_")


def _why_unusable(name: str, seen: Mapping[str, str]) -> str | None:
    """Return what is wrong with a projection's name, if anything; `seen` has the earlier ones by asset name."""
    if len(name) > MAX_NAME_LENGTH or not _NAME.fullmatch(name):
        return (
            "not a usable name: expected words of lower-case letters and digits joined by '-' or '_', "
            f"starting with a letter, at most {MAX_NAME_LENGTH} characters"
        )
    asset_name = _asset_name(name)
    if asset_name in RESERVED_NAMES:
        return f"the name is reserved: expected another than {', '.join(sorted(RESERVED_NAMES))}"
    if asset_name in seen:
        return f"the same name as {seen[asset_name]} once '-' is read as '_': rename one of them"
    return None


def _one_of(word: str, known: Collection[str]) -> str:
    return f"{shown(word)}{did_you_mean(word, known)}: expected {' or '.join(known)}"
