"""The UI's stale badges, asked of its GraphQL, against `plan`: scenario by scenario."""

from collections.abc import Callable
from pathlib import Path

import dagster as dg
import pytest
from eventlog_builder import call, commit, function, note
from sensor_helpers import Sensor, badges, copied, quick_instance
from small_project import RECIPE, add_events, delete_events, edit_recipe, make_project
from tiny_models import write_model

from patina_assets.orchestration.keys import cache_key, eventlog_key, keys_to_build
from patina_assets.pipeline.reasons import has_own_reason
from patina_assets.pipeline.staleness import StageVerdict
from patina_assets.pipeline.workspace import open_workspace, survey
from patina_resources.models.add.add import add_model
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import Project, find_project
from patina_resources.store.mothership import mothership


def verdicts(sensor: Sensor) -> dict[str, StageVerdict]:
    """Return what `plan` says of each asset."""
    workspace = open_workspace(find_project(sensor.project.root))
    found = survey(workspace).verdicts
    return {keys_to_build(workspace, [verdict])[-1].to_user_string(): verdict for verdict in found}


def own(verdict: StageVerdict) -> bool:
    """Tell whether a stage is stale for reasons of its own; Dagster looks at direct inputs only."""
    return has_own_reason(verdict.reasons)


def assert_agreement(sensor: Sensor) -> None:
    """Check that badges and plan say the same of every asset."""
    shown, planned = badges(sensor), verdicts(sensor)
    assert set(planned) <= set(shown)
    for key, verdict in planned.items():
        badge = shown[key]["staleStatus"]
        told = f"{key}: badge {badge} {shown[key]['staleCauses']}, plan {verdict}"
        assert (badge == "MISSING") == (verdict.status == "missing"), told
        if badge == "STALE":
            assert verdict.status == "stale", told
            assert shown[key]["staleCauses"], told
        if verdict.status == "stale" and own(verdict):
            assert badge == "STALE", told
    assert all(shown[key]["staleStatus"] == "FRESH" for key in set(shown) - set(planned)), "sources are as they are"


def only(kind: str) -> Callable[[Project], None]:
    """Return an action that deletes events of one kind."""
    return lambda project: delete_events(project, kind)


def recipe(old: str, new: str) -> Callable[[Project], None]:
    """Return an action that edits the recipe."""
    return lambda project: edit_recipe(project, old, new)


SECOND = "  second:\n    layers: [16, 8]\n    training: {source: git.co_changes, pair_type: co_changed, epochs: 1}\n"
SCENARIOS: dict[str, Callable[[Project], None]] = {
    "nothing": lambda _: None,
    "a commit": lambda project: add_events(project, [commit("e" * 40, "one.py", "two.py", hour=900)]),
    "a commit of one file": lambda project: add_events(project, [commit("e" * 40, "one.py", hour=900)]),
    "a session": lambda project: add_events(
        project, [note(f"parser token grammar syntax of the new node {n}", "new-session") for n in range(4)]
    ),
    "a call": lambda project: add_events(
        project, [function("src/a.py", "one"), function("src/a.py", "two"), call("src/a.py", "one", "two")]
    ),
    "all calls gone": only("code.call"),
    "epochs": recipe("same_session, epochs: 2", "same_session, epochs: 3"),
    "pairs": recipe("co_changed, epochs: 2, pairs: 400", "co_changed, epochs: 2, pairs: 300"),
    "loss": recipe("caller_callee, epochs: 2", "caller_callee, loss: triplet, epochs: 2"),
    "seed": recipe("caller_callee, epochs: 2", "caller_callee, seed: 7, epochs: 2"),
    "layers": lambda project: project.recipe.write_text(RECIPE.replace("[32, 16]", "[24, 12]", 1)),
    "a new projection": lambda project: project.recipe.write_text(RECIPE + SECOND),
    "one projection less": lambda project: project.recipe.write_text(RECIPE.split("  dependency:")[0]),
    "another name": recipe("  temporal:", "  over-time:"),
    "events and epochs": lambda project: (
        add_events(project, [commit("e" * 40, "one.py", "two.py", hour=900)]),
        edit_recipe(project, "co_changed, epochs: 2", "co_changed, epochs: 1"),
    )[0],
}


UNNOTICED = {"nothing"}


@pytest.mark.parametrize("name", SCENARIOS)
def test_badges_and_plan_agree(name: str, sensor: Sensor) -> None:
    SCENARIOS[name](sensor.project)
    sensor.reload()
    keys = sensor.requested()
    assert bool(keys) == (name not in UNNOTICED)
    assert_agreement(sensor)
    succeeded = sensor.run(keys) if keys else True
    assert succeeded == (name != "all calls gone")
    assert_agreement(sensor)
    if succeeded:
        assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}
        assert all(verdict.status == "fresh" for verdict in verdicts(sensor).values())


def test_a_changed_policy_is_shown_before_the_next_run(sensor: Sensor) -> None:
    add_events(sensor.project, [commit("e" * 40, "src/parser/one.py", "src/parser/grammar.py", hour=900)])
    assert sensor.run(sensor.requested())
    assert badges(sensor)["temporal/weights"]["staleStatus"] == "FRESH"
    sensor.project.recipe.write_text(RECIPE.replace("projections:", "refresh: always\nprojections:", 1))
    sensor.reload()
    keys = sensor.requested()
    assert "temporal/weights" in keys
    assert_agreement(sensor)
    assert badges(sensor)["temporal/weights"]["staleStatus"] == "STALE"
    assert sensor.run(keys)
    assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}


def test_they_agree_before_anything_is_built(tmp_path: Path, template: Path) -> None:
    with copied(template, tmp_path / "copy") as sensor:
        for folder in (sensor.project.embeddings_folder("corpus-static"), sensor.project.corpus_model_folder()):
            for file in folder.rglob("*.manifest.json"):
                file.unlink()
        sensor.project.lock.unlink()
        with quick_instance(tmp_path / "fresh") as instance:
            unbuilt = Sensor(sensor.project, instance)
            keys = unbuilt.requested()
            assert {f"temporal/{stage}" for stage in ("pairs", "embeddings", "weights", "index")} <= keys
            assert_agreement(unbuilt)


def test_what_was_built_elsewhere_is_green(sensor: Sensor, tmp_path: Path) -> None:
    with quick_instance(tmp_path / "other") as instance:
        elsewhere = Sensor(sensor.project, instance)
        assert elsewhere.requested() == set()
        assert_agreement(elsewhere)
        assert {node["staleStatus"] for node in badges(elsewhere).values()} == {"FRESH"}
        told = instance.get_latest_materialization_event(eventlog_key())
        assert told is not None
        assert told.asset_materialization is not None
        path = sensor.project.eventlog().relative_to(sensor.project.root)
        assert told.asset_materialization.metadata["path"].value == str(path)
        told = instance.get_latest_materialization_event(cache_key("corpus-static"))
        assert told is not None
        assert told.asset_materialization is not None
        cache = sensor.project.embedding_cache("corpus-static")
        shown = {name: entry.value for name, entry in told.asset_materialization.metadata.items()}
        assert (shown["path"], shown["bytes"]) == (str(cache.relative_to(sensor.project.root)), cache.stat().st_size)
        assert shown["vectors"] >= shown["texts"] > 0
        edit_recipe(sensor.project, "same_session, epochs: 2", "same_session, epochs: 3")
        elsewhere.reload()
        assert elsewhere.requested() == {"semantic/weights", "semantic/index", "oxidize_lock"}
        assert_agreement(elsewhere)
        for stage in ("weights", "index"):
            instance.wipe_assets([dg.AssetKey(["semantic", stage])])
        sensor.reload()
        assert sensor.run(sensor.requested())
        assert elsewhere.requested() == set()
        assert_agreement(elsewhere)


MODELS = """[automation]
settle_seconds = 1

[models.tiny]
dims = 16
max_tokens = 24
pooling = "mean"
"""


def test_models_side_by_side_are_one_asset_whose_data_version_follows_each(tmp_path: Path) -> None:
    made = make_project(tmp_path / "project", f"embedding_model: tiny+corpus-static\n{RECIPE}")
    made.config_file.write_text(MODELS)
    project = find_project(made.root)
    registry = load_registry(mothership(), project)
    add_model(mothership(), registry, "tiny", "fp32", write_model(tmp_path / "one", seed=1))
    with quick_instance(tmp_path / "instance") as instance:
        sensor = Sensor(project, instance)
        assert sensor.run({key.to_user_string() for key in sensor.repository.asset_graph.materializable_asset_keys})
        assert sensor.requested() == set()
        assert_agreement(sensor)
        key = dg.AssetKey(["model", "tiny_corpus_static"])
        event = instance.get_latest_materialization_event(key)
        assert event is not None
        assert event.asset_materialization is not None
        table = event.asset_materialization.metadata["models"].value
        assert [(record.data["model"], record.data["dimensions"]) for record in table.records] == [
            ("tiny", 16),
            ("corpus-static", 384),
        ]
        add_model(mothership(), registry, "tiny", "fp32", write_model(tmp_path / "two", seed=2))
        keys = sensor.requested()
        assert {name for name in keys if name.startswith("temporal/")} == {
            "temporal/embeddings",
            "temporal/weights",
            "temporal/index",
        }
        assert_agreement(sensor)
        assert sensor.run(keys)
        assert {node["staleStatus"] for node in badges(sensor).values()} == {"FRESH"}


def test_a_cause_is_named(sensor: Sensor) -> None:
    add_events(sensor.project, [commit("e" * 40, "one.py", "two.py", hour=900)])
    sensor.requested()
    (cause,) = badges(sensor)["temporal/pairs"]["staleCauses"]
    assert cause["key"]["path"] == ["source", "git_co_changes"]
    assert cause["reason"] == "has a new data version"
