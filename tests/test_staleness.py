"""Staleness: for every change, exactly which stages are stale, and in which words."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline import staleness
from patina_assets.pipeline.staleness import (
    BASE,
    ModelState,
    ProjectionState,
    StageVerdict,
    built_from_others,
    differences,
    fingerprint,
    joint_state,
    plan,
    sources_of,
    stage_inputs,
    stale_stages,
    upstream_of,
)
from patina_assets.recipe.model import ProjectionRecipe, Recipe, Training
from patina_assets.search.index import IndexOptions
from patina_resources.eventlog.reader import SourceDigest
from patina_resources.store.files import sha256
from patina_resources.store.manifests import StageInput, StageRecord

# What is stale, by "projection/stage", with its reasons.
Stale = dict[str, list[str]]
SOURCES = ("sessions.observations", "git.co_changes", "code.call_graph", "code.functions")
IMPLIED = {
    "semantic": ("sessions.observations", "same_session"),
    "temporal": ("git.co_changes", "co_changed"),
    "dependency": ("code.call_graph", "caller_callee"),
}


def projection(name: str, source: str, pair_type: str) -> ProjectionRecipe:
    training = Training.model_validate({"source": source, "pair_type": pair_type, "epochs": 10})
    return ProjectionRecipe(name, "dimension", None, 1024, 256, training, line=1)


@dataclass
class World:
    """A recipe, sources, a model, and what has been built of them."""

    recipe: Recipe = field(
        default_factory=lambda: Recipe(
            2, None, tuple(projection(name, *implied) for name, implied in IMPLIED.items()), Path("oxidize.yaml")
        )
    )
    sources: dict[str, SourceDigest] = field(
        default_factory=lambda: {name: SourceDigest(sha256(name.encode()), 1000) for name in SOURCES}
    )
    model: ModelState = field(default_factory=lambda: ModelState("corpus-static", sha256(b"model"), "mean pooling"))
    states: dict[str, ProjectionState] = field(default_factory=dict)

    def build(self, only: Callable[[str, str], bool] = lambda _name, _stage: True) -> "World":
        """Build what is stale; the digest of what comes out follows from what went in."""
        for name in [*(entry.name for entry in self.recipe.projections), BASE]:
            for stage in upstream_of(name):
                if only(name, stage):
                    self.put(name, stage)
        return self

    def put(self, name: str, stage: str, digest: str | None = None) -> None:
        """Build one stage; `digest` is what comes out."""
        entry = next((entry for entry in self.recipe.projections if entry.name == name), None)
        manifest = dict(self.states.get(name, ProjectionState()).manifest)
        inputs = stage_inputs(self.recipe, entry, stage, self.sources, self.model, manifest)
        output = digest or sha256(f"{stage} {fingerprint(inputs)}".encode())
        manifest[stage] = StageRecord(fingerprint(inputs), inputs, output, {})
        self.states[name] = ProjectionState(manifest)

    def verdicts(self) -> list[StageVerdict]:
        return plan(self.recipe, self.sources, self.model, self.states)

    def stale(self) -> Stale:
        return {
            f"{verdict.projection}/{verdict.stage}": list(verdict.reasons) for verdict in stale_stages(self.verdicts())
        }

    def change(self, name: str, **values: Any) -> None:
        """Change values of one projection, its own or its training's."""
        self.recipe = replace(
            self.recipe,
            projections=tuple(
                _changed(entry, values) if entry.name == name else entry for entry in self.recipe.projections
            ),
        )


def _changed(entry: ProjectionRecipe, values: Mapping[str, Any]) -> ProjectionRecipe:
    own = {key: value for key, value in values.items() if key not in Training.model_fields}
    trained = {key: value for key, value in values.items() if key in Training.model_fields}
    return replace(entry, training=entry.training.model_copy(update=trained), **own)


@pytest.fixture
def world() -> World:
    """Everything is built."""
    return World().build()


def after_pairs(name: str, *reasons: str) -> Stale:
    return {
        f"{name}/pairs": list(reasons),
        f"{name}/embeddings": ["follows pairs"],
        f"{name}/weights": ["follows pairs, embeddings"],
        f"{name}/index": ["follows pairs, embeddings, weights"],
    }


def after_embeddings(name: str, *reasons: str) -> Stale:
    return {
        f"{name}/embeddings": list(reasons),
        f"{name}/weights": ["follows embeddings"],
        f"{name}/index": ["follows embeddings, weights"],
    }


def after_weights(name: str, *reasons: str) -> Stale:
    return {f"{name}/weights": list(reasons), f"{name}/index": ["follows weights"]}


def after_items(*reasons: str) -> Stale:
    return {
        "base/items": list(reasons),
        "base/embeddings": ["follows items"],
        "base/index": ["follows items, embeddings"],
    }


def versions(*pair_types: str) -> str:
    return " ".join(f"{name}@{PAIR_TYPES[name].version}" for name in pair_types)


# Nothing and everything


def test_nothing_is_built_at_first() -> None:
    world = World(model=ModelState("corpus-static", None, "mean pooling", ("never built",)))
    verdicts = world.verdicts()
    assert {verdict.status for verdict in verdicts} == {"missing"}
    assert {verdict.reasons for verdict in verdicts} == {("never built",)}
    assert [f"{verdict.projection}/{verdict.stage}" for verdict in verdicts] == [
        "model/corpus-static",
        *(f"{name}/{stage}" for name in IMPLIED for stage in ("pairs", "embeddings", "weights", "index")),
        "base/items",
        "base/embeddings",
        "base/index",
    ]


def test_everything_is_fresh_once_built(world: World) -> None:
    assert world.stale() == {}
    assert {verdict.status for verdict in world.verdicts()} == {"fresh"}
    assert all(verdict.reasons == () for verdict in world.verdicts())


def test_a_plan_changes_nothing(world: World) -> None:
    world.change("temporal", epochs=20)
    before = copy.deepcopy((world.recipe, world.sources, world.model, world.states))
    assert world.verdicts() == world.verdicts()
    assert (world.recipe, world.sources, world.model, world.states) == before


# The recipe


@pytest.mark.parametrize(
    ("values", "reasons"),
    [
        ({"epochs": 20}, ["epochs 10 -> 20"]),
        ({"batch_size": 64}, ["batch_size 256 -> 64"]),
        ({"learning_rate": 0.001}, ["learning_rate 0.0001 -> 0.001"]),
        ({"temperature": 0.1}, ["temperature 0.05 -> 0.1"]),
        (
            {"loss": "triplet"},
            [
                "loss infonce -> triplet",
                "margin newly used",
                "negatives no longer used",
                "temperature no longer used",
            ],
        ),
        ({"hidden": 512}, ["hidden 1024 -> 512"]),
        ({"output": 128}, ["output 256 -> 128"]),
        ({"epochs": 20, "hidden": 512}, ["hidden 1024 -> 512", "epochs 10 -> 20"]),
    ],
)
def test_how_to_train_concerns_weights_and_index(world: World, values: dict[str, Any], reasons: list[str]) -> None:
    world.change("temporal", **values)
    assert world.stale() == after_weights("temporal", *reasons)


def test_what_to_sample_concerns_the_whole_projection(world: World) -> None:
    world.change("temporal", pairs=5000)
    assert world.stale() == after_pairs("temporal", "pairs 10000 -> 5000")


def test_a_stage_names_its_own_changes_beside_what_it_follows(world: World) -> None:
    world.change("temporal", seed=1)
    expected = after_pairs("temporal", "seed 0 -> 1")
    assert world.stale() == expected | {"temporal/weights": ["seed 0 -> 1", *expected["temporal/weights"]]}


def test_the_margin_counts_for_the_triplet_loss_only(world: World) -> None:
    world.change("temporal", margin=0.5)
    assert world.stale() == {}
    world.change("temporal", loss="triplet")
    world.build()
    world.change("temporal", temperature=0.5)
    assert world.stale() == {}
    world.change("temporal", margin=0.1)
    assert world.stale() == after_weights("temporal", "margin 0.5 -> 0.1")


@pytest.mark.parametrize("values", [{"type": "world-model"}, {"input": 384}, {"line": 7, "layers_line": 9}])
def test_what_decides_no_vector_makes_nothing_stale(world: World, values: dict[str, Any]) -> None:
    world.change("temporal", **values)
    assert world.stale() == {}


def test_another_pair_type_is_another_projection(world: World) -> None:
    world.change("temporal", source="sessions.observations", pair_type="same_session")
    words = [
        f"pair type {versions('co_changed')} -> {versions('same_session')}",
        "sessions.observations newly used",
        "git.co_changes no longer used",
    ]
    base = f"pair types {versions('caller_callee', 'co_changed', 'same_session')} -> " + versions(
        "caller_callee", "same_session"
    )
    assert world.stale() == after_pairs("temporal", *words) | after_items(base, "git.co_changes no longer used")


def test_a_removed_projection_concerns_base_only(world: World) -> None:
    world.recipe = replace(world.recipe, projections=world.recipe.projections[:2])
    both = versions("co_changed", "same_session")
    gone = ["code.call_graph no longer used", "code.functions no longer used"]
    assert world.stale() == after_items(f"pair types {versions('caller_callee')} {both} -> {both}", *gone)


def test_an_added_projection_of_a_known_pair_type_leaves_the_others_alone(world: World) -> None:
    added = replace(world.recipe.projections[0], name="second-thoughts")
    world.recipe = replace(world.recipe, projections=(*world.recipe.projections, added))
    stages = ("pairs", "embeddings", "weights", "index")
    assert world.stale() == {
        "second-thoughts/pairs": ["never built"],
        **{f"second-thoughts/{stage}": ["never built"] for stage in stages},
    }


# The sources


@pytest.mark.parametrize(
    ("rows", "words"),
    [(1976, "976 new rows"), (1001, "1 new row"), (1000, "rows changed"), (999, "1 row fewer"), (0, "1000 rows fewer")],
)
def test_other_rows_concern_what_is_made_from_them(world: World, rows: int, words: str) -> None:
    world.sources["git.co_changes"] = SourceDigest(sha256(b"other rows"), rows)
    reason = f"git.co_changes: {words}"
    assert world.stale() == after_pairs("temporal", reason) | after_items(reason)


def test_a_further_source_counts_like_the_first(world: World) -> None:
    world.sources["code.functions"] = SourceDigest(sha256(b"other rows"), 1002)
    reason = "code.functions: 2 new rows"
    assert world.stale() == after_pairs("dependency", reason) | after_items(reason)


def test_a_source_that_nothing_is_made_from_concerns_nothing(world: World) -> None:
    world.recipe = replace(world.recipe, projections=world.recipe.projections[:1])
    world.build()
    world.sources["git.co_changes"] = SourceDigest(sha256(b"other rows"), 5)
    assert world.stale() == {}
    assert sources_of(world.recipe, None) == ["sessions.observations"]


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
    reason = "31% of the words are unknown to it (limit 30%)"
    world.model = replace(world.model, reasons=(reason,))
    assert world.stale() == {"model/corpus-static": [reason]} | after_model("follows model")
    assert world.verdicts()[0].status == "stale"


def test_a_lost_model_is_missing_and_what_it_embedded_follows(world: World) -> None:
    world.model = replace(world.model, digest=None, reasons=("model.onnx is missing",))
    assert world.verdicts()[0] == StageVerdict("model", "corpus-static", "missing", ("model.onnx is missing",))
    assert world.stale() == {"model/corpus-static": ["model.onnx is missing"]} | after_model("follows model")


def two_models(**second: Any) -> ModelState:
    own = ModelState("corpus-static", sha256(b"own"), "the graph pools")
    return joint_state([ModelState("minilm", sha256(b"downloaded"), "mean pooling"), replace(own, **second)])


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
    world.model = two_models(reasons=("7% of the words are unknown to it (limit 5%)",))
    reason = "corpus-static: 7% of the words are unknown to it (limit 5%)"
    assert world.stale() == {"model/minilm+corpus-static": [reason]} | after_model("follows model")
    world.model = two_models(digest=None, reasons=("never built",))
    assert world.verdicts()[0] == StageVerdict(
        "model", "minilm+corpus-static", "missing", ("corpus-static: never built",)
    )


def test_models_in_another_order_are_another_model() -> None:
    model = two_models()
    turned = joint_state(model.parts[::-1])
    assert turned.digest != model.digest
    assert joint_state(model.parts[:1]) == model.parts[0]


# The program


def test_another_version_of_a_stage_makes_it_stale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staleness, "STAGE_VERSIONS", {**staleness.STAGE_VERSIONS, "weights": 99})
    version = world.states["temporal"].manifest["weights"].inputs["stage version"].value
    expected: Stale = {}
    for name in IMPLIED:
        expected |= after_weights(name, f"stage version {version} -> 99")
    assert world.stale() == expected


def test_another_version_of_a_pair_type_makes_its_pairs_stale(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(PAIR_TYPES["co_changed"], version=99)
    version = PAIR_TYPES["co_changed"].version
    monkeypatch.setattr(staleness, "PAIR_TYPES", {**PAIR_TYPES, "co_changed": changed})
    stale = world.stale()
    assert stale["temporal/pairs"] == [f"pair type co_changed@{version} -> co_changed@99"]
    assert "co_changed@99" in stale["base/items"][0]
    assert {key.split("/")[0] for key in stale} == {"temporal", "base"}


def test_other_negatives_concern_how_to_train(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(PAIR_TYPES["co_changed"], hard_negatives=not PAIR_TYPES["co_changed"].hard_negatives)
    monkeypatch.setattr(staleness, "PAIR_TYPES", {**PAIR_TYPES, "co_changed": changed})
    assert world.stale() == after_weights("temporal", "negatives no longer used")


def test_other_index_options_concern_the_index_only(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    before = IndexOptions().text()
    monkeypatch.setattr(staleness, "IndexOptions", lambda: IndexOptions(dtype="f32"))
    reason = f"index options {before} -> {before.replace('f16', 'f32')}"
    assert world.stale() == {f"{name}/index": [reason] for name in [*IMPLIED, BASE]}


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
    world.states["temporal"] = replace(world.states["temporal"], damages={stage: ("it is damaged",)})
    assert world.stale() == following


def test_damage_and_a_change_are_both_said(world: World) -> None:
    world.states["temporal"] = replace(world.states["temporal"], damages={"weights": ("a is missing", "b is damaged")})
    world.change("temporal", epochs=20)
    assert world.stale()["temporal/weights"] == ["a is missing", "b is damaged", "epochs 10 -> 20"]


def test_under_a_damaged_manifest_all_is_missing(world: World) -> None:
    world.states["temporal"] = ProjectionState(manifest_damage="temporal.manifest.json is damaged")
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
        built_from_others(name, world.states[name].manifest, stage) is None
        for name in [*IMPLIED, BASE]
        for stage in upstream_of(name)
    )
    world.put("temporal", "pairs", sha256(b"other pairs"))
    manifest = world.states["temporal"].manifest
    # The embeddings are those of the old texts: rows of the new contexts would mean other texts.
    assert built_from_others("temporal", manifest, "embeddings") is None
    assert built_from_others("temporal", manifest, "weights") == "embeddings"
    assert built_from_others("temporal", manifest, "index") == "embeddings"
    world.put("temporal", "embeddings", sha256(b"other embeddings"))
    assert built_from_others("temporal", world.states["temporal"].manifest, "weights") is None
    assert built_from_others("temporal", world.states["temporal"].manifest, "index") == "weights"


def test_what_is_not_built_cannot_be_mixed(world: World) -> None:
    for stage in ("pairs", "embeddings", "weights", "index"):
        assert built_from_others("temporal", {}, stage) is None
    world.put(BASE, "items", sha256(b"other items"))
    assert built_from_others(BASE, world.states[BASE].manifest, "index") == "embeddings"


def test_a_record_that_lacks_an_input_was_built_from_others(world: World) -> None:
    manifest = dict(world.states["temporal"].manifest)
    manifest["embeddings"] = replace(manifest["embeddings"], inputs={})
    assert built_from_others("temporal", manifest, "weights") == "embeddings"


# Fingerprints and words


def test_a_fingerprint_covers_names_and_values_in_any_order() -> None:
    inputs = {"a": StageInput("1"), "b": StageInput("2", 5)}
    assert fingerprint(dict(reversed(inputs.items()))) == fingerprint(inputs)
    assert fingerprint({**inputs, "b": StageInput("2", 6)}) == fingerprint(inputs)
    others = [
        {"a": StageInput("1")},
        {"a": StageInput("2"), "b": StageInput("1")},
        {"a": StageInput("1"), "c": StageInput("2")},
    ]
    assert len({fingerprint(inputs), *(fingerprint(other) for other in others)}) == 4


def test_differences_are_said_in_words() -> None:
    old = {"kept": StageInput("1"), "epochs": StageInput("10"), "gone": StageInput("x"), "pairs": StageInput("")}
    new = {"new": StageInput("y"), "kept": StageInput("1"), "epochs": StageInput("20"), "pairs": StageInput("5e" * 32)}
    assert differences(old, new) == ["new newly used", "epochs 10 -> 20", "pairs changed", "gone no longer used"]
    assert differences(old, old) == []
