"""Why a stage must be built: values that decide, and the one place where they become text."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from itertools import groupby


class ReasonKind(StrEnum):
    """What is the matter. The value is the text; `subject`, `before` and `after` stand for the fields of the reason."""

    NEVER_BUILT = "never built"
    NEVER_WRITTEN = "never written"
    BUILT_ELSEWHERE = "built elsewhere"
    MISSING = "{subject} is missing"
    DAMAGED = "{subject} is damaged"
    ADDED = "{subject} newly used"
    REMOVED = "{subject} no longer used"
    CHANGED = "{subject} {before} -> {after}"
    ROWS = "{subject}: rows"
    FINGERPRINT = "its fingerprint is not that of its inputs"
    FOLLOWS = "follows {subject}"
    UNKNOWN_WORDS = "{after:.0%} of the words are unknown to it (limit {before:.0%})"
    NEW_TEXTS = "{after:.0%} of the texts are new to it (limit {before:.0%})"
    LEARNED_FROM = "learned from {after:.1%} of today's texts, {before:.1%} of the words are unknown to it"
    KEPT = "trained on {after:.1%} of today's pairs"
    CONTINUED = "drift {after:.1%} (limit {before:.0%}): continued by {subject} epochs"
    NOTHING_LEARNED = "drift {after:.1%} (limit {before:.0%}): trained anew, since nothing was learned to continue from"
    LARGE_DRIFT = "drift {after:.1%} since it was trained anew (limit {before:.0%})"
    ALWAYS = "trained on {after:.1%} of today's pairs, refresh: always"
    DRIFTED = "trained on {after:.1%} of today's pairs, continued {subject} times: renewed"
    EXTENDED = "{subject} vectors came or went since it was built as a whole: renewed"
    OTHER_PROVENANCE = "says something else than the manifests"
    FORCED = "--full"


@dataclass(frozen=True)
class Reason:
    """One reason to build a stage.

    Attributes:
        kind: What is the matter.
        subject: What it is about: an input, a file, a stage.
        before: What the subject was when the stage was built; rows, for a source.
        after: What it is now.
        model: Of models side by side, the one that it is about.
    """

    kind: ReasonKind
    subject: str = ""
    before: str | float = ""
    after: str | float = ""
    model: str = ""

    @property
    def follows(self) -> bool:
        """Whether the stage is stale only because one before it is."""
        return self.kind is ReasonKind.FOLLOWS


FORCED = (Reason(ReasonKind.FORCED),)


def has_own_reason(reasons: Iterable[Reason]) -> bool:
    """Return whether a stage is stale for more than what it follows."""
    return any(not reason.follows for reason in reasons)


def reason_texts(reasons: Iterable[Reason]) -> list[str]:
    """Return reasons as texts; stages that are followed one after the other stand in one text."""
    texts = []
    for follows, group in groupby(reasons, key=lambda reason: reason.follows):
        if follows:
            subjects = ", ".join(reason.subject for reason in group)
            texts.append(ReasonKind.FOLLOWS.value.format(subject=subjects))
        else:
            texts += map(_text, group)
    return texts


def reasons_text(reasons: Iterable[Reason]) -> str:
    """Return reasons as one text."""
    return "; ".join(reason_texts(reasons))


def _text(reason: Reason) -> str:
    text = _rows_text(reason) if reason.kind is ReasonKind.ROWS else _value_text(reason)
    return f"{reason.model}: {text}" if reason.model else text


def _value_text(reason: Reason) -> str:
    if reason.kind is ReasonKind.CHANGED and (_is_digest(reason.before) or _is_digest(reason.after)):
        return f"{reason.subject} changed"  # nobody reads 64 hexadecimal digits
    return reason.kind.value.format(subject=reason.subject, before=reason.before, after=reason.after)


def _rows_text(reason: Reason) -> str:
    added = int(reason.after) - int(reason.before)
    if not added:
        return f"{reason.subject}: rows changed"
    rows = "row" if abs(added) == 1 else "rows"
    return f"{reason.subject}: {added} new {rows}" if added > 0 else f"{reason.subject}: {-added} {rows} fewer"


def _is_digest(value: str | float) -> bool:
    return isinstance(value, str) and (value == "" or re.fullmatch(r"[0-9a-f]{64}", value) is not None)
