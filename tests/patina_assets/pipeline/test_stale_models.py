"""What another base model, or another version of the program, makes stale."""

from dataclasses import replace
from typing import Any

import pytest
from planned_world import IMPLIED, NEVER_BUILT, Stale, World, after_embeddings, after_weights

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline import stages
from patina_assets.pipeline.reasons import Reason, ReasonKind, reason_texts
from patina_assets.pipeline.stages import index as index_stage
from patina_assets.pipeline.stages.weights import WeightsStage
from patina_assets.pipeline.staleness import (
    BaseModelState,
    StageVerdict,
    joint_state,
)
from patina_assets.search.built import BASE
from patina_assets.search.index import IndexOptions
from patina_resources.store.files import sha256

# The model


def after_model(*reasons: str) -> Stale:
    stale: Stale = {}
    for name in IMPLIED:
        stale |= after_embeddings(name, *reasons)
    return stale | {"base/embeddings": list(reasons), "base/index": ["follows embeddings"]}


def test_another_model_leaves_the_pairs_alone(world: World) -> None:
    world.model = replace(world.model, digest=sha256(b"another"))
    assert world.stale() == after_model("model changed")


def test_other_settings_of_the_model_are_another_model(world: World) -> None:
    world.model = replace(world.model, settings="cls pooling")
    assert world.stale() == after_model("model settings mean pooling -> cls pooling")


def test_a_model_that_must_be_built_again_comes_first(world: World) -> None:
    world.model = replace(world.model, reasons=(Reason(ReasonKind.UNKNOWN_WORDS, before=0.3, after=0.31),))
    reason = "31% of the words are unknown to it (limit 30%)"
    assert world.stale() == {"model/corpus-static": [reason]} | after_model("follows model")
    assert world.verdicts()[0].status == "stale"


def test_a_lost_model_is_missing_and_what_it_embedded_follows(world: World) -> None:
    lost = Reason(ReasonKind.MISSING, "model.onnx")
    world.model = replace(world.model, digest=None, reasons=(lost,))
    assert world.verdicts()[0] == StageVerdict("model", "corpus-static", "missing", (lost,))
    assert world.stale() == {"model/corpus-static": ["model.onnx is missing"]} | after_model("follows model")


def two_models(**second: Any) -> BaseModelState:
    own = BaseModelState("corpus-static", sha256(b"own"), "the graph pools")
    return joint_state([BaseModelState("minilm", sha256(b"downloaded"), "mean pooling"), replace(own, **second)])


@pytest.mark.parametrize(
    ("second", "reason"),
    [
        ({"digest": sha256(b"rebuilt")}, "model corpus-static changed"),
        ({"settings": "cls pooling"}, "model settings corpus-static the graph pools -> cls pooling"),
    ],
)
def test_of_models_side_by_side_the_one_that_changed_is_named(second: dict[str, str], reason: str) -> None:
    world = World(model=two_models()).build()
    assert world.stale() == {}
    world.model = two_models(**second)
    assert world.stale() == after_model(reason)


def test_of_models_side_by_side_the_one_that_must_be_built_is_named() -> None:
    world = World(model=two_models()).build()
    world.model = two_models(reasons=(Reason(ReasonKind.UNKNOWN_WORDS, before=0.05, after=0.07),))
    reason = "corpus-static: 7% of the words are unknown to it (limit 5%)"
    assert world.stale() == {"model/minilm+corpus-static": [reason]} | after_model("follows model")
    world.model = two_models(digest=None, reasons=(NEVER_BUILT,))
    never = replace(NEVER_BUILT, model="corpus-static")
    assert world.verdicts()[0] == StageVerdict("model", "minilm+corpus-static", "missing", (never,))
    assert reason_texts([never]) == ["corpus-static: never built"]


def test_a_model_of_another_installation_is_stale_beside_another_too() -> None:
    elsewhere = Reason(ReasonKind.BUILT_ELSEWHERE)
    world = World(model=two_models(digest=None, reasons=(elsewhere,)))
    assert world.verdicts()[0].status == "stale"


def test_models_in_another_order_are_another_model() -> None:
    model = two_models()
    turned = joint_state(model.parts[::-1])
    assert turned.digest != model.digest
    assert joint_state(model.parts[:1]) == model.parts[0]


# The program


def test_another_version_of_a_stage_makes_it_stale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WeightsStage, "version", 99)
    version = world.states["temporal"].manifest["weights"].inputs["stage version"].value
    expected: Stale = {}
    for name in IMPLIED:
        expected |= after_weights(name, f"stage version {version} -> 99")
    assert world.stale() == expected


def test_another_version_of_a_pair_type_makes_its_pairs_stale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(PAIR_TYPES["co_changed"], version=99)
    version = PAIR_TYPES["co_changed"].version
    monkeypatch.setattr(stages, "PAIR_TYPES", {**PAIR_TYPES, "co_changed": changed})
    stale = world.stale()
    assert stale["temporal/pairs"] == [f"pair type co_changed@{version} -> co_changed@99"]
    assert "base/items" not in stale
    assert {key.split("/")[0] for key in stale} == {"temporal"}


def test_other_negatives_concern_how_to_train(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(PAIR_TYPES["co_changed"], hard_negatives=not PAIR_TYPES["co_changed"].hard_negatives)
    monkeypatch.setattr(stages, "PAIR_TYPES", {**PAIR_TYPES, "co_changed": changed})
    assert world.stale() == after_weights("temporal", "negatives no longer used")


def test_other_index_options_concern_the_index_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = IndexOptions().text()
    monkeypatch.setattr(index_stage, "IndexOptions", lambda: IndexOptions(dtype="f32"))
    reason = f"index options {before} -> {before.replace('f16', 'f32')}"
    assert world.stale() == {f"{name}/index": [reason] for name in [*IMPLIED, BASE]}
