"""The one error type whose text is meant for a user."""

import difflib
from collections.abc import Iterable


class PatinaError(Exception):
    """Wrong input or a damaged file, in one sentence: what is wrong, where, what was expected, what to do next.

    The command line prints it on stderr and exits with 2; inside Dagster it is the failure's description.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return `" (did you mean 'x'?)"` for the closest known word, or an empty string."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f" (did you mean {close[0]!r}?)" if close else ""
