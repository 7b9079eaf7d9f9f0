"""What a document may say: checks of values, and of the tables that hold them.

    FILE = table({"name": FILLED_TEXT, "size": table({"width": whole(1, 100)}, needed=("width",))})
    values = read_document(FILE, document)

A dataclass whose annotations carry checks is a table, too: `record(Training)`, where a field is written
`epochs: Annotated[int, whole(1, 100_000)]`. Nothing is converted, but a list becomes a tuple. Why this is not pydantic
or msgspec: docs/decisions/0006-settings-are-checked-by-our-own-validator.md.
"""

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import MISSING, fields
from typing import Any, Literal, NamedTuple, get_args

from patina_resources.documents.document import Document, Fault, Location
from patina_resources.errors import PatinaError, did_you_mean


class InvalidError(Exception):
    """A value is not what it has to be; `faults` says all that is wrong with it."""

    def __init__(self, *faults: Fault) -> None:
        super().__init__(faults)
        self.faults = faults


class _NotShown:
    def __repr__(self) -> str:
        return "something else"


def _as_it_is(value: object, _location: Location) -> object:
    return value


class Check(NamedTuple):
    """What a value has to be.

    Attributes:
        expected: Completes "expected ..."; empty for a table, which is described by its keys.
        fits: Tells whether a value is that.
        known: The words that it can be, where they are few.
        secret: Whether a wrong value is not to be shown.
        convert: Makes of a value that fits what `read` returns.
        keys: Of a table, the keys that it can have.
        needed: Of a table, the keys that it cannot do without.
    """

    expected: str
    fits: Callable[[Any], bool]
    known: Collection[str] = ()
    secret: bool = False
    convert: Callable[[Any, Location], Any] = _as_it_is
    keys: Mapping[str, "Check"] = {}
    needed: Collection[str] = ()

    def read(self, value: object, location: Location) -> Any:  # noqa: ANN401 - what the check is of
        """Return the value, converted.

        Raises:
            InvalidError: It is something else.
        """
        if self.keys and not isinstance(value, dict):
            raise InvalidError(Fault("no table", location, value, known=tuple(self.needed or self.keys)))
        if not self.fits(value):
            found = _NotShown() if self.secret else value
            raise InvalidError(Fault("value", location, found, self.expected, tuple(self.known)))
        return self.convert(value, location)


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_line(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value.isprintable()


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and re.fullmatch("[0-9a-f]{64}", value) is not None


ANYTHING = Check("anything", lambda _: True)
TEXT = Check("a string", _is_text)
FILLED_TEXT = Check("a non-empty string", lambda value: isinstance(value, str) and bool(value.strip()))
# For what is compared with many things, or expanded: it takes time for each of its characters.
MOST_CHARACTERS, MOST_ENTRIES = 500, 100
SHORT_TEXT = Check(
    f"a non-empty string of at most {MOST_CHARACTERS} characters",
    lambda value: FILLED_TEXT.fits(value) and len(value) <= MOST_CHARACTERS,
)
PRINTABLE_LINE = Check("a printable string", _is_line)
SHA256 = Check("a SHA-256 (64 of 0-9a-f)", _is_sha256)
SWITCH = Check("true or false", lambda value: isinstance(value, bool))


def whole(low: int, high: int | None = None, expected: str = "") -> Check:
    """Return the check of a whole number from `low` to `high`."""
    limit = "" if high is None else f" and <= {high}"
    return Check(
        expected or f"a whole number >= {low}{limit}",
        lambda value: type(value) is int and low <= value and (high is None or value <= high),
    )


def number(limit: Literal["> 0", ">= 0"], most: float | None = None) -> Check:
    """Return the check of a finite number above or from zero, and at most `most`."""

    def fits(value: Any) -> bool:  # noqa: ANN401 - whatever the document says
        return (
            type(value) in (int, float)
            and math.isfinite(value)
            and (value > 0 or (limit == ">= 0" and value == 0))
            and (most is None or value <= most)
        )

    return Check(f"a number {limit}" if most is None else f"a number {limit} and <= {most:g}", fits)


def one_of(*words: str) -> Check:
    """Return the check of a text that is one of a few words."""
    expected = " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))
    return Check(expected, lambda value: isinstance(value, str) and value in words, words)


def list_of(entry: Check, expected: str) -> Check:
    """Return the check of a list of such entries; it is read as a tuple."""

    def entries(value: list[object], location: Location) -> tuple[Any, ...]:
        return tuple(entry.read(each, (*location, number)) for number, each in enumerate(value))

    return Check(expected, lambda value: isinstance(value, list), convert=entries)


def short_list_of(entry: Check) -> Check:
    """Return the check of a list of at most MOST_ENTRIES such strings; it is read as a tuple."""
    entries = list_of(entry, f"a list of at most {MOST_ENTRIES} strings")
    return entries._replace(fits=lambda value: entries.fits(value) and len(value) <= MOST_ENTRIES)


def or_nothing(check: Check) -> Check:
    """Return the check of a table that also lets its key stand without a value: an empty table."""
    return check._replace(
        fits=lambda value: value is None or check.fits(value),
        convert=lambda value, location: {} if value is None else check.convert(value, location),
    )


def table_of(entry: Check, expected: str) -> Check:
    """Return the check of a table with such values under keys of any name."""

    def values(value: dict[str, object], location: Location) -> dict[str, Any]:
        return {key: entry.read(each, (*location, key)) for key, each in value.items()}

    return Check(expected, lambda value: isinstance(value, dict), convert=values)


def read_by(reader: Callable[[str], object], expected: str = "", fits: Callable[[object], bool] = _is_text) -> Check:
    """Return the check of a text that `reader` reads; where it cannot, it raises PatinaError with a whole sentence."""
    return Check(expected or TEXT.expected, fits, convert=_explained(reader))


def table(
    keys: Mapping[str, Check],
    needed: Collection[str] = (),
    *,
    foreign_keys: bool = False,
    then: Callable[[dict[str, Any]], object] | None = None,
) -> Check:
    """Return the check of a table with certain keys; it is read as a dict of those that are given.

    Args:
        keys: The check of each.
        needed: The keys that must be given.
        foreign_keys: Whether the table may hold keys of other tools, which are left out. One that looks like one of
            `keys` misspelt is a fault nevertheless.
        then: Makes of the dict what is returned instead; raises PatinaError where keys do not go together.
    """
    finish = _as_it_is if then is None else _explained(then)

    def values(value: dict[str, object], location: Location) -> object:
        read: dict[str, Any] = {}
        faults: list[Fault] = []
        for key, each in value.items():
            try:
                if key in keys:
                    read[key] = keys[key].read(each, (*location, key))
                elif not foreign_keys or did_you_mean(key, keys) or _owner(keys, key):
                    faults.append(Fault("unknown key", location, key, _owner(keys, key), tuple(keys)))
            except InvalidError as error:
                faults += error.faults
        faults += _missing(keys, [key for key in needed if key not in value], faults, location)
        if faults:
            raise InvalidError(*faults)
        return finish(read, location)

    return Check("", lambda value: isinstance(value, dict), convert=values, keys=keys, needed=needed)


def record(kind: type) -> Check:
    """Return the check of a table that is read as a dataclass; fields without a default must be given."""
    keys, needed = {}, []
    for field in fields(kind):
        keys[field.name] = next(part for part in get_args(field.type) if isinstance(part, Check))
        if field.default is MISSING and field.default_factory is MISSING:
            needed.append(field.name)
    return table(keys, needed, then=lambda values: kind(**values))


def read_document(check: Check, document: Document) -> Any:  # noqa: ANN401 - what the check is of
    """Return what a document says.

    Raises:
        PatinaError: Something is wrong in it; what stands first is named, with file, line and key.
    """
    with faults_named(document):
        return check.read(document.data, ())


@contextmanager
def faults_named(document: Document) -> Iterator[None]:
    """Turn an InvalidError into a PatinaError that names file, line and key of what stands first."""
    try:
        yield
    except InvalidError as error:
        raise document.error(*error.faults) from error


def _explained(reader: Callable[[Any], object]) -> Callable[[Any, Location], object]:
    def reading(value: object, location: Location) -> object:
        try:
            return reader(value)
        except PatinaError as error:
            raise InvalidError(Fault("rule", location, expected=str(error))) from error

    return reading


def _owner(keys: Mapping[str, Check], key: str) -> str:
    """Return the table that a key belongs in, where it stands beside that table."""
    return next((name for name, check in keys.items() if key in check.keys), "")


def _missing(keys: Mapping[str, Check], names: list[str], faults: list[Fault], location: Location) -> list[Fault]:
    """Return a fault for each key that is missing, but for those that stand there misspelt."""
    unknown = [str(fault.found) for fault in faults if fault.kind == "unknown key" and fault.location == location]
    return [
        Fault("missing key", location, name, keys[name].expected, tuple(keys[name].needed))
        for name in names
        if not did_you_mean(name, unknown)
    ]
