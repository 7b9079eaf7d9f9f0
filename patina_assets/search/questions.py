"""What a question asks for: code, documents, commits or notes, by its words and by how well each group answers."""

import math
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from patina_assets.passages.passage import Group
from patina_assets.search.asking.language import is_english


def _pattern(*alternatives: str) -> re.Pattern[str]:
    return re.compile("|".join(alternatives), re.IGNORECASE)


# What is asked for outright: what happened and why.
HISTORY = _pattern(
    r"\bwhy (?:was|were|did|do|does|has|have|is|are)\b",
    r"\bwhen (?:was|were|did)\b",
    r"\bsince when\b",
    r"\bwho (?:wrote|added|changed|removed|did|last)\b",
    r"\b(?:commits?|committed|reverted|landed|merged|no longer)\b",
)
# Nothing that is learned of little words speaks against what is asked for by name.
NAMES_COMMITS = _pattern(r"\b(?:which|what) commits?\b", r"\bcommits? (?:that|which|where)\b")
# A report, such as `the parser crashed on an empty file`, and an order, such as `drop the old cache`: as commits read.
REPORT = _pattern(r"\b(?:was|were|had|did|got|became|crashed|broke|failed)\b")
ORDER = _pattern(
    r"^(?:add|allow|avoid|bump|delete|deprecate|disable|do not|don't|drop|enable|fix|make|move|prevent|refactor|remove|"
    r"rename|replace|revert|stop|support|switch|update|upgrade|use)\b"
)
QUESTION = _pattern(r"^(?:how|what|where|which|who|whom|why|when|in which|does|do|is|are|can)\b", r"\?\s*$")
# Why something is as it is, a place in code, and what to read.
REASON = _pattern(r"\b(?:why|reasons?|decided?|decisions?|rationale|chose|choose|trade-?offs?|policy)\b")
PLACE = _pattern(
    r"\bwhere (?:is|are|do|does|in)\b",
    r"\bwhich (?:\w+ )?(?:function|method|class|code|file|module|part|struct|type)\b",
)
GUIDE = _pattern(
    r"\b(?:how|where|what|whom) (?:do|can|should|must) (?:i|we|you|one)\b",
    r"\bhow to\b",
    r"\b(?:documentation|documented|docs?|readme|guide|tutorial|lesson|manual|changelog|install\w*|instructions|"
    r"contribut\w+|release notes|explained|described|migration|examples?|faq)\b",
)


@dataclass(frozen=True)
class Evidence:
    """How well a group answers.

    Attributes:
        coverage: Share of the question's words, weighted by how rare they are, that its best passages hold: 0 to 1.
        cosine: Of its nearest passage; 0 where no vector is known.
    """

    coverage: float
    cosine: float


@dataclass(frozen=True)
class Weights:
    """How much each sign counts, in the exponent; chosen in docs/search-figures.md and docs/experiments.md."""

    prior: Mapping[Group, float]
    history: float = 2.5
    report: float = 1.0
    reason: float = 1.0
    place: float = 1.5
    guide: float = 2.0
    coverage: float = 3.0
    cosine: float = 6.0
    named: float = 4.0
    form: float = 1.0


WEIGHTS = Weights({Group.CODE: 0.8, Group.DOCS: -0.6, Group.COMMITS: -0.6, Group.NOTES: 0.2})


def asked_for(
    question: str,
    evidence: Mapping[Group, Evidence],
    named: Collection[Group] = (),
    weights: Weights = WEIGHTS,
    leaning: Mapping[Group, float] = MappingProxyType({}),
) -> dict[Group, float]:
    """Return how likely a question asks for each group that has an answer; the sum is 1.

    Args:
        question: The question.
        evidence: How well each group answers.
        named: Groups that have something of the names that the question consists of. A sentence about a name may ask
            for anything else.
        weights: How much each sign counts.
        leaning: What is learned of such questions, from `leanings`.
    """
    added = counted(question, leaning)
    exponents = {
        group: weights.prior[group] + _rules(question, group, weights) + added.get(group, 0.0)
        + weights.named * (group in named) + weights.coverage * seen.coverage + weights.cosine * seen.cosine
        for group, seen in evidence.items()
    }  # fmt: skip
    raised = {group: math.exp(value) for group, value in exponents.items()}
    total = sum(raised.values())
    return {group: value / total for group, value in raised.items()}


def counted(question: str, leaning: Mapping[Group, float]) -> dict[Group, float]:
    """Return what counts of a leaning: nothing that speaks against commits where they are asked for by name."""
    named = {Group.COMMITS} if NAMES_COMMITS.search(question) else set[Group]()
    return {group: max(value, 0.0) if group in named else value for group, value in leaning.items()}


def _rules(question: str, group: Group, weights: Weights) -> float:
    if not is_english(question):
        return 0.0
    if group is Group.COMMITS:
        history, asks = bool(HISTORY.search(question)), bool(QUESTION.search(question))
        told = ORDER.search(question) or (REPORT.search(question) and not asks)
        # What has the form of a question is no commit's subject.
        return weights.history * history + weights.report * bool(told) - weights.form * (asks and not history)
    if group is Group.NOTES:
        return weights.reason * bool(REASON.search(question))
    if group is Group.CODE:
        return weights.place * bool(PLACE.search(question))
    return weights.guide * bool(GUIDE.search(question))
