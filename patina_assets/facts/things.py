"""Which thing somebody means: a file, a line of one, a symbol, a commit or a session that the index knows."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from patina_assets.facts.known_things import KnownThings, first_line
from patina_assets.facts.typed import Typed, ambiguous, has_last_parts, known_path, last_part, unknown
from patina_assets.passages.forge import COMMENT
from patina_resources.errors import PatinaError, shown

# git takes no shorter name of a commit either.
_SHA = re.compile(r"[0-9a-fA-F]{4,64}")
_SHOWN_AS = re.compile(r"(commit|session)\s+(\S+)")
_NUMBER = re.compile(r"(?:(?:issue|pr|pull request|merge request)\s+)?([#!][0-9]{1,9})", re.IGNORECASE)
EXPECTED = "a path, PATH:LINE, the name of a function or type, a commit, a session, or the number of an issue"
SECTION = "section"
SYMBOL_KINDS = frozenset({"function", "type", SECTION})
SHORT_SHA = 12


@dataclass(frozen=True)
class Thing:
    """Something that the index knows.

    Attributes:
        kind: `file`, `function`, `type`, `section`, `code` (lines of no definition), `commit`, `session`, `issue`
            or `pr`.
        name: What it is called: path, symbol, sha or id; of an issue `github.com/owner/name#12`.
        keys: Its passages in the index of all passages.
        path: Of a file, or of what stands in one.
        line: Its first line, where it is a part of a file.
        remark: What of the name could not be followed; "" as a rule.
    """

    kind: str
    name: str
    keys: tuple[int, ...]
    path: str | None = None
    line: int | None = None
    remark: str = ""


def find_thing(
    known: KnownThings, name: Typed, renamed: Callable[[str], str | None], revision: Callable[[str], str | None]
) -> Thing:
    """Return what is meant.

    A path comes before a symbol, and a whole name before the beginning or end of one.

    Args:
        known: What the index knows.
        name: What was typed: also `commit SHA` and `session ID`, as search shows them.
        renamed: Returns the newest name of a path that there was.
        revision: Returns the commit that a branch, a tag or `HEAD` means.

    Raises:
        PatinaError: Nothing is called so, or several things are.
    """
    shown_as = _SHOWN_AS.fullmatch(name.text)
    if shown_as is not None:
        sha = revision(shown_as[2]) if shown_as[1] == "commit" and not _commits(known, shown_as[2]) else None
        if sha is not None:
            return _commit_of_git(known, sha)
        return _commit_or_session(known, shown_as[2], (shown_as[1],))
    if (number := _NUMBER.fullmatch(name.text)) is not None:
        return _thread(known, number[1])
    path, line = known_path(name, known.paths, renamed)
    if path:
        return _at_line(known, path, line) if line is not None else _file(known, path)
    symbols = [row for row in known.symbols() if row[1] != SECTION]
    exact = [row for row in symbols if row[0] == name.text]
    if exact:
        return _symbol(known, name.text, exact)
    if any(name.text in found for found in (known.of_session(name.text), _commits(known, name.text))):
        return _commit_or_session(known, name.text, ("commit", "session"))
    lowered = name.text.lower()
    ends = [row for row in symbols if has_last_parts(row[0].lower(), lowered)]
    if ends:
        return _symbol(known, name.text, ends)
    if _commits(known, name.text) or known.of_session(name.text):
        return _commit_or_session(known, name.text, ("commit", "session"))
    sha = revision(name.text)
    if sha is not None:
        return _commit_of_git(known, sha)
    sections = [row for row in known.symbols() if row[1] == SECTION]
    headings = [row for row in sections if lowered in (row[0].lower(), *row[0].lower().split(" > "))]
    if headings:
        return _symbol(known, name.text, headings)
    names = {row[0] for row in symbols}
    raise unknown(name.text, {*names, *(last_part(symbol) for symbol in names), *known.paths}, EXPECTED)


def _file(known: KnownThings, path: str, remark: str = "") -> Thing:
    return Thing("file", path, tuple(row[0] for row in known.of_path(path)), path, remark=remark)


def _at_line(known: KnownThings, path: str, line: int) -> Thing:
    """Return the innermost definition, section or run of other lines that a line belongs to; else its file."""
    rows = known.of_path(path)
    holding = [
        (last - first, key, kind, symbol, first)
        for key, kind, symbol, first, last in rows
        if first is not None and last is not None and first <= line <= last
    ]
    if not holding:
        return _file(
            known, path, f"{path}:{line}: nothing that is searched stands at this line: this is about its file"
        )
    _, key, kind, symbol, first = min(holding)
    if kind not in SYMBOL_KINDS:
        return Thing(kind, path, (key,), path, first)
    return _definition(known, path, kind, symbol)


def _symbol(known: KnownThings, name: str, rows: Sequence[tuple[str, str, str, int | None]]) -> Thing:
    if len(rows) > 1:
        told = (f"{symbol} ({path}{f':{line}' if line is not None else ''})" for symbol, _, path, line in rows)
        raise ambiguous(name, told, "name one as PATH:LINE")
    symbol, kind, path, _ = rows[0]
    return _definition(known, path, kind, symbol)


def _definition(known: KnownThings, path: str, kind: str, symbol: str) -> Thing:
    rows = [row for row in known.of_path(path) if row[1:3] == (kind, symbol)]
    return Thing(kind, symbol, tuple(row[0] for row in rows), path, first_line(row[3:5] for row in rows))


def _commit_or_session(known: KnownThings, name: str, kinds: Sequence[str]) -> Thing:
    found = [
        (kind, own, keys)
        for kind, things in (("commit", _commits(known, name)), ("session", known.of_session(name)))
        for own, keys in things.items()
        if kind in kinds
    ]
    if not found:
        raise PatinaError(f"there is no {' or '.join(kinds)} {shown(name)}: `patina recent` shows the newest")
    if len(found) > 1:
        told = (f"{kind} {own[:SHORT_SHA] if kind == 'commit' else own}" for kind, own, _ in found)
        raise ambiguous(name, told, "write more of it")
    kind, own, keys = found[0]
    return Thing(kind, own, tuple(keys))


def _thread(known: KnownThings, number: str) -> Thing:
    found = known.of_thread(number)
    if not found:
        raise PatinaError(
            f"there is no issue or pull request {number} in the index: `patina materialize --forge FILE --oxidize` "
            "reads them from a file"
        )
    if len(found) > 1:
        raise ambiguous(number, found, "write more of it")
    name, keys = found.popitem()
    kinds = {key: known.kind_of(key) for key in keys}
    kind = next((kind for kind in kinds.values() if kind != COMMENT), "issue")
    return Thing(kind, name, tuple(sorted(keys, key=lambda key: kinds[key] == COMMENT)))


def _commit_of_git(known: KnownThings, sha: str) -> Thing:
    if not _commits(known, sha):
        raise PatinaError(f"commit {sha[:SHORT_SHA]} is not in the index: run `patina materialize --oxidize`")
    return _commit_or_session(known, sha, ("commit",))


def _commits(known: KnownThings, name: str) -> dict[str, list[int]]:
    return known.of_commit(name.lower()) if _SHA.fullmatch(name) else {}
