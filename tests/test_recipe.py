import random
from pathlib import Path
from typing import get_args

import pytest

from patina_assets.recipe.model import Loss, Recipe, Training, check_input_dimensions
from patina_assets.recipe.reader import read_recipe
from patina_resources.errors import PatinaError

PAIR_TYPES = {
    "sessions.observations": ["same_session"],
    "git.co_changes": ["co_changed"],
    "code.call_graph": ["caller_callee"],
}
VERSION_1 = """\
version: 1
embedding_model: all-minilm-l6-v2
projections:
  temporal:
    type: world-model
    layers: [384, 1024, 256]
    training:
      source: git.co_changes
      pair_type: co_changed
      epochs: 10
"""
VERSION_2 = """\
version: 2
projections:
  temporal:
    layers: [1024, 256]
    training:
      source: git.co_changes
      pair_type: co_changed
      epochs: 10
      batch_size: 64
      pairs: 500
      learning_rate: 1e-3
      loss: triplet
      margin: 0
      temperature: 1
      seed: 4294967295
"""
FLAT = """\
version: 1
embedding_model: all-minilm-l6-v2
projections:
  temporal: {layers: [384, 1024, 256], epochs: 10, batch_size: 64}
"""


def _read(folder: Path, text: str | bytes) -> Recipe:
    path = folder / "oxidize.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_recipe(path, PAIR_TYPES)


def _error(folder: Path, text: str | bytes) -> str:
    with pytest.raises(PatinaError) as caught:
        _read(folder, text)
    message = str(caught.value)
    assert message.isprintable(), message
    return message.removeprefix(f"{folder}/oxidize.yaml:")


def test_version_1(tmp_path: Path) -> None:
    recipe = _read(tmp_path, VERSION_1)
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
    recipe = _read(tmp_path, VERSION_2)
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
    assert _read(tmp_path, FLAT) == _read(tmp_path, nested)


def test_flat_and_nested_forms_may_stand_side_by_side_in_file_order(tmp_path: Path) -> None:
    text = VERSION_2 + (
        "  semantic: {layers: [8, 4], epochs: 1, seed: 3, type: world-model}\n"
        "  dependency: {layers: [384, 8, 4], epochs: 2}\n"
    )
    temporal, semantic, dependency = _read(tmp_path, text).projections
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


def test_recipes_that_differ_only_in_line_numbers_are_equal(tmp_path: Path) -> None:
    moved = _read(tmp_path, "# comment\n\n" + VERSION_1)
    assert moved == _read(tmp_path, VERSION_1)
    assert moved.projections[0].line == 6


@pytest.mark.parametrize(
    "name", ["corpus-static", "all-minilm-l6-v2+corpus-static", "hf:org/name@rev", "'2'", "x" * 200]
)
def test_model_names_that_are_accepted(tmp_path: Path, name: str) -> None:
    text = VERSION_1.replace("all-minilm-l6-v2", name)
    assert _read(tmp_path, text).embedding_model == name.strip("'")


@pytest.mark.parametrize(
    "name",
    [
        "''", "' x'", "../x", "a..b", "/etc/x", "a//b", "./x", "~/x", "C:/x", "'a\\b'", '"a\\tb"', "x" * 201,
        "12", "[x]", "true", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [VERSION_1, VERSION_2.replace("2\n", "2\nembedding_model: all-minilm-l6-v2\n", 1)])
def test_model_names_that_are_refused(tmp_path: Path, name: str, text: str) -> None:
    message = _error(tmp_path, text.replace("all-minilm-l6-v2", name))
    assert message.startswith("2: embedding_model: expected a model name such as all-minilm-l6-v2")
    assert ", got " in message


@pytest.mark.parametrize("name", ["a", "a1", "my-proj", "my_proj-2", "x" * 64])
def test_projection_names_that_are_accepted(tmp_path: Path, name: str) -> None:
    assert _read(tmp_path, VERSION_2.replace("temporal", name)).projections[0].name == name


@pytest.mark.parametrize(
    "name", ["A", "1a", "_a", "a-", "a--b", "a.b", "a/b", "'../a'", "'a b'", "''", "'a\n\n  b'", "é", "x" * 65, "1"]
)
def test_projection_names_that_are_refused(tmp_path: Path, name: str) -> None:
    text = VERSION_2.replace("temporal:", f"? {name}\n  :")
    message = _error(tmp_path, text)
    assert message.startswith("3: projections.")
    assert "not a usable name: expected words of lower-case letters and digits" in message


@pytest.mark.parametrize("name", ["base", "lexical", "model", "source", "lock", "oxidize_lock", "oxidize-lock"])
def test_reserved_projection_names(tmp_path: Path, name: str) -> None:
    assert f"3: projections.{name}: the name is reserved" in _error(tmp_path, VERSION_2.replace("temporal", name))


def test_names_that_become_the_same_asset_key(tmp_path: Path) -> None:
    projection = VERSION_2.split("projections:\n")[1]
    text = VERSION_2.replace("temporal", "a-b") + projection.replace("temporal", "a_b")
    assert _error(tmp_path, text) == (
        "16: projections.a_b: the same name as a-b once '-' is read as '_': rename one of them"
    )


# Each case: what to replace in VERSION_1, by what, and the message after `oxidize.yaml:`.
WRONG_IN_VERSION_1 = [
    ("epochs: 10", "epochs: ten",
     "10: projections.temporal.training.epochs: expected a whole number >= 1 and <= 100000, got 'ten'"),
    ("epochs: 10", "epochs: '10'", "epochs: expected a whole number >= 1 and <= 100000, got '10'"),
    ("epochs: 10", "epochs: true", "epochs: expected a whole number >= 1 and <= 100000, got true"),
    ("epochs: 10", "epochs: 10.0", "epochs: expected a whole number >= 1 and <= 100000, got 10.0"),
    ("epochs: 10", "epochs:", "epochs: expected a whole number >= 1 and <= 100000, got nothing"),
    ("epochs: 10", "epochs: [1]", "epochs: expected a whole number >= 1 and <= 100000, got a list"),
    ("epochs: 10", "epochs: 0", "epochs: expected a whole number >= 1 and <= 100000, got 0"),
    ("epochs: 10", "epochs: 100001", "epochs: expected a whole number >= 1 and <= 100000, got 100001"),
    ("epochs: 10", "epcohs: 10",
     "10: projections.temporal.training: unknown key 'epcohs' (did you mean 'epochs'?): expected "),
    ("      epochs: 10\n", "", "7: projections.temporal.training: missing key 'epochs': expected a whole number"),
    ("epochs: 10", "epochs: 1\n      batch_size: 0", "11: projections.temporal.training.batch_size: expected"),
    ("epochs: 10", "epochs: 1\n      pairs: 0", "pairs: expected a whole number >= 1"),
    ("epochs: 10", "epochs: 1\n      learning_rate: 0", "learning_rate: expected a number > 0, got 0"),
    ("epochs: 10", "epochs: 1\n      learning_rate: 1e999", "learning_rate: expected a number > 0, got inf"),
    ("epochs: 10", "epochs: 1\n      learning_rate: .nan", "learning_rate: expected a number > 0, got '.nan'"),
    ("epochs: 10", "epochs: 1\n      learning_rate: true", "learning_rate: expected a number > 0, got true"),
    ("epochs: 10", "epochs: 1\n      margin: -0.1", "margin: expected a number >= 0, got -0.1"),
    ("epochs: 10", "epochs: 1\n      temperature: 0", "temperature: expected a number > 0, got 0"),
    ("epochs: 10", "epochs: 1\n      seed: -1", "seed: expected a whole number >= 0 and < 4294967296, got -1"),
    ("epochs: 10", "epochs: 1\n      seed: 4294967296", "seed: expected a whole number >= 0 and < 4294967296"),
    ("epochs: 10", "epochs: 1\n      loss: infonse",
     "11: projections.temporal.training.loss: expected infonce or triplet, got 'infonse' (did you mean 'infonce'?)"),
    ("epochs: 10", "epochs: 1\n      epochs: 2",
     "11: projections.temporal.training.epochs: is given twice, first on line 10: keep one of them"),
    ("world-model", "worldmodel",
     "5: projections.temporal.type: expected dimension or world-model, got 'worldmodel' (did you mean 'world-model'?)"),
    ("git.co_changes", "git.cochanges",
     "8: projections.temporal.training.source: unknown source 'git.cochanges' (did you mean 'git.co_changes'?): "
     "expected sessions.observations or git.co_changes or code.call_graph"),
    ("pair_type: co_changed", "pair_type: co_change",
     "9: projections.temporal.training.pair_type: source git.co_changes has no pair type 'co_change' "
     "(did you mean 'co_changed'?): expected co_changed"),
    ("pair_type: co_changed", "pair_type: same_session", "has no pair type 'same_session': expected co_changed"),
    ("source: git.co_changes", "source: [git]", "8: projections.temporal.training.source: expected the name"),
    ("    training:", "    traning:", "7: projections.temporal: unknown key 'traning' (did you mean 'training'?)"),
    ("layers: [384", "layer: [384", "6: projections.temporal: unknown key 'layer' (did you mean 'layers'?)"),
    ("[384, 1024, 256]", "[1024, 256]",
     "6: projections.temporal.layers: expected three numbers, [input, hidden, output], got 2"),
    ("[384, 1024, 256]", "[384, 0, 256]", "6: projections.temporal.layers[1]: expected whole numbers >= 1"),
    ("[384, 1024, 256]", "[384, 65537, 256]", "layers[1]: expected whole numbers >= 1 and <= 65536"),
    ("[384, 1024, 256]", "[384,\n      true, 256]", "7: projections.temporal.layers[1]: expected whole numbers"),
    ("[384, 1024, 256]", "384", "6: projections.temporal.layers: expected whole numbers >= 1 and <= 65536, such as"),
    ("embedding_model: all-minilm-l6-v2\n", "", "1: missing key 'embedding_model': expected a model name"),
    ("embedding_model", "embeding_model", "2: unknown key 'embeding_model' (did you mean 'embedding_model'?)"),
    ("version: 1", "verison: 1", "1: unknown key 'verison' (did you mean 'version'?)"),
    ("version: 1\n", "", "1: missing key 'version': expected 1 or 2"),
    ("version: 1", "version: 3", "1: version: expected 1 or 2, got 3"),
    ("version: 1", "version: '1'", "1: version: expected 1 or 2, got '1'"),
    ("version: 1", "version: true", "1: version: expected 1 or 2, got true"),
    ("version: 1", "version: 1.0", "1: version: expected 1 or 2, got 1.0"),
    ("version: 1", "version: [1]", "1: version: expected 1 or 2, got a list"),
    ("version: 1", "version: 1\nextra: 2", "2: unknown key 'extra': expected version, embedding_model, projections"),
    ("projections:", "projection:", "3: unknown key 'projection' (did you mean 'projections'?)"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), WRONG_IN_VERSION_1)
def test_what_is_wrong_is_named_with_line_and_key(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in VERSION_1
    message = _error(tmp_path, VERSION_1.replace(old, new))
    assert expected in message
    assert "Input should" not in message


HEAD = "version: 2\nprojections:"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (HEAD, "2: projections: expected a mapping with at least one projection, got nothing"),
        (f"{HEAD} {{}}", "2: projections: expected a mapping with at least one projection, got an empty mapping"),
        (f"{HEAD} [a]", "2: projections: expected a mapping with at least one projection, got a list"),
        (f"{HEAD}\n  a: 1", "3: projections.a: expected a mapping with layers, training, got 1"),
        (f"{HEAD}\n  a: {{layers: [2, 2]}}", "3: projections.a: missing key 'training'"),
        (f"{HEAD}\n  a: {{layers: [2], epochs: 1}}", "3: projections.a.layers: expected two or three numbers"),
        (f"{HEAD}\n  a: {{layers: [2, 2], training: x}}", "3: projections.a.training: expected a mapping with source"),
        (f"{HEAD}\n  tempral: {{layers: [2, 2], epochs: 1}}", "3: projections.tempral: source and pair_type must be "
         "given under training: only the names semantic, temporal, dependency imply them (did you mean 'temporal'?)"),
        (f"{HEAD}\n  temporal: {{layers: [2, 2], epcohs: 1}}", "unknown key 'epcohs' (did you mean 'epochs'?)"),
        (f"{HEAD}\n  temporal: {{layers: [2, 2], pairs: 1}}", "3: projections.temporal: missing key 'epochs'"),
        (f"{HEAD}\n  temporal: {{layers: [2, 2], epochs: no}}", "3: projections.temporal.epochs: expected a whole"),
        (f"{HEAD}\n  a:\n    layers: [2, 2]\n    epochs: 1\n    training: {{source: git.co_changes, "
         "pair_type: co_changed, epochs: 1}", "5: projections.a: unknown key 'epochs' (it belongs under training)"),
        (f"{HEAD}\n  temporal: {{layers: [2, 2], epochs: 1}}\n  temporal: {{layers: [2, 2], epochs: 1}}",
         "4: projections.temporal: is given twice, first on line 3: keep one of them"),
        ("- version: 2", "1: expected a mapping with version, projections, got a list"),
        ("version 2", "1: expected a mapping with version, projections, got 'version 2'"),
        ("", " the recipe is empty: expected version and projections"),
        ("# nothing\n", " the recipe is empty"),
    ],
)  # fmt: skip
def test_wrong_structure(tmp_path: Path, text: str, expected: str) -> None:
    assert expected in _error(tmp_path, text)


def test_of_several_problems_the_one_on_the_lowest_line_is_named(tmp_path: Path) -> None:
    text = VERSION_2.replace("epochs: 10", "epochs: x").replace("seed: 4", "seed: -4") + "version: 2\n"
    assert _error(tmp_path, text).startswith("8: projections.temporal.training.epochs:")
    assert _error(tmp_path, text.replace("[1024, 256]", "[]")).startswith("4: projections.temporal.layers:")
    assert _error(tmp_path, text.replace("epochs: x", "epochs: 1").replace("-4", "4")).startswith(
        "16: version: is given"
    )


def test_missing_recipe_says_what_to_run(tmp_path: Path) -> None:
    path = tmp_path / ".patina" / "oxidize.yaml"
    with pytest.raises(PatinaError) as caught:
        read_recipe(path, PAIR_TYPES)
    assert str(caught.value) == f"no recipe at {path}: run `patina init`"


def test_input_dimension_must_be_the_models(tmp_path: Path) -> None:
    recipe = _read(tmp_path, VERSION_1)
    check_input_dimensions(recipe, "all-minilm-l6-v2", 384)
    with pytest.raises(PatinaError) as caught:
        check_input_dimensions(recipe, "big-model", 768)
    assert str(caught.value) == (
        f"{tmp_path}/oxidize.yaml:6: projections.temporal.layers: the input is 384, but the vectors of big-model "
        "have 768 dimensions: write [768, 1024, 256]"
    )


def test_input_dimension_that_is_left_out_fits_every_model(tmp_path: Path) -> None:
    recipe = _read(tmp_path, VERSION_2)
    assert recipe.projections[0].input is None
    check_input_dimensions(recipe, "any", 768)


def test_every_loss_is_accepted(tmp_path: Path) -> None:
    for loss in get_args(Loss):
        text = VERSION_2.replace("triplet", loss)
        assert _read(tmp_path, text).projections[0].training.loss == loss


DAMAGE = [
    b"&a ", b"*a", b"!!int ", b"? ", b": ", b"- ", b"\n", b"[", b"}", b'"', b"\x00", b"\xff", b"\t", b"|", b"null",
    b'"\\ud800"', b'"\\UFFFFFFFF"', b"1e999", b"9" * 5000, b"---\n", b"%YAML 9.9\n", b"<<: ",
]  # fmt: skip


def test_damaged_recipes_never_raise_anything_else(tmp_path: Path) -> None:
    generator = random.Random(0)
    refusals: list[str] = []
    for _ in range(400):
        content = bytearray(generator.choice([VERSION_1, VERSION_2, FLAT]).encode())
        for _ in range(generator.randint(1, 3)):
            start = generator.randrange(len(content) + 1)
            content[start : start + generator.randint(0, 8)] = generator.choice([*DAMAGE, generator.randbytes(2)])
        try:
            _read(tmp_path, bytes(content))
        except PatinaError as error:
            refusals.append(str(error))
    assert len(refusals) > 200
    assert all(refusal.isprintable() for refusal in refusals)
