"""What a recipe means."""

from pathlib import Path
from typing import get_args

import pytest
from recipe_texts import FLAT, HEAD, PAIR_TYPES, VERSION_1, VERSION_2, error_of, read

from patina_assets.pairs.types import PAIR_TYPES as PAIR_TYPES_OF_THE_PROGRAM
from patina_assets.recipe.model import COUNTING_PAIR_TYPES, Loss, Refresh, Training, check_input_dimensions
from patina_assets.recipe.reader import read_recipe
from patina_resources.errors import PatinaError


def test_version_1(tmp_path: Path) -> None:
    recipe = read(tmp_path, VERSION_1)
    assert (recipe.version, recipe.embedding_model) == (1, "all-minilm-l6-v2")
    assert recipe.path == tmp_path / "oxidize.yaml"
    (projection,) = recipe.projections
    assert (projection.name, projection.type, projection.line) == ("temporal", "world-model", 4)
    assert (projection.input, projection.hidden, projection.output) == (384, 1024, 256)
    assert projection.training == Training(
        source="git.co_changes",
        pair_type="co_changed",
        epochs=10,
        batch_size=256,
        pairs=10000,
        learning_rate=1e-4,
        loss="infonce",
        margin=0.2,
        temperature=0.05,
        seed=0,
    )


def test_version_2_with_every_training_key(tmp_path: Path) -> None:
    recipe = read(tmp_path, VERSION_2)
    assert (recipe.version, recipe.embedding_model) == (2, None)
    (projection,) = recipe.projections
    assert (projection.type, projection.input, projection.hidden) == ("dimension", None, 1024)
    assert projection.training == Training(
        source="git.co_changes",
        pair_type="co_changed",
        epochs=10,
        batch_size=64,
        pairs=500,
        learning_rate=1e-3,
        loss="triplet",
        margin=0.0,
        temperature=1.0,
        seed=2**32 - 1,
    )


def test_flat_form_means_the_same_as_the_nested_one(tmp_path: Path) -> None:
    nested = VERSION_1.replace("    type: world-model\n", "") + "      batch_size: 64\n"
    assert read(tmp_path, FLAT) == read(tmp_path, nested)


def test_flat_and_nested_forms_may_stand_side_by_side_in_file_order(tmp_path: Path) -> None:
    text = VERSION_2 + (
        "  semantic: {layers: [8, 4], epochs: 1, seed: 3, type: world-model}\n"
        "  dependency: {layers: [384, 8, 4], epochs: 2}\n"
    )
    temporal, semantic, dependency = read(tmp_path, text).projections
    assert temporal.name == "temporal"
    assert (semantic.type, semantic.training.source, semantic.training.pair_type, semantic.training.seed) == (
        "world-model",
        "sessions.observations",
        "same_session",
        3,
    )
    assert (dependency.input, dependency.training.source, dependency.training.pair_type) == (
        384,
        "code.call_graph",
        "caller_callee",
    )


def test_min_count_is_for_pair_types_that_count(tmp_path: Path) -> None:
    counted = VERSION_1 + "      min_count: 3\n"
    assert read(tmp_path, counted).projections[0].training.min_count == 3
    assert read(tmp_path, VERSION_1).projections[0].training.min_count is None
    flat = read(tmp_path, FLAT.replace("epochs: 10", "epochs: 10, min_count: 2"))
    assert flat.projections[0].training.min_count == 2
    assert {kind.name for kind in PAIR_TYPES_OF_THE_PROGRAM.values() if kind.min_count} == set(COUNTING_PAIR_TYPES)
    text = FLAT.replace("temporal", "semantic").replace("epochs: 10", "epochs: 10,\n    min_count: 2")
    assert error_of(tmp_path, text) == (
        "5: projections.semantic.min_count: only co_changed takes it, not same_session: delete the key"
    )


def test_recipes_that_differ_only_in_line_numbers_are_equal(tmp_path: Path) -> None:
    moved = read(tmp_path, "# comment\n\n" + VERSION_1)
    assert moved == read(tmp_path, VERSION_1)
    assert moved.projections[0].line == 6


@pytest.mark.parametrize(
    "name", ["corpus-static", "all-minilm-l6-v2+corpus-static", "hf:org/name@rev", "'2'", "x" * 200]
)
def test_model_names_that_are_accepted(tmp_path: Path, name: str) -> None:
    text = VERSION_1.replace("all-minilm-l6-v2", name)
    assert read(tmp_path, text).embedding_model == name.strip("'")


@pytest.mark.parametrize("name", ["a", "a1", "my-proj", "my_proj-2", "x" * 64])
def test_projection_names_that_are_accepted(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, VERSION_2.replace("temporal", name)).projections[0].name == name


def test_input_dimension_must_be_the_models(tmp_path: Path) -> None:
    recipe = read(tmp_path, VERSION_1)
    check_input_dimensions(recipe, "all-minilm-l6-v2", 384)
    with pytest.raises(PatinaError) as caught:
        check_input_dimensions(recipe, "big-model", 768)
    assert str(caught.value) == (
        f"{tmp_path}/oxidize.yaml:6: projections.temporal.layers: the input is 384, but the vectors of big-model "
        "have 768 dimensions: write [768, 1024, 256]"
    )


def test_a_model_that_cannot_be_used_is_named_with_its_line(tmp_path: Path) -> None:
    recipe = read(tmp_path, "# first\n" + VERSION_1)
    assert str(recipe.model_error("too old")) == f"{tmp_path}/oxidize.yaml:3: embedding_model: too old"


def test_input_dimension_that_is_left_out_fits_every_model(tmp_path: Path) -> None:
    recipe = read(tmp_path, VERSION_2)
    assert recipe.projections[0].input is None
    check_input_dimensions(recipe, "any", 768)


def _refresh_of(folder: Path, on_top: str = "", own: str = "") -> Refresh:
    text = VERSION_2.replace("version: 2\n", f"version: 2\n{on_top}")
    return read(folder, text.replace("    layers:", f"{own}    layers:")).projections[0].refresh


def test_refresh_is_a_word_or_limits_on_top_or_of_one_projection(tmp_path: Path) -> None:
    assert _refresh_of(tmp_path) == Refresh(0.02, 0.2, 0.5, always=False)
    assert _refresh_of(tmp_path, "refresh: always\n") == Refresh(always=True)
    assert _refresh_of(tmp_path, "refresh: {keep_below: 0, renew_above: 1}\n") == Refresh(0, 0.2, 1)
    # A projection's own replaces the other as a whole.
    assert _refresh_of(tmp_path, "refresh: always\n", "    refresh: by_drift\n") == Refresh()
    assert _refresh_of(tmp_path, "refresh: {keep_below: 0}\n", "    refresh: {renew_above: 0.6}\n") == Refresh(
        renew_above=0.6
    )
    equal = "refresh: {keep_below: 0.2, continue_below: 0.2, renew_above: 0.2}\n"
    assert _refresh_of(tmp_path, equal) == Refresh(0.2, 0.2, 0.2)
    flat = FLAT.replace("epochs: 10", "epochs: 10, refresh: always")
    assert read(tmp_path, flat).projections[0].refresh.always


def test_the_last_layer_may_have_one_unit(tmp_path: Path) -> None:
    (projection,) = read(tmp_path, VERSION_2.replace("[1024, 256]", "[2, 1]")).projections
    assert (projection.hidden, projection.output) == (2, 1)


def test_every_loss_is_accepted(tmp_path: Path) -> None:
    for loss in get_args(Loss):
        text = VERSION_2.replace("triplet", loss)
        assert read(tmp_path, text).projections[0].training.loss == loss


@pytest.mark.parametrize("text", [HEAD, f"{HEAD} {{}}", f"{HEAD}\n  # temporal:\n"])
def test_a_recipe_may_ask_for_passages_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "oxidize.yaml"
    path.write_text(text)
    assert read_recipe(path, PAIR_TYPES).projections == ()
