"""A team's cache from build to first answer: nothing is computed twice."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import pytest
from eventlog_builder import commit
from small_project import add_events, edit_recipe, workspace_of
from team import STAGES, Member, Team, artifacts, built_by, signing_key

from patina_assets.pipeline import runner
from patina_assets.pipeline.progress import Progress
from patina_assets.pipeline.runner import run_model, run_stage
from patina_assets.pipeline.sharing import stage_cache
from patina_assets.pipeline.stages.embeddings import UNIT_LENGTH, EmbeddingsStage
from patina_assets.pipeline.stages.stage import CheckResult
from patina_assets.pipeline.staleness import stale_stages
from patina_assets.pipeline.workspace import survey
from patina_resources.store.artifacts import BuiltProjection
from patina_resources.store.files import write_atomic
from patina_resources.store.manifests import manifest_document, read_manifest

pytest.importorskip("nacl", reason="PyNaCl is part of patina-assets[cache]")

NEWS = [commit("ff01", "src/a.py", "src/b.py", message="A new subject about caches", hour=9000)]


@pytest.fixture
def nothing_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a stage was computed")

    monkeypatch.setattr(runner, "_build", refuse)
    monkeypatch.setattr(runner, "build_model", refuse)


# From build to first answer


@pytest.mark.usefixtures("nothing_is_computed")
def test_three_clones_get_everything_and_compute_nothing(team: Team) -> None:
    for _ in range(3):
        stage_cache._opened.cache_clear()
        clone = team.clone()
        pulled = clone.runs("pull", "--json")
        assert pulled.code == 0, pulled
        document = json.loads(pulled.out)
        assert len(document["fetched"]) == STAGES + 1
        assert document["left"] == []
        sizes = sum(path.stat().st_size for path in team.store.rglob("*") if path.is_file())
        assert 0 < document["traffic"]["bytes_down"] <= 2 * sizes
        assert artifacts(clone) == artifacts(team.builder)
        assert clone.runs("scry", "recipe validation of a field").code == 0
        assert "nothing is stale" in clone.runs("oxidize").out
        assert clone.runs("pull").out.startswith("fetched 0 stages")


def test_a_push_goes_on_where_it_ended(team: Team) -> None:
    assert len(team.pushed["new"]) == STAGES
    again = json.loads(team.builder.runs("push", "--json").out)
    assert (again["new"], len(again["known"]), again["is_new"]) == ([], STAGES, False)
    assert again["traffic"]["bytes_up"] == 0


def test_status_tells_what_is_there_and_what_passed(team: Team) -> None:
    clone = team.clone()
    clone.runs("pull")
    document = json.loads(clone.runs("cache", "status", "--json").out)
    assert (document["url"], document["accepted_keys"], document["own_key"]) == (team.url, [team.key], None)
    assert document["stock"]["records"] == STAGES + 1
    assert document["traffic"]["found"] == 1
    assert document["traffic"]["bytes_down"] > 0
    assert "records found" in clone.runs("cache", "status").out


def test_vectors_that_were_fetched_are_not_embedded_again(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = team.clone()
    clone.runs("pull")
    clone.settle(monkeypatch)
    add_events(clone.project, NEWS)
    built_by(clone, monkeypatch)
    facts = read_manifest(workspace_of(clone.project).paths("base").manifest)["embeddings"].facts
    assert 0 < facts["new_texts"] < 5 < facts["reused_texts"]


def test_a_model_that_comes_with_patina_is_there_at_the_first_pull(own_team: Team) -> None:
    clone = own_team.clone()
    recipe = clone.root / ".patina" / "oxidize.yaml"
    recipe.write_text(f"embedding_model: english-static\n{recipe.read_text()}")
    done = clone.runs("pull", "--json")
    assert (done.code, json.loads(done.out)["fetched"]) == (0, ["temporal/pairs", "base/items"]), done


# One stage at a time, in a build


def test_a_build_takes_stages_by_what_they_are_made_of(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = team.clone()
    lines = built_by(clone, monkeypatch)
    assert sum("taken from the team's cache" in line for line in lines) == STAGES
    assert artifacts(clone) == artifacts(team.builder)
    assert stale_stages(survey(workspace_of(clone.project)).verdicts) == []


def test_what_fails_its_check_is_built_instead(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone, asked, really = team.clone(), list[str](), EmbeddingsStage.checks

    def failing_once(stage: EmbeddingsStage, built: BuiltProjection) -> list[CheckResult]:
        asked.append(stage.place)
        return [CheckResult(UNIT_LENGTH, asked.count(stage.place) > 1, "3 are not"), *really(stage, built)]

    monkeypatch.setattr(EmbeddingsStage, "checks", failing_once)
    lines = built_by(clone, monkeypatch, only="temporal")
    (line,) = [line for line in lines if "not used" in line]
    begin = (
        "temporal/embeddings: what the cache has is not used (temporal/embeddings: the check unit_length failed: 3 are"
    )
    assert line.startswith(begin)
    assert line.endswith("): it is built here")
    assert asked == ["temporal/embeddings"] * 2
    assert "temporal/embeddings: taken from the team's cache" not in lines
    assert "temporal/weights: taken from the team's cache" in lines


def test_a_full_build_takes_nothing(team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = team.clone()
    clone.settle(monkeypatch)
    said: list[Progress] = []
    run_model(workspace_of(clone.project), said.append)
    run_stage(workspace_of(clone.project), "temporal", "pairs", said.append, full=True)
    assert not any("cache" in line.note for line in said)


def test_what_the_cache_lacks_is_computed_and_offered(own_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    first = own_team.clone(push=True)
    key = signing_key(first)
    first.settle(monkeypatch)
    edit_recipe(first.project, "pair_type: co_changed, epochs: 2", "pair_type: co_changed, epochs: 3")
    lines = built_by(first, monkeypatch)
    assert [line for line in lines if line.startswith("temporal/pairs")] == [
        "temporal/pairs: taken from the team's cache"
    ]
    assert not any(line.startswith("temporal/weights: taken") for line in lines)
    second = own_team.clone()
    second.uses(own_team.url, own_team.key, key)
    shutil.copy(first.project.recipe, second.root / ".patina" / "oxidize.yaml")
    lines = built_by(second, monkeypatch)
    assert sum("taken from the team's cache" in line for line in lines) == STAGES


def test_nothing_is_offered_where_the_user_did_not_say_so(own_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    clone = own_team.clone()
    signing_key(clone)
    clone.settle(monkeypatch)
    before = sorted(own_team.store.rglob("*"))
    edit_recipe(clone.project, "pairs: 400", "pairs: 300")
    assert not any("taken" in line for line in built_by(clone, monkeypatch, "temporal/pairs"))
    assert sorted(own_team.store.rglob("*")) == before


def test_kept_weights_stand_under_what_they_were_trained_on(own_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper = own_team.clone()
    key = signing_key(keeper)
    keeper.runs("pull")
    keeper.settle(monkeypatch)
    add_events(
        keeper.project, [commit("ff01", "src/a.py", "src/b.py", message="A new subject about caches", hour=9000)]
    )
    built_by(keeper, monkeypatch)
    workspace = workspace_of(keeper.project)
    records = [read_manifest(workspace.paths(name).manifest).get("weights") for name in workspace.names()]
    assert any(record is not None and not record.is_clean for record in records)
    shutil.rmtree(own_team.store)
    keeper.runs("oxidize")
    assert keeper.runs("push").code == 0
    # Who has the older events finds the weights that were trained on them; who has the newer ones finds the build.
    older, newer = own_team.clone(), own_team.clone()
    for user in (older, newer):
        user.uses(own_team.url, key)
    shutil.copy(keeper.data / "patina.db", newer.data / "patina.db")
    pulled = json.loads(newer.runs("pull", "--json").out)
    assert pulled["left"] == []
    assert artifacts(newer) == artifacts(keeper)
    monkeypatch.setattr("patina_assets.pipeline.stages.weights.build_weights", None)
    kept = [name for name, record in zip(workspace.names(), records, strict=True) if record and not record.is_clean]
    older.settle(monkeypatch)
    workspace = workspace_of(older.project)
    run_model(workspace, lambda _: None)
    for stage in ("pairs", "embeddings", "weights"):
        run_stage(workspace, kept[0], stage, lambda _: None)


def test_continued_weights_are_offered_with_the_whole_build_alone(
    own_team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    user = own_team.clone()
    signing_key(user)
    user.runs("pull")
    user.settle(monkeypatch)
    paths = workspace_of(user.project).paths("temporal")
    manifest = read_manifest(paths.manifest)
    weights = manifest["weights"]
    assert weights.lineage is not None
    continued = replace(weights, lineage=replace(weights.lineage, began_with="ab" * 32, continued=1))
    write_atomic(paths.manifest, manifest_document("temporal", {**manifest, "weights": continued}))
    shutil.rmtree(own_team.store)
    done = json.loads(user.runs("push", "--json").out)
    assert (done["known"], len(done["new"]), done["is_new"]) == (["temporal/weights"], STAGES - 1, True)
    assert len([path for path in own_team.store.glob("v1/stages/*/*") if path.is_file()]) == STAGES - 1


def test_two_who_build_the_same_at_once_both_end_right(own_team: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    first = own_team.clone(push=True)
    key = signing_key(first)
    shutil.rmtree(own_team.store)
    monkeypatch.setenv("PATINA_HOME", str(first.home))
    second = Member(own_team.folder / "second", first.home)
    shutil.copytree(first.root, second.root)
    for user in (first, second):
        (first.home / "config.toml").write_text(
            f'[cache]\nurl = "{own_team.url}"\nkeys = ["{key}"]\n'
            + "".join(f'[projects."{root}"]\npush = true\n' for root in (first.root, second.root))
        )
        assert user.project.places.push
    # In one process, the build that ends first would give the other one BLAS with more threads, and so other last bits.
    command = [sys.executable, "-m", "patina_assets.cli", "oxidize"]
    builders = [subprocess.Popen(command, cwd=user.root, stdout=subprocess.DEVNULL) for user in (first, second)]
    assert [builder.wait() for builder in builders] == [0, 0]
    assert artifacts(first) == artifacts(second) == artifacts(own_team.builder)
    third = own_team.clone()
    third.uses(own_team.url, key)
    assert sum("taken" in line for line in built_by(third, monkeypatch)) == STAGES


# Tidying up


def test_old_records_and_what_nobody_needs_are_removed(own_team: Team) -> None:
    user = own_team.clone()
    assert user.runs("cache", "gc", "--dry-run").out.startswith("to be removed: 0 records and 0 contents")
    long_ago = 1_600_000_000
    for path in own_team.store.rglob("*"):
        os.utime(path, (long_ago, long_ago))
    kept = next(own_team.store.glob("v1/snapshots/*/*"))
    os.utime(kept)
    assert user.runs("cache", "gc").code == 2  # nobody is there to agree
    done = user.runs("cache", "gc", "--yes")
    assert f"removed: {STAGES} records and 0 contents" in done.out, done
    assert json.loads(own_team.clone().runs("pull", "--json").out)["left"] == []
    os.utime(kept, (long_ago, long_ago))
    user.runs("cache", "gc", "--yes")
    assert [path for path in own_team.store.rglob("*") if path.is_file()] == []
