"""Building a real small project, stage by stage, without Dagster."""

import hashlib
import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from eventlog_builder import commit, note
from small_project import add_events, all_stages, delete_events, edit_recipe, make_project, workspace_of

from patina_assets.pipeline.reasons import reasons_text
from patina_assets.pipeline.runner import StageOutcome, publish_lock, run_model, run_stage
from patina_assets.pipeline.workspace import survey
from patina_assets.search.built import BASE
from patina_assets.search.searcher import Searcher
from patina_resources.errors import PatinaError
from patina_resources.project.project import Project, find_project
from patina_resources.store import manifests
from patina_resources.store.manifests import read_manifest

Outcomes = dict[tuple[str, str], StageOutcome]


def silent(_: str) -> None:
    """Drop progress lines."""


def build(project: Project) -> Outcomes:
    """Run every stage in order, as a Dagster run of everything does."""
    workspace = workspace_of(project)
    run_model(workspace, silent)
    outcomes = {(name, stage): run_stage(workspace, name, stage, silent) for name, stage in all_stages(workspace)}
    publish_lock(workspace)
    return outcomes


def rebuilt(outcomes: Outcomes) -> set[str]:
    """Return the stages that were built, not reused."""
    return {f"{name}/{stage}" for (name, stage), outcome in outcomes.items() if not outcome.reused}


def stale(project: Project) -> dict[str, str]:
    """Return what is not fresh, with the reasons."""
    verdicts = survey(workspace_of(project)).verdicts
    return {f"{v.projection}/{v.stage}": reasons_text(v.reasons) for v in verdicts if v.status != "fresh"}


# What one build of the module's project read: how often a manifest, and how often what was hashed, by digest.
READ: Counter[str] = Counter()


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project that is built once for this module."""
    made = make_project(tmp_path_factory.mktemp("built") / "project")
    with pytest.MonkeyPatch.context() as patch:
        for module, name in ((manifests, "_parse"), (hashlib, "sha256"), (hashlib, "file_digest")):
            patch.setattr(module, name, counted(getattr(module, name)))
        build(made)
    return made.root


def counted(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function, which then counts its calls, or what it hashes, in READ."""

    def call(*arguments: Any, **options: Any) -> Any:
        result = function(*arguments, **options)
        READ[result.hexdigest() if hasattr(result, "hexdigest") else function.__name__] += 1
        return result

    return call


@pytest.fixture
def project(built_root: Path, tmp_path: Path) -> Project:
    """Return a built project of the test's own."""
    return find_project(Path(shutil.copytree(built_root, tmp_path / "project")))


def test_second_build_reuses_everything_and_leaves_the_lock_alone(project: Project) -> None:
    before = project.lock.read_bytes()
    stamp = project.lock.stat().st_mtime_ns
    assert stale(project) == {}
    assert rebuilt(build(project)) == set()
    assert project.lock.read_bytes() == before
    assert project.lock.stat().st_mtime_ns == stamp


def test_a_build_reads_a_manifest_for_each_stage_and_hashes_a_file_once(project: Project) -> None:
    stages = len(all_stages(workspace_of(project)))
    assert READ["_parse"] == stages + len(["model"])
    written = [
        output.sha256
        for path in project.data.rglob("*.manifest.json")
        for record in read_manifest(path).values()
        for output in record.outputs.values()
    ]
    assert len(written) == 3 * (4 + 2 + 4 + 3) + (1 + 2 + 3) + 3
    # Some are equal: weights that were measured, and those that were kept.
    assert {digest: READ[digest] for digest in written} == Counter(written)


def test_two_clean_builds_give_equal_artifacts(tmp_path: Path) -> None:
    digests = []
    for name in ("first", "second"):
        made = make_project(tmp_path / name)
        build(made)
        workspace = workspace_of(made)
        digests.append(
            {
                (name, stage): read_manifest(workspace.paths(name).manifest)[stage].digest
                for name, stage in all_stages(workspace)
            }
        )
    assert digests[0] == digests[1]


def test_changed_epochs_rebuild_weights_and_index_of_that_projection_only(project: Project) -> None:
    text = project.recipe.read_text()
    project.recipe.write_text(text.replace("co_changed, epochs: 2", "co_changed, epochs: 3"))
    assert stale(project)["temporal/weights"] == "epochs 2 -> 3"
    assert {name for name in stale(project) if "/" in name} == {
        "temporal/weights",
        "temporal/index",
        "oxidize_lock/oxidize_lock",
    }
    # The index is spared where the third epoch is not the best one, and the weights come out the same.
    assert {"temporal/weights"} <= rebuilt(build(project)) <= {"temporal/weights", "temporal/index"}


def test_a_commit_that_leaves_the_pairs_as_they_are_stops_early(project: Project) -> None:
    add_events(project, [commit("f" * 40, "src/alone.py", hour=500)])
    # The commit itself can be found.
    assert rebuilt(build(project)) == {f"{BASE}/{stage}" for stage in ("items", "embeddings", "index")}


def test_what_a_killed_process_left_beside_the_model_is_removed(project: Project) -> None:
    leftover = project.corpus_model_folder() / ".tmp-unseen.json.half"
    leftover.write_bytes(b"half")
    os.utime(leftover, (0, 0))
    add_events(project, [commit("f" * 40, "src/parser/token.py", hour=900)])
    assert not run_stage(workspace_of(project), BASE, "items", silent).reused
    assert not leftover.exists()


def test_a_repeated_commit_is_no_new_row(project: Project) -> None:
    again = commit("e" * 40, "src/new_one.py", "src/new_two.py", hour=600)
    add_events(project, [again])
    build(project)
    add_events(project, [again])
    assert stale(project) == {}


def test_new_notes_embed_only_new_texts(project: Project) -> None:
    add_events(project, [note(f"a fresh remark number {number} on caching", "session-z") for number in range(4)])
    assert stale(project)["semantic/pairs"] == "sessions.observations: 4 new rows"
    outcomes = build(project)
    assert outcomes["semantic", "embeddings"].record.facts["new_texts"] == 4
    assert rebuilt(outcomes) == {
        *(f"semantic/{stage}" for stage in ("pairs", "embeddings", "index")),
        *(f"{BASE}/{stage}" for stage in ("items", "embeddings", "index")),
    }
    assert outcomes[BASE, "embeddings"].record.facts["new_texts"] == 0


def test_the_corpus_model_is_frozen_until_a_full_build(project: Project) -> None:
    workspace = workspace_of(project)
    before = run_model(workspace, silent)
    add_events(project, [note("an ordinary note about the read and write path", "session-y")])
    assert run_model(workspace, silent).state.digest == before.state.digest
    rebuilt_model = run_model(workspace, silent, full=True)
    assert not rebuilt_model.reused
    assert rebuilt_model.state.digest != before.state.digest


def test_a_removed_projection_keeps_the_others_fresh(project: Project) -> None:
    text = project.recipe.read_text()
    project.recipe.write_text(text[: text.index("  dependency:")])
    names = {name.split("/")[0] for name in stale(project)}
    assert names == {"oxidize_lock"}


@pytest.mark.parametrize(
    ("file", "stage"),
    [
        ("temporal.usearch", "temporal/index"),
        ("temporal.search.db", "temporal/index"),
        ("temporal.safetensors", "temporal/weights"),
        ("temporal.embeddings.safetensors", "temporal/embeddings"),
        ("temporal.pairs.jsonl", "temporal/pairs"),
    ],
)
@pytest.mark.parametrize("damage", ["truncated", "flipped", "removed"])
def test_a_damaged_file_is_found_and_rebuilt_the_same(project: Project, file: str, stage: str, damage: str) -> None:
    path = workspace_of(project).paths("temporal").folder / file
    content = path.read_bytes()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    else:
        path.unlink()
    word = "missing" if damage == "removed" else "damaged"
    assert f"{file} is {word}" in stale(project)[stage]
    assert stage in rebuilt(build(project))
    assert path.read_bytes() == content
    assert stale(project) == {}


def test_a_damaged_manifest_is_said_and_rebuilt(project: Project) -> None:
    manifest = workspace_of(project).paths("semantic").manifest
    manifest.write_bytes(manifest.read_bytes()[:-30])
    assert "semantic.manifest.json is damaged" in stale(project)["semantic/pairs"]
    assert {f"semantic/{stage}" for stage in ("pairs", "embeddings", "weights", "index")} == rebuilt(build(project))
    assert stale(project) == {}


def test_a_stage_is_not_built_on_a_mixture_of_two_builds(project: Project) -> None:
    edit_recipe(project, "same_session, epochs: 2, pairs: 400", "same_session, epochs: 2, pairs: 300")
    workspace = workspace_of(project)
    run_stage(workspace, "semantic", "pairs", silent)
    with pytest.raises(PatinaError, match=r"semantic/embeddings was built from other inputs .* build .* first"):
        run_stage(workspace, "semantic", "weights", silent)


def test_a_failing_projection_leaves_what_was_built(project: Project) -> None:
    before = Searcher(project).search("anything about caching", "semantic", 3)
    delete_events(project, "session.%")
    with pytest.raises(PatinaError, match=r"semantic: .* 0 related pairs .* expected at least 20"):
        run_stage(workspace_of(project), "semantic", "pairs", silent)
    assert [hit.item for hit in Searcher(project).search("anything about caching", "semantic", 3)] == [
        hit.item for hit in before
    ]


def test_the_recipe_of_version_1_builds_too(tmp_path: Path) -> None:
    recipe = """version: 1
embedding_model: corpus-static
projections:
  temporal: {layers: [384, 32, 16], epochs: 1}
"""
    made = make_project(tmp_path / "project", recipe)
    assert rebuilt(build(made)) == {
        *(f"temporal/{stage}" for stage in ("pairs", "embeddings", "weights", "index")),
        *(f"{BASE}/{stage}" for stage in ("items", "embeddings", "index")),
    }


def test_input_dimension_that_disagrees_names_both_numbers(tmp_path: Path) -> None:
    recipe = (
        "version: 1\nembedding_model: corpus-static\nprojections:\n  temporal: {layers: [768, 32, 16], epochs: 1}\n"
    )
    with pytest.raises(PatinaError, match=r"768.*384"):
        workspace_of(make_project(tmp_path / "project", recipe))


def test_all_projections_learn_what_the_history_holds(project: Project) -> None:
    for name in ("semantic", "temporal", "dependency"):
        record = read_manifest(workspace_of(project).paths(name).manifest)["weights"]
        metrics, history = record.facts["metrics"], record.facts["history"]
        assert min(metrics["test_queries"], metrics["validation_queries"]) > 0
        assert metrics["validation_mrr"] == max(entry["mrr"] for entry in history)
