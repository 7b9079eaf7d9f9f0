"""Reads a recipe file: which form it has, and of all that is wrong in it what stands first."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

from patina_assets.recipe.model import (
    IMPLIED_BY_NAME,
    MAX_NAME_LENGTH,
    RESERVED_NAMES,
    FlatProjection,
    NestedProjection,
    Options,
    ProjectionRecipe,
    Recipe,
    RecipeContext,
    Shape,
    Training,
    Version1,
    Version2,
)
from patina_assets.recipe.yaml_lines import Document, Location, Problem, problem_error, read_yaml
from patina_assets.recipe.yaml_typed import ModelT, typed
from patina_resources.errors import PatinaError, did_you_mean

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
        self.table = document.data if isinstance(document.data, dict) else {}
        self.context = RecipeContext(self.table.get("version"), pair_types)
        self.problems = list(document.duplicates)

    def recipe(self) -> Recipe:
        form = Version1 if self.context.version == 1 else Version2
        top = self._typed(form, self.document.data, ())
        projections = self._projections(self.table.get("projections"))
        if self.problems or top is None:
            raise problem_error(self.document.path, min(self.problems, key=lambda problem: problem.line))
        line = self.document.line_of(("embedding_model",))
        return Recipe(top.version, top.embedding_model or None, projections, self.document.path, line)

    def _typed(self, model: type[ModelT], value: object, location: Location) -> ModelT | None:
        result = typed(model, value, self.document, location, self.context)
        if isinstance(result, Problem):
            self.problems.append(result)
            return None
        return result

    def _projections(self, tables: object) -> tuple[ProjectionRecipe, ...]:
        """Read projections up to the first that is wrong: later ones stand on later lines."""
        projections: list[ProjectionRecipe] = []
        seen: dict[str, str] = {}
        for name, table in tables.items() if isinstance(tables, dict) else ():
            location = ("projections", name)
            unusable = _why_unusable(name, seen)
            if unusable is not None:
                self.problems.append(Problem(self.document.line_of(location), location, unusable))
                break
            seen[_asset_name(name)] = name
            projection = self._projection(name, table, location)
            if projection is None:
                break
            projections.append(projection)
        return tuple(projections)

    def _projection(self, name: str, table: object, location: Location) -> ProjectionRecipe | None:
        shape: Shape | None
        if isinstance(table, dict) and _is_flat(table):
            shape = self._typed(FlatProjection, table, location)
            training = self._implied_training(name, table, location) if shape else None
        else:
            shape = nested = self._typed(NestedProjection, table, location)
            training = nested.training if nested else None
        if shape is None or training is None:
            return None
        return ProjectionRecipe(
            name=name,
            type=shape.type,
            input=shape.layers[0] if len(shape.layers) == 3 else None,
            hidden=shape.layers[-2],
            output=shape.layers[-1],
            training=training,
            line=self.document.line_of(location),
            layers_line=self.document.line_of((*location, "layers")),
        )

    def _implied_training(self, name: str, table: dict[str, object], location: Location) -> Training | None:
        if name not in IMPLIED_BY_NAME:
            text = (
                f"source and pair_type must be given under training: only the names {', '.join(IMPLIED_BY_NAME)} "
                f"imply them{did_you_mean(name, IMPLIED_BY_NAME)}"
            )
            self.problems.append(Problem(self.document.line_of(location), location, text))
            return None
        source, pair_type = IMPLIED_BY_NAME[name]
        options = {key: value for key, value in table.items() if key in Options.model_fields}
        return self._typed(Training, {"source": source, "pair_type": pair_type, **options}, location)


def _is_flat(table: Mapping[str, object]) -> bool:
    """Tell whether training keys stand beside `layers`, judging misspelt ones by what they were meant to be."""
    others = [key for key in table if key not in Shape.model_fields]
    if "training" in table or did_you_mean("training", others):
        return False
    return any(key in table or did_you_mean(key, others) for key in Options.model_fields)


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
