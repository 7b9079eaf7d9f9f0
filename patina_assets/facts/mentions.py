"""What a text names: files, by their path or an end of it that no other file has; issues, by number. Pure text."""

import re
from collections.abc import Iterable, Iterator

from patina_assets.facts.record import ToldCommit
from patina_assets.passages.forge import KINDS, thread_number
from patina_assets.passages.passage import Passage

# A path's end of more parts than this is looked for as the whole path only.
MOST_PARTS = 4
_PATH = re.compile(r"[\w./-]+")
_ENDING = ".,:;-/"
_NUMBER = re.compile(r"(?<![\w/#!&])[#!][0-9]{1,9}\b")
# A body may quote another project's changelog: a number counts there behind such a word.
_BEHIND_WORD = re.compile(
    r"\b(?:close[sd]?|fix(?:e[sd])?|issues?|pr|refs?|resolve[sd]?|see)\b[:\s]{0,3}"
    r"((?:[#!][0-9]{1,9}\b(?:,\s{0,2}|\s{1,2}and\s{1,2}|\s{1,2})?+)++)",
    re.IGNORECASE,
)


class NamedFiles:
    """Finds the files that texts name."""

    def __init__(self, paths: Iterable[str]) -> None:
        """Learn which ends of paths say which file."""
        self._by_name: dict[str, str | None] = {}
        known = frozenset(paths)
        for path in known:
            for end in _ends(path):
                self._by_name[end] = None if end in self._by_name else path
        self._by_name |= {path: path for path in known}

    def named(self, text: str) -> set[str]:
        """Return the files that a text names; a plain word such as `parser` names none."""
        found = (self._by_name.get(word) for word in _words(text))
        return {path for path in found if path is not None}


def _words(text: str) -> Iterator[str]:
    for found in _PATH.findall(text):
        word = found.strip(_ENDING).removeprefix("./") if found[0] != "." else found.rstrip(_ENDING).removeprefix("./")
        if "." in word or "/" in word:
            yield word


def _ends(path: str) -> Iterator[str]:
    parts = path.split("/")
    for start in range(max(1, len(parts) - MOST_PARTS), len(parts)):
        yield "/".join(parts[start:])


def named_numbers(subject: str, body: str) -> set[str]:
    """Return the numbers that a commit's message names, such as `#12`, or `!12` of a merge request."""
    listed = " ".join(found[1] for found in _BEHIND_WORD.finditer(f"{subject}\n{body}"))
    return {*_NUMBER.findall(subject), *_NUMBER.findall(listed)}


def numbers_of(told: ToldCommit) -> set[str]:
    """Return the numbers that a commit of the record names."""
    subject, _, rest = str(told.row[3]).partition("\n")
    return named_numbers(subject, f"{rest}\n{told.row[4]}")


def named_threads(notes: Iterable[Passage], commits: Iterable[ToldCommit]) -> set[str]:
    """Return the issues and pull requests that commits name; a number of two repositories names none."""
    by_number: dict[str, set[str]] = {}
    for note in notes:
        if note.kind in KINDS and note.session is not None:
            by_number.setdefault(thread_number(note.session), set()).add(note.session)
    numbers = {number for told in commits for number in numbers_of(told)} if by_number else set()
    return {name for number in numbers if len(names := by_number.get(number, set())) == 1 for name in names}
