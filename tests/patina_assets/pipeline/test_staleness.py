"""What a change of the recipe or of rows makes stale, and what a verdict says."""

import copy
from dataclasses import replace
from typing import Any

import pytest
from planned_world import IMPLIED, NEVER_BUILT, SOURCES, Stale, World, after_pairs, after_weights

from patina_assets.pairs.types import PAIR_TYPES
from patina_assets.pipeline.reasons import Reason, ReasonKind, reason_texts
from patina_assets.pipeline.stages import passages, projections_of
from patina_assets.pipeline.stages.embeddings import MODEL_INPUT
from patina_assets.pipeline.staleness import (
    LOCK,
    MODEL,
    BaseModelState,
    ProjectionState,
    differences,
    fingerprint,
    joint_state,
    stage_inputs,
)
from patina_assets.recipe.model import RESERVED_NAMES
from patina_assets.search.built import BASE
from patina_resources.eventlog.looks.memory import SourceDigest
from patina_resources.store.files import sha256
from patina_resources.store.manifests import StageInput


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
    world = World(model=BaseModelState("corpus-static", None, "mean pooling", (NEVER_BUILT,)))
    verdicts = world.verdicts()
    assert {verdict.status for verdict in verdicts} == {"missing"}
    assert {verdict.reasons for verdict in verdicts} == {(NEVER_BUILT,)}
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


def test_a_count_that_the_recipe_does_not_say_is_in_no_fingerprint(world: World) -> None:
    assert "min_count" not in world.states["temporal"].manifest["pairs"].inputs
    world.change("temporal", min_count=3)
    assert world.stale() == after_pairs("temporal", "min_count newly used")


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
    gone = ["git.co_changes no longer used", "git.paths no longer used"]
    words = [
        f"pair type {versions('co_changed')} -> {versions('same_session')}",
        "sessions.observations newly used",
        *gone,
    ]
    assert world.stale() == after_pairs("temporal", *words)


def test_a_removed_projection_concerns_nothing_else(world: World) -> None:
    world.recipe = replace(world.recipe, projections=world.recipe.projections[:2])
    assert world.stale() == {}


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
    assert world.stale() == after_pairs("temporal", f"git.co_changes: {words}")


def test_what_search_reads_concerns_base_alone(world: World) -> None:
    world.sources["code.files"] = SourceDigest(sha256(b"other rows"), 1001)
    assert world.stale() == after_items("code.files: 1 new row")
    world.sources["sessions.observations"] = SourceDigest(sha256(b"other rows"), 1001)
    both = ["code.files: 1 new row", "sessions.observations: 1 new row"]
    assert world.stale() == after_items(*both) | after_pairs("semantic", both[1])


def test_a_further_source_counts_like_the_first(world: World) -> None:
    world.sources["code.functions"] = SourceDigest(sha256(b"other rows"), 1002)
    reason = "code.functions: 2 new rows"
    assert world.stale() == after_pairs("dependency", reason)


def test_a_source_that_nothing_is_made_from_concerns_nothing(world: World) -> None:
    world.recipe = replace(world.recipe, projections=world.recipe.projections[:1])
    world.build()
    world.sources["git.co_changes"] = SourceDigest(sha256(b"other rows"), 5)
    assert world.stale() == {}
    assert {source.name for source in world.projection(BASE).sources} == {source.name for source in passages.SOURCES}


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
    found = differences(old, new)
    assert found[1] == Reason(ReasonKind.CHANGED, "epochs", "10", "20")
    assert reason_texts(found) == ["new newly used", "epochs 10 -> 20", "pairs changed", "gone no longer used"]
    assert differences(old, old) == []


def test_rows_are_compared_where_both_sides_counted_them() -> None:
    def told(before: int | None, after: int | None) -> list[Reason]:
        return differences({"a": StageInput("1", before)}, {"a": StageInput("2", after)})

    assert told(3, 4) == [Reason(ReasonKind.ROWS, "a", 3, 4)]
    for counts in ((3, None), (None, 4), (None, None)):
        assert told(*counts) == [Reason(ReasonKind.CHANGED, "a", "1", "2")]


def test_models_side_by_side_of_which_one_is_not_here_have_an_empty_digest() -> None:
    here, gone = BaseModelState("a", "1", "s"), BaseModelState("b", None, "t", (NEVER_BUILT,))
    joined = joint_state([here, gone])
    stages_of = projections_of(World().recipe)
    embeds = next(stage for entry in stages_of for stage in entry.stages if stage.embeds)
    sources = {name: SourceDigest("0", 1) for name in SOURCES}
    inputs = stage_inputs(embeds, sources, joined, {})
    assert inputs[MODEL_INPUT] == StageInput("", parts={"a": "1", "b": ""})


def test_a_verdict_is_missing_stale_or_fresh(world: World) -> None:
    world.change("temporal", epochs=11)
    world.states.pop("semantic")
    found = {f"{verdict.projection}/{verdict.stage}": verdict.status for verdict in world.verdicts()}
    assert (found["semantic/weights"], found["temporal/weights"], found["temporal/pairs"]) == (
        "missing",
        "stale",
        "fresh",
    )
    for kind, status in ((ReasonKind.BUILT_ELSEWHERE, "stale"), (ReasonKind.NEVER_BUILT, "missing")):
        world.states["base"] = ProjectionState(unreadable=Reason(kind))
        assert {verdict.status for verdict in world.verdicts() if verdict.projection == "base"} == {status}
    unseen, elsewhere = Reason(ReasonKind.NEVER_BUILT), Reason(ReasonKind.BUILT_ELSEWHERE)
    for digest, reasons, status in (
        ("1", (), "fresh"), ("1", (unseen,), "stale"), (None, (), "missing"), (None, (unseen,), "missing"),
        (None, (unseen, elsewhere), "stale"),
    ):  # fmt: skip
        world.model = BaseModelState("corpus-static", digest, "mean pooling", reasons, drift=(unseen,))
        assert (world.verdicts()[0].status, world.verdicts()[0].reasons) == (status, reasons or (unseen,))
    # Keys of assets, and names that a recipe cannot take.
    assert (MODEL, LOCK) == ("model", "oxidize_lock")
    assert {MODEL, LOCK} <= RESERVED_NAMES
