"""A small, strict YAML reader that remembers on which line everything stands.

It reads PyYAML's event stream instead of calling `yaml.load`, because only the events still show what a recipe
must not hold (anchors, tags, keys given twice) and how deep the file is nested before anything recurses into it.
Plain scalars follow the YAML 1.2 core schema (https://yaml.org/spec/1.2.2/#103-core-schema): `1e-4` is a number,
while `yes`, `010`, `1:30` and dates are text, so that a typed model can refuse them by name.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml

from patina_resources.documents.document import Document, Fault, Location, fault_error
from patina_resources.documents.text_file import read_small_text
from patina_resources.errors import PatinaError, shown

# PyYAML takes 14 s for a megabyte. A recipe of hundred projections has 30 KiB.
MAX_BYTES = 1 << 18
MAX_DEPTH = 16
# Longer digit strings are left as text: no setting needs them, and Python refuses to parse very long ones.
MAX_NUMBER_LENGTH = 100

_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_CONSTANTS = {"": None, "~": None, "null": None, "true": True, "false": False}
_SURROGATE = re.compile("[\ud800-\udfff]")


def read_yaml(path: Path) -> Document:
    """Return the one document in `path`.

    Raises:
        FileNotFoundError: There is no such file; what to do about that is for the caller to say.
        PatinaError: The file is unreadable or too large (see `read_small_text`), not UTF-8, not YAML, holds more than
            one document, is nested deeper than `MAX_DEPTH`, or uses anchors, aliases, tags or keys that are not text.
    """
    return _document(path, read_small_text(path, "YAML", MAX_BYTES))


# A command reads its recipe several times, and nobody changes what was read.
@lru_cache(maxsize=4)
def _document(path: Path, text: str) -> Document:
    return _Reader(path, text).document()


class _Reader:
    """Builds a `Document` from the events of one file."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.lines: dict[Location, int] = {}
        self.duplicates: list[Fault] = []
        self.line = 1
        self.events = self._parsed(text)

    def document(self) -> Document:
        data = None
        documents = 0
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise self._refused((), "a second YAML document starts here: expected only one")
                data = self._value((), next(self.events))
        return Document(self.path, "YAML", data, lambda: self.lines, self.duplicates)

    def _parsed(self, text: str) -> Iterator[yaml.Event]:
        try:
            for event in yaml.parse(text, Loader=yaml.SafeLoader):
                self.line = event.start_mark.line + 1 if event.start_mark else self.line
                yield event
        except yaml.reader.ReaderError as error:
            line = text.count("\n", 0, error.position) + 1
            raise PatinaError(
                f"{self.path}:{line}: not valid YAML: character U+{int(error.character):04X} is not allowed: delete it"
            ) from error
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark
            line = self.line if mark is None else mark.line + 1
            raise PatinaError(
                f"{self.path}:{line}: not valid YAML: {error.problem}: check indentation and quotes"
            ) from error
        except (ValueError, OverflowError) as error:  # an escape or a %YAML version beyond what Python can hold
            raise self._refused((), "not valid YAML: an escape or number is out of range") from error

    def _refused(self, location: Location, text: str) -> PatinaError:
        return fault_error(self.path, self.line, Fault("rule", location, expected=text), "YAML")

    def _value(self, location: Location, event: yaml.Event) -> object:
        self._check(location, event)
        self.lines.setdefault(location, self.line)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(location)
        return self._sequence(location)

    def _check(self, location: Location, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent) and event.anchor is not None:
            raise self._refused(location, "anchors and aliases (&x, *x) are not accepted: write the value out")
        if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) and event.tag is not None:
            tag = shown(event.tag.replace("tag:yaml.org,2002:", "!!"))
            raise self._refused(location, f"the tag {tag} is not accepted: write the value without it")
        if len(location) > MAX_DEPTH:
            raise self._refused(location[:3], f"nested more than {MAX_DEPTH} levels deep: expected a flatter file")
        if isinstance(event, yaml.ScalarEvent) and _SURROGATE.search(event.value):
            raise self._refused(location, "half of a surrogate pair is not a character: write the character itself")

    def _mapping(self, location: Location) -> dict[str, object]:
        table: dict[str, object] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            self._check(location, event)
            if not isinstance(event, yaml.ScalarEvent):
                raise self._refused(location, "a list or mapping is used as a key: expected a word")
            key, line = event.value, self.line
            place = (*location, key)
            if key in table:
                text = f"is given twice, first on line {self.lines[place]}: keep one of them"
                self.duplicates.append(Fault("rule", place, expected=text, line=line))
            self.lines.setdefault(place, line)
            table.setdefault(key, self._value(place, next(self.events)))
        return table

    def _sequence(self, location: Location) -> list[object]:
        entries: list[object] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            entries.append(self._value((*location, len(entries)), event))
        return entries


def _scalar(event: yaml.ScalarEvent) -> object:
    text: str = event.value
    if event.style is not None:  # quoted, or a block of text
        return text
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) <= MAX_NUMBER_LENGTH and _INTEGER.fullmatch(text):
        return int(text)
    if len(text) <= MAX_NUMBER_LENGTH and _FLOAT.fullmatch(text):
        return float(text)
    return text
