"""What a build takes anew though it is fresh or small changes would let it stay: damage, and what was extended."""

from dataclasses import replace

import pytest
from planned_world import World

from patina_assets.pairs.hash_sample import Drift
from patina_assets.pipeline import staleness
from patina_assets.pipeline.reasons import Reason, ReasonKind
from patina_assets.pipeline.staleness import (
    ProjectionState,
    StageVerdict,
    plan,
    recipe_inputs,
    stage_verdict,
    training_basis,
)
from patina_resources.store.files import sha256
from patina_resources.store.lineage import Lineage
from patina_resources.store.manifests import EXTENDED

SMALL = Drift(new=1, gone=0, kept=9_999)
DAMAGE = Reason(ReasonKind.FINGERPRINT)


def verdict(world: World, stage: str, *, renew: bool = False) -> StageVerdict:
    found = plan(world.recipe, world.sources, world.model, world.states, renew=renew)
    return next(entry for entry in found if (entry.projection, entry.stage) == ("temporal", stage))


def with_lineage(world: World) -> World:
    """Say what the weights were trained on, and build other pairs and embeddings, a little different."""
    state = world.states["temporal"]
    weights = state.manifest["weights"]
    basis = training_basis(world.projection("temporal").stage("weights"), world.model)
    lineage = Lineage(basis, weights.fingerprint, weights.fingerprint)
    manifest = {**state.manifest, "weights": replace(weights, lineage=lineage, facts={"best_epoch": 3})}
    world.states["temporal"] = ProjectionState(manifest)
    world.put("temporal", "pairs", sha256(b"other pairs"))
    world.put("temporal", "embeddings", sha256(b"other embeddings"))
    world.states["temporal"] = replace(world.states["temporal"], drift=SMALL)
    return world


def test_damaged_weights_are_not_kept_however_small_the_drift(world: World) -> None:
    assert verdict(with_lineage(world), "weights").status == "kept"
    world.states["temporal"] = replace(world.states["temporal"], damages={"weights": (DAMAGE,)})
    found = verdict(world, "weights")
    assert (found.status, found.reasons[0]) == ("stale", DAMAGE)


def test_damage_of_another_stage_lets_weights_be_kept(world: World) -> None:
    with_lineage(world)
    world.states["temporal"] = replace(world.states["temporal"], damages={"index": (DAMAGE,)})
    assert verdict(world, "weights").status == "kept"


@pytest.mark.parametrize(("renew", "status"), [(False, "fresh"), (True, "stale")])
def test_an_extended_index_is_built_as_a_whole_where_that_is_asked_for(world: World, renew: bool, status: str) -> None:
    state = world.states["temporal"]
    index = replace(state.manifest["index"], facts={EXTENDED: 7})
    world.states["temporal"] = replace(state, manifest={**state.manifest, "index": index})
    found = verdict(world, "index", renew=renew)
    assert found.status == status
    assert found.reasons == ((Reason(ReasonKind.EXTENDED, "7"),) if renew else ())


def test_nothing_is_renewed_unasked(world: World) -> None:
    state = world.states["temporal"]
    index = replace(state.manifest["index"], facts={EXTENDED: 7})
    state = world.states["temporal"] = replace(state, manifest={**state.manifest, "index": index})
    stage = world.projection("temporal").stage("index")
    assert stage_verdict(stage, index.inputs, state).status == "fresh"
    found = plan(world.recipe, world.sources, world.model, world.states)
    assert {entry.status for entry in found} == {"fresh"}


def test_an_index_that_is_no_extended_one_is_not_renewed(world: World) -> None:
    assert verdict(world, "index", renew=True).status == "fresh"


def test_what_is_stale_anyway_is_said_once(world: World) -> None:
    state = world.states["temporal"]
    index = replace(state.manifest["index"], facts={EXTENDED: 7})
    world.states["temporal"] = replace(state, manifest={**state.manifest, "index": index}, damages={"index": (DAMAGE,)})
    assert verdict(world, "index", renew=True).reasons == (DAMAGE,)


def test_the_order_of_settings_decides_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """A version of the program that names the same settings in another order keeps the weights of this one."""
    stage = world.projection("temporal").stage("weights")
    basis = training_basis(stage, world.model)
    monkeypatch.setattr(staleness, "recipe_inputs", lambda entry: dict(reversed(recipe_inputs(entry).items())))
    assert training_basis(stage, world.model) == basis
