"""Decision records: templates, and their status (N4, N6)."""

import json

import pytest
from note_texts import events_of

from patina_resources.materialize.notes.decision_records import TEMPLATE_NAME_WORDS, is_template_name


@pytest.mark.parametrize(
    ("file", "text", "is_template"),
    [
        ("adr-template.md", "# Use it\n## Decision\nYes.\n", True),
        ("0000-template.md", "# Use it\n## Decision\nYes.\n", True),
        ("x.md", "# NUMBER. TITLE\n\nDate: DATE\n## Decision\nThe change that we agree to.\n", True),
        ("x.md", "# {{ title }}\n## Decision\n{{ decision }}\n", True),
        ("TEMPLATE.md", "# Use it\n## Decision\nYes.\n", True),
        ("x.md", "# {short title, representative of solved problem}\n## Decision Outcome\nYes.\n", True),
        ("x.md", "# [short title of solved problem and solution]\n## Decision Outcome\nYes.\n", True),
        ("x.md", '# T\n## Decision Outcome\nChosen option: "{option}", because {reason}.\n', True),
        ("x.md", "# T\n## Decision\n\n<!-- why -->\n{describe the {main} decision}\n", True),
        ("0005-use-a-template-engine.md", "# Use a template engine\n## Decision\nJinja.\n", False),
        ("x.md", "# Serve /users/{id}\n## Decision\nWe serve /users/{id} and {fmt} strings.\n", False),
        ("x.md", "# T\n## Decision\nUse:\n```\n{a b c d e f g h}\n```\n", False),
        ("x.md", "# [Link](x.md) it\n## Decision\nYes, `{name of it}`.\n", False),
        ("x.md", "## {id}\n# T\n## Decision\nYes.\n", False),
        ("x.md", "# T\n# Decision\nYes.\n", False),
    ],
)
def test_a_template_is_skipped_and_said(file: str, text: str, is_template: bool) -> None:
    events, problem = events_of(f"docs/adr/{file}", text, is_record=True)
    assert (events == [], problem) == ((True, "a template of decision records") if is_template else (False, ""))


@pytest.mark.parametrize(
    "word",
    ["adr", "adrs", "architectural", "architecture", "bare", "basic", "decision", "default", "full", "long", "madr",
     "minimal", "nnn", "nnnn", "nygard", "record", "records", "short", "simple", "xxx", "xxxx", "0000"],
)  # fmt: skip
def test_each_word_of_a_templates_name(word: str) -> None:
    assert is_template_name(f"{word}-template")
    assert not is_template_name(word)
    assert is_template_name("-".join(TEMPLATE_NAME_WORDS))
    assert not is_template_name(f"{word}-template-engine")


@pytest.mark.parametrize(
    ("text", "status", "state"),
    [
        ("---\nstatus: superseded by 0007\n---\n# T\n", "superseded by 0007", "superseded"),
        ("# T\n* Status: superseded by [ADR-5](0005.md)\n", "superseded by [ADR-5](0005.md)", "superseded"),
        ("# T\n\n**Status:** Deprecated\n", "Deprecated", "deprecated"),
        ("# T\n## Status\n\nAccepted\n\nSuperceded by [2](2.md)\n", "Accepted Superceded by [2](2.md)", "superseded"),
        ("# T\n## Status\nRejected\n", "Rejected", "rejected"),
        ("# T\n## Status\nAccepted. Supersedes [1](1.md)\n", "Accepted. Supersedes [1](1.md)", None),
        ("---\nstatus: accepted\n---\n# T\n", "accepted", None),
        ("# T\n```\nStatus: rejected\n```\n", None, None),
        ("# T\n## Status: Rejected\n", "Rejected", "rejected"),
        ("# T\n| Status | superseded by 3 |\n|---|---|\n", "superseded by 3", "superseded"),
        ("# T\n| Field | Value |\n|--|--|\n| **Status** | Deprecated | x |\n", "Deprecated", "deprecated"),
        ("# T\n## Status\n~~Superseded by 3~~ Accepted\n", "~~Superseded by 3~~ Accepted", None),
        ("# T\nStatus: accepted, not superseded\n", "accepted, not superseded", None),
        ("---\nstatus: accepted\nsuperseded_by: 0007\n---\n# T\n", "accepted, superseded by 0007", "superseded"),
        ("---\nsuperseded-by: [a.md, b.md]\n---\n# T\n", "superseded by a.md, b.md", "superseded"),
        ("---\nstatus: superseded by 7\nsuperseded_by: 0007\n---\n# T\n", "superseded by 7", "superseded"),
        ("---\nstatus: accepted\nsuperseded_by:\nsupersedes: 3\n---\n# T\n", "accepted", None),
        ("---\nstatus: accepted\nsupersededBy: null\n---\n# T\n", "accepted", None),
        ("# T\n* Status: accepted\n* Superseded by: [7](7.md)\n", "accepted, superseded by [7](7.md)", "superseded"),
        ("# T\n| Replaced by | 7 |\n|---|---|\n", "superseded by 7", "superseded"),
        ("# T\n## Status\nAccepted\n## Superseded by\n[7](7.md)\n", "Accepted, superseded by [7](7.md)", "superseded"),
        ("# T\n## Superseded by\nNone.\n", None, None),
        ("# T\n## Superseded by [7](7.md)\n", "superseded by [7](7.md)", "superseded"),
        ("# T\n## Context\nIt was superseded by nothing.\n", None, None),
    ],
)
def test_the_status_of_a_record_is_kept(text: str, status: str | None, state: str | None) -> None:
    events, _ = events_of("docs/adr/1.md", f"{text}\n## Decision\nYes.\n", is_record=True)
    started = json.loads(events[0].data)
    assert (started.get("status"), started.get("state")) == (status, state)
    assert ("status" in started, "state" in started) == (status is not None, state is not None)


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("superseded", "superseded"), ("Superceded", "superseded"), ("replaced", "superseded"),
        ("DEPRECATED", "deprecated"), ("obsolete", "deprecated"), ("rejected", "rejected"), ("withdrawn", "rejected"),
        ("supersedes 1", None), ("rejecting", None), ("proposed", None),
    ],
)  # fmt: skip
def test_each_word_of_a_status(word: str, state: str | None) -> None:
    events, _ = events_of("docs/adr/1.md", f"# T\n## Status\n{word}\n## Decision\nYes.\n", is_record=True)
    assert json.loads(events[0].data).get("state") == state


def test_a_session_has_no_status() -> None:
    events, _ = events_of("layer/sessions/1.md", "---\nstatus: archived\n---\n## Goals\n- one\n")
    assert "status" not in json.loads(events[0].data)


@pytest.mark.parametrize(("length", "kept"), [(1_000, 1_000), (1_001, 1_000)])
def test_of_a_long_status_the_beginning_is_kept(length: int, kept: int) -> None:
    events, _ = events_of("docs/adr/1.md", f"# T\n## Status\n{'a' * length}\n## Decision\nYes.\n", is_record=True)
    assert json.loads(events[0].data)["status"] == "a" * kept
