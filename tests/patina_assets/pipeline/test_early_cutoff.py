"""Where a rebuild stops: equal digests, damage, and stages that were built from others."""

from dataclasses import replace

import pytest
from planned_world import Stale, World, after_embeddings, after_pairs, after_weights

from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.stages import projections_of
from patina_assets.pipeline.staleness import (
    ProjectionState,
    built_from_others,
)
from patina_assets.search.built import BASE
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.store.files import sha256

# Damage


@pytest.mark.parametrize(
    ("stage", "following"),
    [
        ("pairs", after_pairs("temporal", "it is damaged")),
        ("embeddings", after_embeddings("temporal", "it is damaged")),
        ("weights", after_weights("temporal", "it is damaged")),
        ("index", {"temporal/index": ["it is damaged"]}),
    ],
)
def test_a_damaged_file_makes_its_stage_stale_and_what_follows(world: World, stage: str, following: Stale) -> None:
    world.states["temporal"] = replace(world.states["temporal"], damages={stage: (Reason(ReasonKind.DAMAGED, "it"),)})
    assert world.stale() == following


def test_damage_and_a_change_are_both_said(world: World) -> None:
    damages = (Reason(ReasonKind.MISSING, "a"), Reason(ReasonKind.DAMAGED, "b"))
    world.states["temporal"] = replace(world.states["temporal"], damages={"weights": damages})
    world.change("temporal", epochs=20)
    assert world.stale()["temporal/weights"] == ["a is missing", "b is damaged", "epochs 10 -> 20"]


def test_under_a_damaged_manifest_all_is_missing(world: World) -> None:
    world.states["temporal"] = ProjectionState(unreadable=Reason(ReasonKind.DAMAGED, "temporal.manifest.json"))
    stages = ("pairs", "embeddings", "weights", "index")
    assert world.stale() == {f"temporal/{stage}": ["temporal.manifest.json is damaged"] for stage in stages}
    assert {verdict.status for verdict in world.verdicts() if verdict.projection == "temporal"} == {"missing"}


def test_a_missing_stage_makes_what_follows_stale(world: World) -> None:
    manifest = dict(world.states["temporal"].manifest)
    del manifest["embeddings"]
    world.states["temporal"] = ProjectionState(manifest)
    assert world.stale() == after_embeddings("temporal", "never built")


def test_a_fingerprint_that_is_not_that_of_its_inputs_is_not_believed(world: World) -> None:
    manifest = dict(world.states["temporal"].manifest)
    manifest["index"] = replace(manifest["index"], fingerprint=sha256(b"of an older program"))
    world.states["temporal"] = ProjectionState(manifest)
    stale = world.stale()
    assert list(stale) == ["temporal/index"]
    assert stale["temporal/index"] == ["its fingerprint is not that of its inputs"]


# Early cutoff


def test_equal_pairs_from_other_rows_stop_the_rest(world: World) -> None:
    digest = world.states["temporal"].manifest["pairs"].digest
    world.sources["git.co_changes"] = SourceDigest(sha256(b"one more row"), 1001)
    world.put("temporal", "pairs", digest)
    world.put(BASE, "items", world.states[BASE].manifest["items"].digest)
    assert world.stale() == {}


def test_other_pairs_from_other_rows_are_followed(world: World) -> None:
    world.sources["git.co_changes"] = SourceDigest(sha256(b"one more row"), 1001)
    world.put("temporal", "pairs")
    world.put(BASE, "items", world.states[BASE].manifest["items"].digest)
    assert world.stale() == {
        "temporal/embeddings": ["pairs changed"],
        "temporal/weights": ["follows embeddings"],
        "temporal/index": ["follows embeddings, weights"],
    }


def test_equal_embeddings_of_other_pairs_do_not_stop_the_weights(world: World) -> None:
    """The contexts may be others though the texts are the same."""
    embeddings = world.states["temporal"].manifest["embeddings"].digest
    world.change("temporal", seed=1)
    world.put("temporal", "pairs")
    world.put("temporal", "embeddings", embeddings)
    assert world.stale() == {
        "temporal/weights": ["seed 0 -> 1", "pairs changed"],
        "temporal/index": ["follows weights"],
    }


def test_equal_weights_stop_the_index(world: World) -> None:
    weights = world.states["temporal"].manifest["weights"].digest
    world.change("temporal", epochs=20)
    world.put("temporal", "weights", weights)
    assert world.stale() == {}


# Builds that would be mixed


def test_a_stage_is_not_built_on_what_was_built_from_others(world: World) -> None:
    assert all(
        built_from_others(stage, world.states[entry.name].manifest) is None
        for entry in projections_of(world.recipe)
        for stage in entry.stages
    )
    _, embeddings, weights, index = world.projection("temporal").stages
    world.put("temporal", "pairs", sha256(b"other pairs"))
    manifest = world.states["temporal"].manifest
    # The embeddings are those of the old texts: rows of the new contexts would mean other texts.
    assert built_from_others(embeddings, manifest) is None
    assert built_from_others(weights, manifest) == "embeddings"
    assert built_from_others(index, manifest) == "embeddings"
    world.put("temporal", "embeddings", sha256(b"other embeddings"))
    assert built_from_others(weights, world.states["temporal"].manifest) is None
    assert built_from_others(index, world.states["temporal"].manifest) == "weights"


def test_what_is_not_built_cannot_be_mixed(world: World) -> None:
    assert [built_from_others(stage, {}) for stage in world.projection("temporal").stages] == [None] * 4
    world.put(BASE, "items", sha256(b"other items"))
    assert built_from_others(world.projection(BASE).last, world.states[BASE].manifest) == "embeddings"


def test_stages_behind_one_that_is_lost_are_not_mixed(world: World) -> None:
    manifest = dict(world.states["temporal"].manifest)
    del manifest["pairs"]
    assert [built_from_others(stage, manifest) for stage in world.projection("temporal").stages] == [None] * 4


def test_a_record_that_lacks_an_input_was_built_from_others(world: World) -> None:
    manifest = dict(world.states["temporal"].manifest)
    manifest["embeddings"] = replace(manifest["embeddings"], inputs={})
    assert built_from_others(world.projection("temporal").stage("weights"), manifest) == "embeddings"
