"""What a question asks the words of the store for, as expressions of tsquery. Pure text."""

import math
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate, combinations

from patina_assets.search.lexical import MAX_PHRASES, MAX_QUERY_CHARACTERS, terms

# At most as many passages are scored by their words, as to read them takes most of that time. Where more hold one,
# those that hold two are looked for.
MOST_CANDIDATES = 1_000
COMMON_WORDS = 4
_PHRASE = re.compile(r'"([^"]+)"')


def quoted(lexeme: str) -> str:
    """Return a word as an expression of tsquery that is that word and nothing else."""
    escaped = lexeme.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def word_expression(frequencies: Mapping[str, int], count: int, phrases: Sequence[str]) -> str:
    """Return which passages are scored: few enough, and those that hold the rarest words among them.

    Args:
        frequencies: By word, how many passages hold it: at least one.
        count: The number of all passages.
        phrases: Expressions that must hold as well.
    """
    words = sorted(frequencies, key=lambda word: (frequencies[word], word))
    sums = accumulate(frequencies[word] for word in words)
    kept = [word for word, held in zip(words, sums, strict=True) if held <= MOST_CANDIDATES // 2]
    # A word that stands in too many passages counts where it stands beside others. How many hold both is a guess.
    common = words[len(kept) :][:COMMON_WORDS]
    room = MOST_CANDIDATES - sum(frequencies[word] for word in kept)
    beside: list[tuple[str, ...]] = []
    for pair in combinations(common, 2):
        room -= math.prod(frequencies[word] for word in pair) // max(count, 1)
        beside += [pair] if room > 0 else []
    beside = beside or ([tuple(common)] if len(common) > 1 else [])
    parts = [*map(quoted, kept), *(f"({' & '.join(map(quoted, together))})" for together in beside)]
    parts = parts or [quoted(word) for word in common]
    wanted = [f"({phrase})" for phrase in phrases if phrase]
    return " & ".join([*wanted, f"({' | '.join(parts)})"] if parts else wanted)


def phrases_of(query: str) -> list[str]:
    """Return the words of each phrase in double quotes, separated by spaces."""
    found = (" ".join(terms(phrase)) for phrase in _PHRASE.findall(query[:MAX_QUERY_CHARACTERS]))
    return [phrase for phrase in found if phrase][:MAX_PHRASES]
