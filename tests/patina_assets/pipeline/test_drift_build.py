"""Weights that are kept, continued and renewed, on a real small project: files, manifest, lock, and what is said."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from eventlog_builder import Event, commit, note, project_history, removal, shuffled
from made_once import built_project
from small_project import add_events, all_stages, make_project, patina, small_recipe, workspace_of

from patina_assets.pipeline.reasons import reasons_text
from patina_assets.pipeline.runner import StageOutcome, publish_lock, run_model, run_stage
from patina_assets.pipeline.stages.weights_page import DRIFTS
from patina_assets.pipeline.staleness import fingerprint
from patina_assets.pipeline.workspace import survey
from patina_assets.search.searcher import Searcher
from patina_resources.project.project import Project, find_project
from patina_resources.store.artifacts import damages
from patina_resources.store.files import write_atomic
from patina_resources.store.lineage import Lineage
from patina_resources.store.manifests import StageInput, StageRecord, manifest_document, read_manifest

RECIPE = small_recipe("temporal")
Outcomes = dict[tuple[str, str], StageOutcome]
# Words that the history has, so that the corpus model stays.
SMALL = [commit("a" * 40, "src/parser/alone.py", "src/parser/grammar.py", hour=600)]
MODERATE = [
    commit(f"{number:02d}" + "b" * 38, f"src/parser/file_{number}.py", "src/parser/grammar.py", hour=700 + number)
    for number in range(24)
]


def build(project: Project, *, full: bool = False, renew: bool = False) -> Outcomes:
    """Run every stage in order, as a Dagster run of everything does."""
    workspace = workspace_of(project)
    run_model(workspace, lambda _: None, full=full, renew=renew)
    outcomes = {
        (name, stage): run_stage(workspace, name, stage, lambda _: None, full=full, renew=renew)
        for name, stage in all_stages(workspace)
    }
    publish_lock(workspace)
    return outcomes


def weights(project: Project) -> StageRecord:
    return read_manifest(workspace_of(project).paths("temporal").manifest)["weights"]


def lineage(project: Project) -> Lineage:
    found = weights(project).lineage
    assert found is not None
    return found


def files(project: Project) -> dict[str, bytes]:
    """Return what is trained and indexed, by file name."""
    folder = workspace_of(project).paths("temporal").folder
    return {
        path.name: path.read_bytes()
        for path in sorted(folder.iterdir())
        if path.name.startswith("temporal.") and path.suffix in {".safetensors", ".onnx", ".usearch"}
    }


def told(project: Project) -> dict[str, str]:
    """Return what `oxidize --dry-run` says, by stage."""
    found = survey(workspace_of(project), ahead=True).verdicts
    return {f"{v.projection}/{v.stage}": f"{v.status}: {reasons_text(v.reasons)}" for v in found}


def lock(project: Project) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(project.lock.read_text())["projections"]["temporal"]
    return found


@pytest.fixture(scope="module")
def built_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built_project(tmp_path_factory.mktemp("built") / "project", RECIPE).root


@pytest.fixture
def project(built_root: Path, tmp_path: Path) -> Project:
    """Return a built project of the test's own."""
    return find_project(Path(shutil.copytree(built_root, tmp_path / "project")))


def test_a_clean_build_says_so(project: Project) -> None:
    record = weights(project)
    assert record.is_clean
    assert lineage(project).trained_on == record.fingerprint
    assert record.facts["best_epoch"] > 0
    assert {name: lock(project)[name] for name in ("drift", "continued", "total_drift")} == {
        "drift": 0.0,
        "continued": 0,
        "total_drift": 0.0,
    }
    assert lock(project)["trained_on"] == f"sha256:{record.outputs['trained-on.safetensors'].sha256}"
    assert told(project)["temporal/weights"] == "fresh: "


def test_kept_weights_stay_and_the_index_follows(project: Project) -> None:
    before, locked = files(project), lock(project)
    add_events(project, SMALL)
    assert told(project)["temporal/weights"] == "kept: trained on 99.6% of today's pairs"
    outcomes = build(project)
    kept = outcomes["temporal", "weights"]
    assert kept.reused
    assert reasons_text(kept.reasons) == "trained on 99.6% of today's pairs"
    after = files(project)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {
        f"temporal.{role}"
        for role in (
            "embeddings.safetensors",
            "known.safetensors",
            "plane.safetensors",
            "relations.safetensors",
            "usearch",
        )
    }
    assert not outcomes["temporal", "index"].reused
    assert "src/parser/alone.py" in [hit.item.file for hit in Searcher(project).search("alone", "temporal", 5)]
    assert lineage(project).drift == pytest.approx(1 / 277)
    assert kept.record.facts["drift"] == round(1 / 277, 4)
    assert lock(project)["drift"] == round(1 / 277, 4)
    assert lock(project)["trained_on"] == locked["trained_on"]
    # Nothing is left to do, and how much was trained on is still said.
    assert told(project)["temporal/weights"] == "fresh: trained on 99.6% of today's pairs"
    assert {name for (_, name), outcome in build(project).items() if not outcome.reused} == set()


def test_vectors_of_texts_that_stay_are_those_of_the_last_build(project: Project, tmp_path: Path) -> None:
    fresh = make_project(tmp_path / "fresh", RECIPE, [*project_history(), *SMALL])
    shutil.copytree(project.corpus_model_folder(), fresh.corpus_model_folder())
    build(fresh)
    add_events(project, SMALL)
    facts = build(project)["temporal", "embeddings"].record.facts
    assert 0 < facts["new_texts"] < facts["reused_texts"]
    for role in ("embeddings.safetensors", "texts.digests"):
        made, wanted = (workspace_of(entry).paths("temporal").folder / f"temporal.{role}" for entry in (project, fresh))
        assert made.read_bytes() == wanted.read_bytes()
    # Where no text is new, nothing is looked up.
    project.embedding_cache("corpus-static").unlink()
    workspace = workspace_of(project)
    add_events(project, [removal("git", workspace.eventlog.last_seq())])
    run_stage(workspace, "temporal", "pairs", lambda _: None)
    outcome = run_stage(workspace, "temporal", "embeddings", lambda _: None)
    assert not outcome.reused
    assert outcome.record.facts["new_texts"] == 0
    assert not project.embedding_cache("corpus-static").exists()


def test_what_is_taken_back_goes_at_once_and_weights_are_clean_again(project: Project) -> None:
    clean = weights(project)
    add_events(project, SMALL)
    build(project)
    last = workspace_of(project).eventlog.last_seq()
    add_events(project, [removal("git", last)])
    build(project)
    assert "src/parser/alone.py" not in [hit.item.file for hit in Searcher(project).search("alone", "temporal", 100)]
    assert weights(project).is_clean
    assert (weights(project).fingerprint, weights(project).digest) == (clean.fingerprint, clean.digest)
    assert told(project)["temporal/weights"] == "fresh: "


def test_moderate_drift_is_continued_and_measured_before(project: Project) -> None:
    before = files(project)["temporal.safetensors"]
    add_events(project, MODERATE)
    assert told(project)["temporal/weights"].endswith("(limit 2%): continued by 2 epochs")
    made = build(project)["temporal", "weights"]
    assert not made.reused
    found = lineage(project)
    assert (found.continued, found.drift, found.known) == (1, 0.0, 1.0)
    assert found.trained_on == weights(project).fingerprint != found.began_with
    assert found.total_drift == pytest.approx(24 / 300, abs=0.01)
    (entry,) = made.record.facts["continuations"]
    assert 0 < entry["next_mrr"] <= 1
    assert entry["next_queries"] > 20
    assert lock(project)["continued"] == 1
    assert lock(project)["next_mrr"] == round(entry["next_mrr"], 4)
    continued = files(project)["temporal.safetensors"]
    # The held-out measures stay those of the last training, and so do the weights that they are of.
    assert made.record.facts["metrics"]["mrr"] is not None
    assert told(project)["temporal/weights"] == "fresh: trained on 100.0% of today's pairs"
    build(project, renew=True)
    renewed = files(project)["temporal.safetensors"]
    assert len({before, continued, renewed}) == 3
    assert weights(project).is_clean


def test_a_continuation_that_was_interrupted_before_comes_out_the_same(project: Project, tmp_path: Path) -> None:
    other = find_project(Path(shutil.copytree(project.root, tmp_path / "other")))
    for made in (project, other):
        add_events(made, MODERATE)
    run_stage(workspace_of(other), "temporal", "pairs", lambda _: None)
    assert told(other)["temporal/weights"].endswith("continued by 2 epochs")
    for made in (project, other):
        build(made)
    assert files(project) == files(other)
    assert replace(weights(project), built_at="", facts={}) == replace(weights(other), built_at="", facts={})


def test_a_full_build_gives_equal_bytes_whatever_the_history(project: Project, tmp_path: Path) -> None:
    batches: list[list[Event]] = [SMALL, MODERATE, [note("the parser reads the grammar once more", "later")]]
    for batch in batches:
        add_events(project, batch)
        build(project)
    assert lineage(project).continued
    # The page charts what each build found, and when it trained: at first, and where little had not changed.
    found = [(entry["drift"], entry["trained"]) for entry in weights(project).facts[DRIFTS]]
    assert [trained for _, trained in found] == [1, 0, 1]
    assert found[0][0] == 0 < found[1][0] < found[2][0]
    incremental = files(project)
    build(project, full=True)
    everything = [*project_history(), *(event for batch in batches for event in batch)]
    fresh = make_project(tmp_path / "fresh", RECIPE, shuffled(everything))
    build(fresh)
    assert files(project) == files(fresh)
    assert files(project)["temporal.safetensors"] != incremental["temporal.safetensors"]
    assert weights(project).is_clean
    assert read_models(project) == read_models(fresh)


def read_models(project: Project) -> list[bytes]:
    return [path.read_bytes() for path in sorted(project.corpus_model_folder().glob("*.[ost]*")) if path.is_file()]


def test_renewing_what_drifted_gives_the_same_as_a_full_build(project: Project, tmp_path: Path) -> None:
    add_events(project, SMALL)
    build(project)
    other = find_project(Path(shutil.copytree(project.root, tmp_path / "other")))
    build(project, renew=True)
    build(other, full=True)
    assert files(project) == files(other)
    assert weights(project).is_clean
    verdicts = survey(workspace_of(project), renew=True).verdicts
    assert {verdict.status for verdict in verdicts} == {"fresh"}


def test_refresh_always_trains_anew(project: Project) -> None:
    project.recipe.write_text(RECIPE.replace("version: 2\n", "version: 2\nrefresh: always\n"))
    assert told(project)["temporal/weights"] == "fresh: "
    add_events(project, SMALL)
    outcome = build(project)["temporal", "weights"]
    assert not outcome.reused
    assert weights(project).is_clean


def as_older_version(project: Project) -> None:
    """Write the manifest as the version before drift wrote it."""
    paths = workspace_of(project).paths("temporal")
    manifest = dict(read_manifest(paths.manifest))
    for stage, role in (("pairs", "known.safetensors"), ("weights", "trained-on.safetensors")):
        record = manifest[stage]
        outputs = {name: output for name, output in record.outputs.items() if name != role}
        manifest[stage] = replace(record, lineage=None, outputs=outputs)
        (paths.folder / f"temporal.{role}").unlink()
    inputs = {**manifest["pairs"].inputs, "stage version": StageInput("2")}
    manifest["pairs"] = replace(manifest["pairs"], inputs=inputs, fingerprint=fingerprint(inputs))
    write_atomic(paths.manifest, manifest_document("temporal", manifest))


def test_an_older_version_s_weights_are_not_trained_anew_where_nothing_changed(project: Project) -> None:
    as_older_version(project)
    before = files(project)["temporal.safetensors"]
    assert told(project)["temporal/pairs"] == "stale: stage version 2 -> 4"
    # Asked for alone, weights are as fresh as ever.
    assert run_stage(workspace_of(project), "temporal", "weights", lambda _: None).reused
    assert {name for (_, name), outcome in build(project).items() if not outcome.reused} == {"pairs"}
    assert weights(project).is_clean
    assert weights(project).lineage is not None
    assert damages(workspace_of(project).paths("temporal"), weights(project)) == ()
    # From now on their drift is known.
    add_events(project, SMALL)
    assert build(project)["temporal", "weights"].reused
    assert files(project)["temporal.safetensors"] == before


def test_an_older_version_s_weights_are_trained_anew_with_what_came_before_that(project: Project) -> None:
    as_older_version(project)
    add_events(project, SMALL)
    assert not build(project)["temporal", "weights"].reused
    assert weights(project).is_clean


def test_what_it_was_trained_on_is_verified_like_every_file(project: Project) -> None:
    paths = workspace_of(project).paths("temporal")
    (paths.folder / "temporal.trained-on.safetensors").write_bytes(b"\0" * 100)
    assert "trained-on.safetensors is damaged" in told(project)["temporal/weights"]
    before = files(project)["temporal.safetensors"]
    assert not build(project)["temporal", "weights"].reused
    assert files(project)["temporal.safetensors"] == before


def test_the_commands_say_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(project.root)
    add_events(project, SMALL)
    ran = patina("oxidize", "--dry-run")
    assert "temporal/weights" in ran.out
    (line,) = [line for line in ran.out.splitlines() if line.startswith("temporal/weights")]
    assert line.split(None, 2)[1:] == ["kept", "trained on 99.6% of today's pairs"]
    document = json.loads(patina("oxidize", "--dry-run", "--json").out)
    (stage,) = [
        entry for entry in document["stages"] if (entry["projection"], entry["stage"]) == ("temporal", "weights")
    ]
    assert stage["status"] == "kept"
    build(project)
    doctor = patina("doctor").out
    assert "trained on 99.6% of today's pairs" in doctor


def test_the_corpus_model_tells_its_drift_and_is_built_anew_by_limits_or_at_night(project: Project) -> None:
    assert told(project)["model/corpus-static"] == "fresh: "
    add_events(project, [note("the parser reads the grammar once more", "later")])
    shown = told(project)["model/corpus-static"]
    assert shown.startswith("fresh: learned from 100.0%")  # it is counted when 1 % of the events are new
    assert run_model(workspace_of(project), lambda _: None).reused
    assert not run_model(workspace_of(project), lambda _: None, renew=True).reused
    assert told(project)["model/corpus-static"] == "fresh: "
    # The same words in other sentences: nothing is unknown, and yet most texts are new.
    texts = [text for text in (str(event.data.get("content", "")) for event in project_history()) if len(text) > 20]
    words = [" ".join(reversed(text.split())) for text in texts]
    more = [
        note(f"{first} {second}", "again")
        for distance in (1, 2, 3)
        for first, second in zip(words, words[distance:], strict=False)
    ]
    add_events(project, more)
    assert "of the texts are new to it (limit 45%)" in told(project)["model/corpus-static"]
