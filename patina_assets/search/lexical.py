"""Words for lexical search: what an index holds for a text, and what a query asks for. Pure text."""

import re
from collections.abc import Collection, Iterable
from itertools import chain

from patina_assets.search.asking.language import without_little_words

# An expression of thousands of terms overflows SQLite's parser stack; nobody writes so many on purpose.
MAX_QUERY_TERMS = 64
MAX_QUERY_CHARACTERS = 20_000
MAX_PHRASES = 8
_PHRASE = re.compile(r'"([^"]+)"')
KNOWN_CHARACTERS, KNOWN_RUNS = 64, 65_536
_RUN = re.compile(r"\w+")
# ASCII as it is where `_RUN` finds it, and a space for all else.
_SPACED = bytes(code if re.match(r"\w", chr(code), re.ASCII) else 0x20 for code in range(256))
# readRecipe -> read Recipe, HTTPServer -> HTTP Server, read_recipe -> read recipe
_PART_BOUNDARY = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|_+")


def terms(text: str) -> list[str]:
    """Return the words of a text, their case folded, in order; an identifier gives its parts and itself without joints.

    `read_recipe` and `readRecipe` both give read, recipe, readrecipe; `::`, `/` and `.` separate words like a space.
    """
    found = []
    for run in _RUN.findall(text):
        if run.islower() and "_" not in run:  # most words, which have no parts
            found.append(run.casefold())
            continue
        parts = [part.casefold() for part in _PART_BOUNDARY.split(run) if part]
        found += parts
        if len(parts) > 1:
            found.append("".join(parts))
    return found


def index_text(texts: Iterable[str | None]) -> str:
    """Return the words of some texts as FTS5 is to see them, separated by spaces."""
    runs = chain.from_iterable(map(_runs, filter(None, texts)))
    return b" ".join(filter(None, map(_words_of_runs.__getitem__, runs))).decode()


def _runs(text: str) -> list[bytes]:
    """Return what `_RUN` finds in a text, in UTF-8; of ASCII, which most texts are, without an expression."""
    if text.isascii():
        return text.encode().translate(_SPACED).split()
    return [run.encode() for run in _RUN.findall(text)]


class _WordsOfRuns(dict[bytes, bytes]):
    """The words of runs that were asked for: most stand in other texts, too. Not of long ones, nor of very many."""

    def __missing__(self, run: bytes) -> bytes:
        words = " ".join(terms(run.decode())).encode()
        if len(run) <= KNOWN_CHARACTERS and len(self) < KNOWN_RUNS:
            self[run] = words
        return words


_words_of_runs = _WordsOfRuns()


def telling_terms(query: str) -> list[str]:
    """Return the words of a query, each once: those that say something of its subject, where there are such."""
    unique = list(dict.fromkeys(terms(query[:MAX_QUERY_CHARACTERS])))
    return (without_little_words(unique, query) or unique)[:MAX_QUERY_TERMS]


def match_expression(query: str, without: Collection[str] = ()) -> str | None:
    """Return the FTS5 expression that finds any word of a free text, and every phrase in double quotes.

    Args:
        query: The text.
        without: Words that are left out while others remain, as they tell nothing apart.

    Every word is quoted, so that nothing in the text is taken for FTS5 syntax (SQLite, FTS5 extension, 3.1).

    Returns:
        None where the text has no word.
    """
    phrases = [" ".join(terms(phrase)) for phrase in _PHRASE.findall(query[:MAX_QUERY_CHARACTERS])]
    wanted = [f'"{phrase}"' for phrase in phrases[:MAX_PHRASES] if phrase]
    words = telling_terms(query)
    any_word = " OR ".join(f'"{term}"' for term in [term for term in words if term not in without] or words)
    return " AND ".join([*wanted, f"({any_word})"] if wanted else [any_word]) or None
