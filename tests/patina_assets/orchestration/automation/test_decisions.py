"""What is decided to be rebuilt, and when, against a made-up clock."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from eventlog_builder import commit
from small_project import add_events, edit_recipe

from patina_assets.orchestration.automation.decisions import (
    LEFT_ALONE,
    RETRY_SECONDS,
    Attempt,
    Decision,
    Memory,
    Probe,
    before_survey,
    decide,
    decode_memory,
    definitions_digest,
    encode_memory,
    inputs_of,
    look_for_changes,
    unreadable,
)
from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.staleness import LOCK, MODEL, StageVerdict
from patina_assets.pipeline.workspace import Survey, Workspace, open_workspace, survey
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.project.project import Project
from patina_resources.store.mothership import Mothership

SETTLE = 5.0
NOW = 1_800_000_000.0
FRESH = [
    StageVerdict(MODEL, "corpus-static", "fresh"),
    StageVerdict("a", "weights", "fresh"),
    StageVerdict("b", "weights", "fresh"),
    StageVerdict(LOCK, LOCK, "fresh"),
]
INPUTS = {"a": "1", "b": "1", LOCK: "1"}


def stale(*names: str) -> list[StageVerdict]:
    """Return verdicts in which these projections, and with them the lock, are stale."""
    return [
        replace(verdict, status="stale", reasons=(Reason(ReasonKind.CHANGED, "epochs", "1", "2"),))
        if verdict.projection in {LOCK, *names}
        else verdict
        for verdict in FRESH
    ]


def asked(decision: Decision) -> set[str]:
    """Return the projections that a decision asks for."""
    return {verdict.projection for verdict in decision.verdicts}


# Decisions


def test_nothing_new_is_noticed_before_anything_is_read() -> None:
    probe = Probe("x", NOW - 100)
    memory = decide(Memory(), probe, FRESH, INPUTS, NOW).memory
    assert before_survey(memory, probe, NOW + 1, SETTLE) == (memory, "nothing new")
    assert before_survey(memory, Probe("y", NOW - 100), NOW + 1, SETTLE)[1] == ""


def test_writes_settle_first() -> None:
    memory, waiting = before_survey(Memory(), Probe("x", NOW - 1), NOW, SETTLE)
    assert "waiting" in waiting
    memory, waiting = before_survey(memory, Probe("y", NOW + 3), NOW + 4, SETTLE)
    assert "waiting" in waiting
    assert before_survey(memory, Probe("y", NOW + 3), NOW + 8, SETTLE)[1] == ""


def test_a_file_from_the_future_settles_too() -> None:
    probe = Probe("x", NOW + 9999)
    memory, waiting = before_survey(Memory(), probe, NOW, SETTLE)
    assert waiting
    assert before_survey(memory, probe, NOW + SETTLE, SETTLE)[1] == ""


def test_a_clock_that_went_back_holds_nothing_up() -> None:
    probe = Probe("x", NOW)
    failed = Memory(
        "x", NOW, "x", NOW + 40, attempts={"a": Attempt("1", 1, NOW + 40), "b": Attempt("1", 9, LEFT_ALONE)}
    )
    back = NOW - 1e8
    memory, waiting = before_survey(failed, probe, back, SETTLE)
    assert "waiting until nothing is written" in waiting
    assert (memory.due, memory.attempts["a"].retry_at) == (back, back)
    assert memory.attempts["b"].retry_at == LEFT_ALONE
    assert before_survey(memory, probe, back + SETTLE, SETTLE)[1] == ""


def test_exactly_what_is_stale_is_asked_for_once() -> None:
    first = decide(Memory(), Probe("x", 0), stale("a"), INPUTS, NOW)
    assert asked(first) == {"a", LOCK}
    assert first.reason == "a/weights: epochs 1 -> 2 | oxidize_lock: epochs 1 -> 2"
    done = decide(first.memory, Probe("y", 0), FRESH, INPUTS, NOW + 10)
    assert asked(done) == set()
    assert done.memory.attempts == {}


def test_a_failure_is_retried_with_growing_waits_then_left_alone_while_others_go_on() -> None:
    memory, now, times = Memory(), NOW, []
    for _ in range(200):
        decision = decide(memory, Probe("x", 0), stale("a"), INPUTS, now)
        memory = decision.memory
        if asked(decision):
            times.append(now)
        now += 60
    waits = [later - earlier for earlier, later in pairwise(times)]
    assert len(times) == 1 + len(RETRY_SECONDS)
    assert all(wait >= least for wait, least in zip(waits, RETRY_SECONDS, strict=True))
    assert memory.attempts["a"].retry_at == LEFT_ALONE
    assert memory.due is None
    both = decide(memory, Probe("x", 0), stale("a", "b"), INPUTS, now)
    assert asked(both) == {"b", LOCK}
    assert asked(decide(memory, Probe("z", 0), stale("a"), {**INPUTS, "a": "2"}, now)) == {"a", LOCK}


def test_a_failure_is_retried_as_soon_as_its_wait_is_over() -> None:
    memory, now, waits = Memory(), NOW, []
    for _ in range(4):
        memory = decide(memory, Probe("x", 0), stale("a"), INPUTS, now).memory
        failed = decide(memory, Probe("x", 0), stale("a"), INPUTS, now)
        assert failed.verdicts == ()
        assert failed.memory.due is not None
        early = decide(failed.memory, Probe("x", 0), stale("a"), INPUTS, failed.memory.due - 1)
        assert (early.verdicts, early.reason) == ((), "nothing is stale but a failed and is tried again in 1 s")
        waits.append(failed.memory.due - now)
        memory, now = failed.memory, failed.memory.due
    assert waits == [30, 120, 600, 3600]


def test_a_project_that_cannot_be_surveyed_is_looked_at_again_after_a_minute() -> None:
    memory = replace(decide(Memory(), Probe("x", 0), stale("a"), INPUTS, NOW).memory, seen="y")
    found = unreadable(memory, Probe("y", NOW), "it is locked", NOW)
    assert found == Decision(replace(memory, handled="y", due=NOW + 60), (), "it is locked")


def test_moments_count_from_when_they_are_reached() -> None:
    probe = Probe("x", NOW - SETTLE)
    assert before_survey(Memory(), probe, NOW, SETTLE)[1] == ""
    due = Memory("x", NOW, "x", NOW + 40)
    assert before_survey(due, probe, NOW, SETTLE) == (due, "nothing new")
    assert before_survey(due, probe, NOW + 39, SETTLE) == (due, "nothing new")
    assert before_survey(due, probe, NOW + 40, SETTLE) == (due, "")
    assert Memory().run_key == "0.000-0"
    assert decide(Memory(), probe, stale("a"), INPUTS, NOW).memory.run_key == "0.000-1"


def test_a_retry_is_due_although_nothing_changed() -> None:
    probe = Probe("x", 0)
    memory = decide(Memory(), probe, stale("a"), INPUTS, NOW).memory
    memory = decide(memory, probe, stale("a"), INPUTS, NOW + 10).memory
    assert before_survey(memory, probe, NOW + 20, SETTLE)[1] == "nothing new; a failed and is tried again in 20 s"
    assert before_survey(memory, probe, NOW + 41, SETTLE)[1] == ""


def test_each_request_has_a_key_of_its_own_though_no_file_changed() -> None:
    memory, keys, now = Memory(seen="x", seen_at=NOW), [], NOW
    for _ in range(200):
        decision = decide(memory, Probe("x", 0), stale("a"), INPUTS, now)
        memory = decision.memory
        keys += [memory.run_key] * bool(asked(decision))
        now += 60
    assert len(keys) == 1 + len(RETRY_SECONDS)
    assert len(set(keys)) == len(keys)


def test_the_inputs_of_a_projection_are_its_own(project: Project) -> None:
    workspace = open_workspace(project)
    found = survey(workspace)
    before = inputs_of(workspace, found)
    assert set(before) == {"semantic", "temporal", "dependency", "base", LOCK}
    assert len(set(before.values())) == len(before)
    assert {len(value) for value in before.values()} == {16}

    def changed(workspace: Workspace, found: Survey) -> set[str]:
        after = inputs_of(workspace, found)
        return {name for name, value in after.items() if value != before[name]}

    assert changed(workspace, found) == set()
    rows = {**found.look.digests, "git.co_changes": SourceDigest("other", 1)}
    assert changed(workspace, replace(found, look=replace(found.look, digests=rows))) == {"temporal", LOCK}
    assert changed(workspace, replace(found, model=replace(found.model, digest="other"))) == set(before)
    edit_recipe(project, "co_changed, epochs: 2", "co_changed, epochs: 3")
    assert changed(open_workspace(project), found) == {"temporal", LOCK}


def test_a_project_that_is_not_built_is_looked_at(project: Project) -> None:
    workspace = open_workspace(project)
    assert not project.embeddings_folder("corpus-static").exists()
    first = look_for_changes(workspace)
    assert look_for_changes(workspace) == first
    add_events(project, [commit("e" * 40, "one.py", "two.py", hour=900)])
    assert look_for_changes(workspace).text != first.text


def test_each_file_that_decides_is_looked_at(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    workspace = open_workspace(project)
    probes = [look_for_changes(workspace).text]
    built = project.embeddings_folder("corpus-static")
    for path in (project.recipe, project.config_file, project.lock, built / "model.json", built / "projections" / "x"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(path.read_text() + "\n" if path.exists() else "\n")
        probes.append(look_for_changes(workspace).text)
    assert len(set(probes)) == len(probes)
    for passing in (built / ".tmp-x", built / "projections" / ".tmp-x", project.embedding_cache("corpus-static")):
        passing.write_text("x")
    assert look_for_changes(workspace).text == probes[-1]
    listed = Path.iterdir
    monkeypatch.setattr(Path, "iterdir", lambda folder: reversed(list(listed(folder))))
    assert look_for_changes(workspace).text == probes[-1]


def test_definitions_are_loaded_again_when_one_of_their_files_changes(tmp_path: Path) -> None:
    home = Mothership(tmp_path / "home")
    files = [*(tmp_path / ".patina" / name for name in ("oxidize.yaml", "config.toml")), home.registry, home.settings]
    digests = [definitions_digest(tmp_path, home)]
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("")
        digests.append(definitions_digest(tmp_path, home))
        file.write_text("same")
        digests.append(definitions_digest(tmp_path, home))
    assert len(set(digests)) == 1 + 2 * len(files)
    assert definitions_digest(tmp_path, home) == digests[-1]


def test_the_lock_alone_can_be_stale() -> None:
    assert asked(decide(Memory(), Probe("x", 0), stale(), INPUTS, NOW)) == {LOCK}


def test_the_memory_survives_as_a_cursor() -> None:
    memory = decide(Memory(), Probe("x", 0), stale("a", "b"), INPUTS, NOW).memory
    assert decode_memory(encode_memory(memory)) == memory
    for damaged in (None, "", "[]", "null", "{", '{"unknown": 1}', '{"attempts": {"a": {"b": 1}}}', '{"attempts": 3}'):
        assert decode_memory(damaged) == Memory()
