"""What the index of all passages knows by name: files, symbols, commits and sessions."""

from collections.abc import Iterable
from functools import cached_property

from patina_assets.search.files.passage_file import PassageFile

PATH_QUERY = """
SELECT passage.key, kind, symbol, line, end_line
FROM passage JOIN item USING (key) JOIN content USING (key) LEFT JOIN detail USING (key)
WHERE thing = ? ORDER BY passage.key
"""
SESSION_QUERY = "SELECT key, session FROM item WHERE substr(session, 1, length(?)) = ? ORDER BY key"
THREAD_QUERY = "SELECT key, session FROM item WHERE substr(session, -length(?)) = ? ORDER BY key"
COMMIT_QUERY = "SELECT key, thing FROM passage WHERE thing >= ? AND thing < ? ORDER BY key"
SYMBOLS_QUERY = """
SELECT symbol, kind, file, MIN(line)
FROM passage JOIN item USING (key) LEFT JOIN detail USING (key)
WHERE symbol <> '' AND file IS NOT NULL
GROUP BY symbol, kind, file
ORDER BY file, MIN(line), symbol
"""
PATHS_QUERY = "SELECT DISTINCT file FROM item WHERE file IS NOT NULL"


def first_line(lines: Iterable[tuple[int | None, int | None]]) -> int | None:
    """Return where the definition of a name begins, of the lines of its passages; None where they have none.

    Of several definitions the longest counts: the others are declarations, as a rule. Parts of a long one overlap.
    """
    spans: list[list[int]] = []
    for first, last in sorted((first, last) for first, last in lines if first is not None and last is not None):
        if spans and first <= spans[-1][1]:
            spans[-1][1] = max(last, spans[-1][1])
        else:
            spans.append([first, last])
    longest = max(spans, key=lambda span: (span[1] - span[0], -span[0]), default=None)
    return longest[0] if longest is not None else None


class KnownThings:
    """The things of a file of passages."""

    def __init__(self, file: PassageFile) -> None:
        """Ask a file, when something is looked for."""
        self._file = file

    def of_path(self, path: str) -> list[tuple[int, str, str, int | None, int | None]]:
        """Return key, kind, symbol, first and last line of every passage of a file, in the order of their keys."""
        return self._file.rows(PATH_QUERY, (f"path {path}",))

    def line_of(self, path: str, symbol: str) -> int | None:
        """Return the first line of a definition; None where it is not known."""
        return first_line((row[3], row[4]) for row in self.of_path(path) if row[2] == symbol)

    def of_session(self, session: str) -> dict[str, list[int]]:
        """Return the keys of the notes of each session whose id begins so, or of the one that is called so."""
        found: dict[str, list[int]] = {}
        for key, name in self._file.rows(SESSION_QUERY, (session, session)):
            found.setdefault(name, []).append(key)
        return {session: found[session]} if session in found else found

    def of_thread(self, number: str) -> dict[str, list[int]]:
        """Return the keys of each issue or pull request of a number, such as `#12`, with those of its comments."""
        found: dict[str, list[int]] = {}
        for key, name in self._file.rows(THREAD_QUERY, (number, number)):
            found.setdefault(name, []).append(key)
        return found

    def kind_of(self, key: int) -> str:
        """Return the kind of a passage."""
        return self._file.passage(key).kind

    def of_commit(self, sha: str) -> dict[str, list[int]]:
        """Return the keys of each commit whose sha begins so, which is hexadecimal."""
        found: dict[str, list[int]] = {}
        for key, thing in self._file.rows(COMMIT_QUERY, (f"commit {sha}", f"commit {sha}g")):
            found.setdefault(thing.removeprefix("commit "), []).append(key)
        return found

    def symbols(self) -> list[tuple[str, str, str, int | None]]:
        """Return symbol, kind, path and first line of every definition and section, each once."""
        return self._file.rows(SYMBOLS_QUERY)

    @cached_property
    def paths(self) -> frozenset[str]:
        """The paths of all passages."""
        return frozenset(row[0] for row in self._file.rows(PATHS_QUERY))
