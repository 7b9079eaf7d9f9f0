"""The operations of the API as a table: what each takes, and which answer it gives. Requests and OpenAPI follow it."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from patina_assets.search.asking.chosen import chosen_filters
from patina_assets.serving.answers.encoded import EncodedAnswer
from patina_assets.serving.answers.project_answers import ProjectAnswers
from patina_resources.errors import PatinaError, check_known, shown

Asked = Mapping[str, Any]
Kind = Literal["text", "number", "texts"]
MOST_DIGITS = 9


@dataclass(frozen=True)
class Parameter:
    """Something that an operation takes in its address.

    Attributes:
        name: Its name.
        meaning: What it says.
        kind: One text, a whole number, or several texts: the name is written once for each.
        default: The value where it is not written.
        needed: Whether it must be written.
    """

    name: str
    meaning: str
    kind: Kind = "text"
    default: Any = None
    needed: bool = False


@dataclass(frozen=True)
class Operation:
    """Something that can be asked.

    Attributes:
        name: Last part of its address.
        summary: What it answers.
        parameters: What it takes.
        answer: Gives the answer, from the values of all parameters.
        goes_first: Whether somebody waits for it while typing: it does not wait for those that are not.
    """

    name: str
    summary: str
    parameters: Sequence[Parameter]
    answer: Callable[[ProjectAnswers, Asked], dict[str, Any] | EncodedAnswer]
    goes_first: bool = False


PROJECT = Parameter("project", "Name of the project; the first where it is left out.")
CHARACTERS = Parameter("characters", "How much of each text is given.", "number", 400)
NAME = Parameter(
    "name", "A path, PATH:LINE, the name of a function or type, `commit SHA` or `session ID`.", needed=True
)
PROJECTION = Parameter("projection", "One projection or `base`; all where it is left out.")


def _search(answers: ProjectAnswers, values: Asked) -> dict[str, Any]:
    names = ("path", "language", "since", "author")
    filters = chosen_filters(values["kind"], *(values[name] or None for name in names), prefix="")
    asked = {name: values[name] for name in ("projection", "limit", "offset", "characters")}
    return answers.search(values["q"], filters=filters, **asked)


def _named(method: Callable[..., dict[str, Any]]) -> Callable[[ProjectAnswers, Asked], dict[str, Any]]:
    return lambda answers, values: method(answers, values["name"], **{k: v for k, v in values.items() if k != "name"})


OPERATIONS = (
    Operation(
        "search",
        "What fits a question best, best first.",
        (
            Parameter("q", "Words or a question.", needed=True),
            Parameter("kind", "Only code, docs, commits or notes; may be written several times.", "texts", ()),
            Parameter("path", "Only files that match this glob, and commits that touched one."),
            Parameter("language", "Only files of a language, such as python."),
            Parameter("since", "Only commits, notes and issues since a date, such as 2026-01-31."),
            Parameter("author", "Only commits and issues of an author: a part of the name."),
            PROJECTION,
            Parameter("limit", "Number of results, 1 to 50.", "number", 8),
            Parameter("offset", "How many of the best are left out, 0 to 200.", "number", 0),
            CHARACTERS,
        ),
        _search,
        goes_first=True,
    ),
    Operation(
        "like",
        "What is like a thing, and what is certain of it: what changed together with it, who calls it.",
        (NAME, PROJECTION, Parameter("limit", "Number of results of each list, 1 to 50.", "number", 5), CHARACTERS),
        _named(ProjectAnswers.like),
    ),
    Operation(
        "passage",
        "The text of a thing, as the index holds it.",
        (
            NAME,
            Parameter("offset", "How many of its passages are left out.", "number", 0),
            Parameter("characters", "How much text is given, 1 to 40,000.", "number", 8_000),
        ),
        _named(ProjectAnswers.passage),
    ),
    Operation(
        "commit",
        "A commit, and its diff against its first parent as git tells it.",
        (Parameter("name", "`commit SHA`, a SHA or the beginning of one.", needed=True),),
        _named(ProjectAnswers.commit),
    ),
    Operation(
        "map",
        "Where the items of an index lie in the plane in which they vary most: columns with a value for each item.",
        (Parameter("projection", "A projection, or `base`.", default="base"),),
        lambda answers, values: answers.map(**values),
    ),
    Operation(
        "recent",
        "The newest commits, notes and issues.",
        (
            Parameter("days", "Only in so many days before now.", "number"),
            Parameter("path", "A glob: only what touched or names such a file."),
            Parameter("limit", "Number of entries, 1 to 50.", "number", 20),
            CHARACTERS,
        ),
        lambda answers, values: answers.recent(**values),
    ),
    Operation(
        "overview",
        "What to begin with: passages by group, questions in the project's own words, the newest entries.",
        (),
        lambda answers, _: answers.overview(),
    ),
    Operation(
        "suggestions",
        "Projections that the eventlog has signal for, and the recipe has not.",
        (),
        lambda answers, _: answers.suggestions(),
    ),
    Operation(
        "why",
        "The commits, notes and issues that made a place what it is, newest first.",
        (
            Parameter("name", "A path, PATH:LINE, or the name of a function or type.", needed=True),
            Parameter("limit", "Number of entries, 1 to 50.", "number", 20),
            CHARACTERS,
        ),
        _named(ProjectAnswers.why),
    ),
)


def values_of(operation: Operation, written: Iterable[tuple[str, str]]) -> tuple[str | None, dict[str, Any]]:
    """Return the name of the project, or None, and the value of each parameter of an operation.

    Args:
        operation: The operation.
        written: Names and values as an address holds them.

    Raises:
        PatinaError: A name is unknown or written twice, a value is no number, or one that is needed is missing.
    """
    given = read_values((*operation.parameters, PROJECT), written)
    return given.pop(PROJECT.name), given


def read_values(parameters: Sequence[Parameter], written: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """Return the value of each parameter.

    Args:
        parameters: Which there are.
        written: Names and values as an address holds them.

    Raises:
        PatinaError: A name is unknown or written twice, a value is no number, or one that is needed is missing.
    """
    known = {parameter.name: parameter for parameter in parameters}
    values: dict[str, Any] = {}
    for name, value in written:
        check_known((name,), known, "parameter")
        parameter = known[name]
        if parameter.kind == "texts":
            values[name] = (*values.get(name, ()), value)
        elif name in values:
            raise PatinaError(f"{name}: is written twice")
        else:
            values[name] = _number(name, value) if parameter.kind == "number" else value
    for parameter in parameters:
        if parameter.needed and parameter.name not in values:
            raise PatinaError(f"{parameter.name}: is missing")
    return {parameter.name: values.get(parameter.name, parameter.default) for parameter in parameters}


def _number(name: str, value: str) -> int:
    if not (value.isascii() and value.isdecimal() and len(value) <= MOST_DIGITS):
        raise PatinaError(f"{name}: expected a whole number, got {shown(value)}")
    return int(value)
