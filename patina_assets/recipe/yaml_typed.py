"""Checks parts of a YAML document against pydantic models, and says what is wrong in plain words, with the line.

Convention: a field's `description` completes "expected ..."; a validator's `ValueError` is a whole message.
"""

from collections.abc import Mapping
from typing import Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from patina_assets.recipe.yaml_lines import Document, Location, Problem
from patina_resources.errors import did_you_mean, shown


class StrictModel(BaseModel):
    """No unknown keys, no conversions between types, no infinities, no changes afterwards."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


ModelT = TypeVar("ModelT", bound=StrictModel)


def typed(
    model: type[ModelT], value: object, document: Document, location: Location = (), context: object = None
) -> ModelT | Problem:
    """Return `value`, which stands at `location` in `document`, as a `model`, or the first problem in it.

    The first problem is the one on the lowest line. `context` reaches the validators as `info.context`.
    """
    try:
        return model.model_validate(value, context=context)
    except ValidationError as error:
        problems = _without_echoes(error.errors(include_url=False))
        first = min(problems, key=lambda details: document.line_of((*location, *details["loc"])))
        return _problem(first, model, document, location)


def _without_echoes(problems: list[ErrorDetails]) -> list[ErrorDetails]:
    """Drop "missing" where the same mapping has a key that looks like the missing one misspelt."""
    unknown: dict[Location, list[str]] = {}
    for details in problems:
        if details["type"] == "extra_forbidden":
            unknown.setdefault(details["loc"][:-1], []).append(str(details["loc"][-1]))
    return [
        details
        for details in problems
        if details["type"] != "missing"
        or not did_you_mean(str(details["loc"][-1]), unknown.get(details["loc"][:-1], []))
    ]


def _problem(details: ErrorDetails, model: type[StrictModel], document: Document, location: Location) -> Problem:
    kind, steps = details["type"], details["loc"]
    line = document.line_of((*location, *steps))
    if kind in ("extra_forbidden", "missing"):
        fields = _fields(model, steps[:-1])
        key = str(steps[-1])
        text = _unknown_key(key, fields) if kind == "extra_forbidden" else _missing_key(key, fields)
        return Problem(line, (*location, *steps[:-1]), text)
    text = str(details["ctx"]["error"]) if kind == "value_error" else _wrong_value(details, model)
    return Problem(line, (*location, *steps), text)


def _fields(model: type[BaseModel], steps: Location) -> Mapping[str, FieldInfo]:
    for step in steps:
        annotation = model.model_fields[str(step)].annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            model = annotation
    return model.model_fields


def _unknown_key(key: str, fields: Mapping[str, FieldInfo]) -> str:
    hint = did_you_mean(key, fields)
    for name, field in fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            hint = f" (it belongs under {name})" if key in field.annotation.model_fields else hint
    return f"unknown key {shown(key)}{hint}: expected {', '.join(fields)}"


def _missing_key(key: str, fields: Mapping[str, FieldInfo]) -> str:
    return f"missing key {key!r}: expected {fields[key].description}"


def _wrong_value(details: ErrorDetails, model: type[StrictModel]) -> str:
    value = details["input"]
    # Positions in a list have no description of their own: the list's says what an entry is.
    names = tuple(step for step in details["loc"] if isinstance(step, str))
    if not names:
        required = [name for name, field in model.model_fields.items() if field.is_required()]
        return f"expected a mapping with {', '.join(required)}, got {shown(value)}"
    field = _fields(model, names[:-1])[names[-1]]
    choices = get_args(field.annotation) if get_origin(field.annotation) is Literal else ()
    hint = did_you_mean(value, choices) if isinstance(value, str) else ""
    return f"expected {field.description}, got {shown(value)}{hint}"
