"""No pair that the test asks for is in training: counted anew from texts, for every pair type, on real eventlogs."""

from dataclasses import replace
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from eventlog_builder import Event, build_eventlog, commit, project_history, shuffled
from small_project import make_project, workspace_of

from patina_assets.learning.evaluate import held_out_task
from patina_assets.pairs.pair_type import PairData, PairType
from patina_assets.pairs.relations import unique_texts
from patina_assets.pairs.splits import Split
from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.formats import decode_items, decode_relations, encode_relations
from patina_assets.pipeline.runner import run_stage
from patina_assets.pipeline.stages.pairs import TEST_IS_UNSEEN, build_pairs
from patina_assets.pipeline.stages.stage import CheckResult
from patina_assets.pipeline.workspace import Workspace
from patina_assets.recipe.model import ProjectionRecipe, Training
from patina_resources.eventlog.reader import Eventlog
from patina_resources.store.artifacts import BuiltProjection, publish_stage, read_outputs
from patina_resources.store.manifests import read_manifest

TextPair = tuple[str, str]


def repeating_history(seed: int) -> list[Event]:
    """Return a history whose notes and commits come again in other sessions and later: equal texts in every part."""
    events = project_history(seed)
    notes = [event for event in events if event.kind.startswith("session.") and event.kind != "session.started"]
    copies = [
        replace(
            event, source_id=f"again-{event.source_id}", data={**event.data, "session_id": f"again-{event.source_id}"}
        )
        for event in notes
        if int(str(event.source_id)[-2:]) % 2
    ]
    changed = [[file["path"] for file in event.data["files"]] for event in events if event.kind == "git.commit"]
    again = [
        commit(
            f"{500 + row:040x}", *files, changed[(row * 7 + 1) % len(changed)][0], f"src/later/{row}.py", hour=500 + row
        )
        for row, files in enumerate(changed[::4])
    ]
    return shuffled([*events, *copies, *again], seed)


def pairs_of(data: PairData, *splits: Split) -> set[TextPair]:
    """Return the ordered pairs of different texts that contexts of these parts relate."""
    return {
        (first.text, second.text)
        for context in data.contexts
        if context.split in splits
        for first, second in permutations(context.members, 2)
        if first.text != second.text
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("pair_type", PAIR_TYPES.values(), ids=lambda pair_type: pair_type.name)
def test_what_the_test_asks_training_was_never_told(pair_type: PairType, seed: int, tmp_path: Path) -> None:
    eventlog = Eventlog(build_eventlog(tmp_path / "events.db", repeating_history(seed)))
    rows = {name: source.rows for name, source in eventlog.read(list(pair_type.sources)).items()}
    training = Training(source=pair_type.source.name, pair_type=pair_type.name, epochs=1, pairs=3000, seed=seed)
    built = build_pairs(
        ProjectionRecipe("any", "dimension", None, 8, 4, training, line=1, layers_line=1), pair_type, rows
    )
    file = decode_relations(built.contents["relations.safetensors"])
    texts, _ = unique_texts(decode_items(built.contents["items.jsonl"]))
    task = held_out_task(file.relations)
    asked = {(texts[key // len(texts)], texts[key % len(texts)]) for key in task.relevant.keys.tolist()}
    told = {(texts[anchor], texts[positive]) for anchor, positive, _ in file.training_triplets.tolist()}

    data = pair_type.derive(rows)
    in_training, held_out = pairs_of(data, Split.TRAIN), pairs_of(data, Split.TEST)
    assert asked
    assert told <= in_training
    assert asked <= held_out - in_training - pairs_of(data, Split.VALIDATION)
    assert not asked & (told | {(second, first) for first, second in told})


def test_the_repeating_history_has_pairs_in_both_parts(tmp_path: Path) -> None:
    eventlog = Eventlog(build_eventlog(tmp_path / "events.db", repeating_history(0)))
    in_both = []
    for name in ("same_session", "co_changed"):
        sources = list(PAIR_TYPES[name].sources)
        data = PAIR_TYPES[name].derive({key: source.rows for key, source in eventlog.read(sources).items()})
        in_both.append(len(pairs_of(data, Split.TRAIN) & pairs_of(data, Split.TEST)))
    assert min(in_both) > 0


def test_the_check_finds_a_test_pair_among_the_training_triplets(tmp_path: Path) -> None:
    workspace = workspace_of(make_project(tmp_path / "project"))
    run_stage(workspace, "temporal", "pairs", lambda _: None)
    paths = workspace.paths("temporal")
    assert _leakage(workspace).passed

    record, (content,) = read_outputs(paths, "pairs", ("relations.safetensors",))
    file = decode_relations(content)
    key = int(held_out_task(file.relations).relevant.keys[0])
    leaked = np.array([[key % file.relations.texts, key // file.relations.texts, 0]], np.int32)
    told = encode_relations(replace(file, training_triplets=np.concatenate([file.training_triplets, leaked])))
    contents = {
        paths.folder / output.file: (paths.folder / output.file).read_bytes() for output in record.outputs.values()
    }
    publish_stage(paths, "pairs", record, {**contents, paths.relations: told})
    assert "pairs" in read_manifest(paths.manifest)

    found = _leakage(workspace)
    assert not found.passed
    assert found.reason.startswith("1 of ")


def _leakage(workspace: Workspace) -> CheckResult:
    paths = workspace.paths("temporal")
    built = BuiltProjection(paths, read_manifest(paths.manifest))
    checks = workspace.projection("temporal").stage("pairs").checks(built)
    return next(check for check in checks if check.name == TEST_IS_UNSEEN)
