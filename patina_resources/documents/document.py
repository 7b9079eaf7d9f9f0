"""What a file of settings says, where it says it, and the sentences for what is wrong in it."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

from patina_resources.errors import PatinaError, did_you_mean, shown

Format = Literal["YAML", "TOML", "JSON"]
# Keys and positions that lead to a value.
Location = tuple[str | int, ...]

LONGEST_PLAIN_KEY = 80
_PLAIN_KEY = re.compile(r"[\w-]{1,64}")
# What each format calls its dict.
_TABLE: Mapping[Format, str] = {"YAML": "a mapping", "TOML": "a table", "JSON": "an object"}


class Fault(NamedTuple):
    """One thing that is wrong in a document.

    Attributes:
        kind: `value`, `no table` (where one is expected), `unknown key`, `missing key`, or `rule` (what no single value
            breaks).
        location: Of the value; of an unknown or a missing key, of the table.
        found: The value, or the name of the key.
        expected: What was expected instead; of a rule, the whole sentence; of an unknown key, the table it belongs in.
        known: The words or keys that are known there.
        line: 1-based line, where that is not the location's.
    """

    kind: Literal["value", "no table", "unknown key", "missing key", "rule"]
    location: Location
    found: object = None
    expected: str = ""
    known: Sequence[str] = ()
    line: int | None = None


@dataclass(frozen=True)
class Document:
    """What a file says.

    Attributes:
        path: The file, as it was given.
        format: Its format.
        data: Nested dict (keys are text), list, and scalars.
        find_lines: Returns the 1-based line of every key and list entry, by its location; called for a message only.
        duplicates: Keys that are given twice; `data` holds the first value.
    """

    path: Path
    format: Format
    data: object
    find_lines: Callable[[], Mapping[Location, int]]
    duplicates: Sequence[Fault] = ()

    @cached_property
    def lines(self) -> Mapping[Location, int]:
        """The 1-based line of every key and list entry, by its location."""
        return self.find_lines()

    @property
    def table(self) -> Mapping[str, object]:
        """What stands on top, by key; nothing where that is no table."""
        return self.data if isinstance(self.data, dict) else {}

    def line_of(self, location: Location) -> int:
        """Return the line of `location`, or of the nearest enclosing value that is in the file."""
        while location not in self.lines and location:
            location = location[:-1]
        return self.lines.get(location, 1)

    def error(self, *faults: Fault) -> PatinaError:
        """Return the fault that stands first in the file, as an error that names file, line and keys."""
        first = min(faults, key=self._line)
        return fault_error(self.path, self._line(first), first, self.format)

    def _line(self, fault: Fault) -> int:
        if fault.line is not None:
            return fault.line
        return self.line_of((*fault.location, str(fault.found)) if fault.kind == "unknown key" else fault.location)


def fault_error(path: Path, line: int, fault: Fault, format_name: Format) -> PatinaError:
    """Return a fault as an error of the form `file:line: keys: what is wrong`."""
    return PatinaError(f"{path}:{line}: {shown_location(fault, format_name)}{fault_text(fault, format_name)}")


def fault_text(fault: Fault, format_name: Format) -> str:
    """Return what is wrong, as the rest of a sentence that begins with the place."""
    hint = did_you_mean(fault.found, fault.known) if isinstance(fault.found, str) else ""
    match fault.kind:
        case "rule":
            return fault.expected
        case "missing key":
            expected = fault.expected or f"{_TABLE[format_name]} with {', '.join(fault.known)}"
            return f"missing key {shown(fault.found)}: expected {expected}"
        case "unknown key":
            is_section = format_name == "TOML" and not fault.location
            what = f"section [{key_name(str(fault.found))}]" if is_section else f"key {shown(fault.found)}"
            hint = f" (it belongs under {fault.expected})" if fault.expected else hint
            return f"unknown {what}{hint}: expected {', '.join(fault.known)}"
        case "no table":
            return f"expected {_TABLE[format_name]} with {', '.join(fault.known)}, got {shown(fault.found)}"
        case "value":
            return f"expected {fault.expected}, got {shown(fault.found)}{hint}"


def shown_location(fault: Fault, format_name: Format) -> str:
    """Return where a fault is, for the begin of a sentence: `projections.a.layers[1]: `, `[project] name: `."""
    if not fault.location:
        return ""
    if format_name == "TOML":
        keys = [step for step in fault.location if isinstance(step, str)]
        is_table = fault.kind in ("unknown key", "missing key", "rule") or len(keys) == 1
        *tables, key = map(_toml_key, keys)
        return f"[{'.'.join([*tables, key])}] " if is_table else f"[{'.'.join(tables)}] {key}: "
    text = ""
    for step in fault.location:
        if isinstance(step, int):
            text += f"[{step}]"
        else:
            text += ("." if text else "") + (step if _PLAIN_KEY.fullmatch(step) else shown(step))
    return f"{text}: "


def _toml_key(key: str) -> str:
    if _PLAIN_KEY.fullmatch(key):
        return key
    return f'"{key}"' if key_name(key) == key else shown(key)


def key_name(key: str) -> str:
    """Return a TOML key for a message: as it is where it is short, printable and without backquotes, else quoted."""
    return key if key and key.isprintable() and len(key) <= LONGEST_PLAIN_KEY and "`" not in key else shown(key)
