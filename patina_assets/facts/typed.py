"""Which file somebody means: a path as it is typed, the end of one, or one with a line."""

import posixpath
import re
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from patina_resources.errors import PatinaError, did_you_mean, shown_path

# As long as a path may be; nothing else that is named so is longer.
MOST_CHARACTERS = 4_096
CANDIDATES_SHOWN = 8
# Names that are compared with one that is unknown: those of about its length.
MOST_COMPARED = 5_000
# As Python has bytes of a command line that are no UTF-8.
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_WITH_LINE = re.compile(r"(?s)(.+?):([1-9][0-9]{0,8})(?::[0-9]*+)?")


@dataclass(frozen=True)
class Typed:
    """What somebody typed for a place.

    Attributes:
        text: All of it.
        folder: The folder that it is told from, from the top of the repository; "" for the top.
    """

    text: str
    folder: str = ""

    def paths(self, text: str) -> list[str]:
        """Return the paths that a text may mean, from the top of the repository."""
        below = posixpath.normpath(posixpath.join(self.folder, text))
        return list(dict.fromkeys((below, posixpath.normpath(text))))

    def with_line(self) -> tuple[str, int | None]:
        """Return the text without `:LINE` at its end, and the line; None where there is none."""
        found = _WITH_LINE.fullmatch(self.text)
        return (found[1], int(found[2])) if found else (self.text, None)


def unread_file(name: Typed, top: Path) -> str | None:
    """Return the path of a file below a folder, the top of the repository; None where there is none of the name."""
    for path in (path for text in (name.text, name.with_line()[0]) for path in name.paths(text)):
        with suppress(OSError, ValueError):  # longer than a name may be, or of other characters
            if not path.startswith(("../", "/")) and (top / path).is_file():
                return path
    return None


def typed(text: str, folder: str = "") -> Typed:
    """Return what was typed.

    Raises:
        PatinaError: It is empty, or longer than any name.
    """
    # A byte of a path that is no UTF-8 is told as the eventlog tells it: `caf\\xe9.py`.
    text = _NO_UTF8.sub(lambda found: f"\\x{ord(found[0]) - 0xDC00:02x}", text).strip()
    if not text:
        raise PatinaError("nothing is named: expected a path, PATH:LINE, a symbol, a commit or a session")
    if len(text) > MOST_CHARACTERS:
        raise PatinaError(f"expected a name of at most {MOST_CHARACTERS} characters, got {len(text)}")
    return Typed(text, folder)


def known_path(name: Typed, known: Collection[str], renamed: Callable[[str], str | None]) -> tuple[str, int | None]:
    """Return the file that is meant, and the line; "" where the name is no path of one.

    Args:
        name: What was typed.
        known: The paths that there are.
        renamed: Returns the newest name of a path that there was.

    Raises:
        PatinaError: Several files have this name, or it is a folder.
    """
    without, line = name.with_line()
    for text, its_line in ((name.text, None), (without, line)):
        for path in name.paths(text):
            if path in known:
                return path, its_line
    for path in name.paths(without):
        if (now := renamed(path)) is not None:
            return now, line
    ends = sorted(path for path in known if path.endswith(f"/{without}"))
    if len(ends) > 1:
        raise ambiguous(without, ends, "write more of the path")
    if ends:
        return ends[0], line
    for path in name.paths(without):
        if any(other.startswith(f"{path}/") for other in known):
            raise PatinaError(f"{shown_path(without)} is a folder: expected a file, such as {_first(known, path)}")
    return "", None


def ambiguous(name: str, candidates: Iterable[str], remedy: str) -> PatinaError:
    """Return the error for a name of several things."""
    told = list(candidates)
    more = f" and {len(told) - CANDIDATES_SHOWN} more" if len(told) > CANDIDATES_SHOWN else ""
    listed = ", ".join(told[:CANDIDATES_SHOWN])
    return PatinaError(f"{shown_path(name)} is the name of {len(told)} things: {listed}{more}: {remedy}")


def unknown(name: str, known: Iterable[str], expected: str) -> PatinaError:
    """Return the error for a name that nothing has, with the known name that is nearest."""
    near = sorted({text for text in known if text}, key=lambda text: (abs(len(text) - len(name)), text))
    return PatinaError(
        f"nothing is called {shown_path(name)}{did_you_mean(name, near[:MOST_COMPARED])}: expected {expected}"
    )


def has_last_parts(symbol: str, name: str) -> bool:
    """Return whether a qualified name is called so, or its last parts are."""
    return symbol == name or symbol.endswith((f".{name}", f"::{name}"))


def last_part(symbol: str) -> str:
    """Return the last part of a qualified name."""
    return symbol.replace("::", ".").rsplit(".", 1)[-1]


def _first(known: Collection[str], folder: str) -> str:
    return min(path for path in known if path.startswith(f"{folder}/"))
