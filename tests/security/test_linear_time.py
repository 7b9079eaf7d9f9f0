"""No regular expression takes more time than the text is long."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from amounts import SOAK
from pattern_worst_cases import Use, all_uses, worst_cases
from processor_time import TooLongError, at_most

SMALL, LARGE = 100_000, 1_000_000
# Seconds of processor time: a linear pattern takes some hundredths for the small size, one that takes the square of its
# length a minute; for the large size, less than a second and an hour. `make soak` tries the large size.
SMALL_LIMIT, LARGE_LIMIT = 1.0, 6.0
SLOWEST = 2
# A tenth of a text that takes less than this part of the limit is done at once.
AT_ONCE = 500


def slow_case(run: Callable[[str], object], texts: Iterator[str], limit: float) -> tuple[str | None, list[str]]:
    """Return the start of a text that takes too long, or None, and the texts that took longest."""
    times: list[tuple[float, str]] = []
    for text in texts:
        begun = time.process_time()
        try:
            with at_most(limit):
                run(text)
        except TooLongError:
            return repr(text[:60] + " ... " + text[-10:]), []
        times.append((time.process_time() - begun, text))
    return None, [text for _, text in sorted(times, reverse=True)[:SLOWEST]]


def suspects(use: Use, size: int, limit: float) -> Iterator[str]:
    """Yield the worst cases, but for those of which a tenth is done at once; in the long form, all.

    Who takes the square of the length, and the limit for the whole, takes a hundredth of it for a tenth.
    """
    for tenth, whole in zip(worst_cases(use.pattern, size // 10), worst_cases(use.pattern, size), strict=True):
        begun = time.process_time()
        with suppress(TooLongError), at_most(limit):
            use.run(tenth)
        if SOAK or time.process_time() - begun >= limit / AT_ONCE:
            yield whole


USES = all_uses()


def test_the_patterns_are_found() -> None:
    found = {(use.module.rsplit(".", 1)[-1], use.method) for use in USES}
    assert {
        ("session_notes", "fullmatch"),
        ("rust", "findall"),
        ("normal_forms", "sub"),
        ("lexical", "split"),
    } <= found
    assert {("signatures", "search"), ("session_header", "search"), ("plain_text", "sub")} <= found
    assert len({use.pattern.pattern for use in USES}) > 70


@pytest.mark.parametrize(
    ("pattern", "method"),
    [
        (r"[\W_]*(none|nothing)?[\W_]*", "fullmatch"),
        (r"(?:[\w:]*::)?([\w*]+(?: as \w+)?)\s*(?=[,}]|$)", "findall"),
        (r"\{[^{}]* => ([^{}]*)\}", "sub"),
        (r"^\s*(class\s+\w)", "search"),
        (r"\bNone\b.*\|", "search"),
        (r"a*b", "search"),
        (r"(x+x+)+y", "match"),
    ],
)
def test_a_pattern_that_takes_the_square_of_its_length_is_seen(pattern: str, method: str) -> None:
    use = Use("test", method, re.compile(pattern, re.MULTILINE))
    slow, _ = slow_case(use.run, suspects(use, 3 * SMALL, SMALL_LIMIT), SMALL_LIMIT)
    assert slow is not None


@pytest.mark.parametrize("use", USES, ids=str)
def test_each_pattern_takes_time_in_proportion_to_the_text(use: Use) -> None:
    slow, slowest = slow_case(use.run, suspects(use, SMALL, SMALL_LIMIT), SMALL_LIMIT)
    assert slow is None, f"{use} on {slow}"
    if not SOAK:
        return
    longer = (text[:-1] * (LARGE // SMALL) + text[-1:] for text in slowest)
    slow, _ = slow_case(use.run, longer, LARGE_LIMIT)
    assert slow is None, f"{use} on {slow}"
