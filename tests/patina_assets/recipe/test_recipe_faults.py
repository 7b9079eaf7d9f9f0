"""What is wrong with a recipe: its line, its key and what to do, and never anything else than a sentence."""

import random
from pathlib import Path

import pytest
from recipe_texts import FLAT, HEAD, PAIR_TYPES, VERSION_1, VERSION_2, error_of, read

from patina_assets.recipe.reader import read_recipe
from patina_resources.errors import PatinaError


@pytest.mark.parametrize(
    "name",
    [
        "''", "' x'", "../x", "a..b", "/etc/x", "a//b", "./x", "~/x", "C:/x", "'a\\b'", '"a\\tb"', "x" * 201,
        "12", "[x]", "true", "",
    ],
)  # fmt: skip
@pytest.mark.parametrize("text", [VERSION_1, VERSION_2.replace("2\n", "2\nembedding_model: all-minilm-l6-v2\n", 1)])
def test_model_names_that_are_refused(tmp_path: Path, name: str, text: str) -> None:
    message = error_of(tmp_path, text.replace("all-minilm-l6-v2", name))
    assert message.startswith("2: embedding_model: expected a model name such as all-minilm-l6-v2")
    assert ", got " in message


def test_a_model_is_named_once(tmp_path: Path) -> None:
    message = error_of(tmp_path, VERSION_1.replace("all-minilm-l6-v2", "english-static+english-static"))
    assert message.startswith("2: embedding_model: ")
    assert "twice" in message


@pytest.mark.parametrize(
    "name", ["A", "1a", "_a", "a-", "a--b", "a.b", "a/b", "'../a'", "'a b'", "''", "'a\n\n  b'", "é", "x" * 65, "1"]
)
def test_projection_names_that_are_refused(tmp_path: Path, name: str) -> None:
    text = VERSION_2.replace("temporal:", f"? {name}\n  :")
    message = error_of(tmp_path, text)
    assert message.startswith("3: projections.")
    assert "not a usable name: expected words of lower-case letters and digits" in message


@pytest.mark.parametrize("name", ["base", "lexical", "model", "source", "lock", "oxidize_lock", "oxidize-lock"])
def test_reserved_projection_names(tmp_path: Path, name: str) -> None:
    assert error_of(tmp_path, VERSION_2.replace("temporal", name)) == (
        f"3: projections.{name}: the name is reserved: expected another than base, lexical, lock, model, oxidize_lock, "
        "source"
    )


def test_names_that_become_the_same_asset_key(tmp_path: Path) -> None:
    projection = VERSION_2.split("projections:\n")[1]
    text = VERSION_2.replace("temporal", "a-b") + projection.replace("temporal", "a_b")
    assert error_of(tmp_path, text) == (
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
    ("epochs: 10", "epochs: 1\n      batch_size: 16385", "batch_size: expected a whole number >= 1 and <= 16384"),
    ("epochs: 10", "epochs: 1\n      pairs: 1000001", "pairs: expected a whole number >= 1 and <= 1000000"),
    ("epochs: 10", "epochs: 1\n      learning_rate: 0", "learning_rate: expected a number > 0 and <= 1, got 0"),
    ("epochs: 10", "epochs: 1\n      learning_rate: 1e999", "learning_rate: expected a number > 0 and <= 1, got inf"),
    ("epochs: 10", "epochs: 1\n      learning_rate: .nan", "learning_rate: expected a number > 0 and <= 1, got '.nan'"),
    ("epochs: 10", "epochs: 1\n      learning_rate: true", "learning_rate: expected a number > 0 and <= 1, got true"),
    ("epochs: 10", "epochs: 1\n      margin: -0.1", "margin: expected a number >= 0 and <= 2, got -0.1"),
    ("epochs: 10", "epochs: 1\n      temperature: 0", "temperature: expected a number from 0.001 to 100, got 0"),
    ("epochs: 10", "epochs: 1\n      learning_rate: 1e308", "expected a number > 0 and <= 1, got 1e+308"),
    ("epochs: 10", "epochs: 1\n      margin: 1e308", "margin: expected a number >= 0 and <= 2, got 1e+308"),
    ("epochs: 10", "epochs: 1\n      temperature: 1e-308", "expected a number from 0.001 to 100, got 1e-308"),
    ("epochs: 10", "epochs: 1\n      temperature: .inf", "expected a number from 0.001 to 100, got '.inf'"),
    ("epochs: 10", "epochs: 1\n      seed: -1", "seed: expected a whole number >= 0 and <= 4294967295, got -1"),
    ("epochs: 10", "epochs: 1\n      seed: 4294967296", "seed: expected a whole number >= 0 and <= 4294967295"),
    ("epochs: 10", "epochs: 1\n      min_count: 0",
     "11: projections.temporal.training.min_count: expected a whole number >= 1 and <= 1000000, got 0"),
    ("epochs: 10", "epochs: 1\n      min_count: x", "min_count: expected a whole number >= 1 and <= 1000000, got 'x'"),
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
    ("[384, 1024, 256]", "[384, 1, 256]", "layers: expected at least 2 hidden units, the last number but one, got 1"),
    ("[384, 1024, 256]", "[384, 8193, 256]", "layers[1]: expected whole numbers >= 1 and <= 8192"),
    ("[384, 1024, 256]", "[384,\n      true, 256]", "7: projections.temporal.layers[1]: expected whole numbers"),
    ("[384, 1024, 256]", "384", "6: projections.temporal.layers: expected whole numbers >= 1 and <= 8192, such as"),
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
    message = error_of(tmp_path, VERSION_1.replace(old, new))
    assert expected in message
    assert "Input should" not in message


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HEAD} [a]", "2: projections: expected a mapping of projections, got a list"),
        (f"{HEAD}\n  a: 1", "3: projections.a: expected a mapping with layers, training, got 1"),
        (f"{HEAD}\n  a: {{layers: [2, 2]}}", "3: projections.a: missing key 'training'"),
        (f"{HEAD}\n  temporal: {{layers: [2], epochs: 1}}", "3: projections.temporal.layers: expected two or three"),
        (f"{HEAD}\n  a: {{layers: [2], epochs: 1}}", "3: projections.a.layers: expected two or three numbers"),
        (f"{HEAD}\n  a: {{layers: [2, 2], training: x}}",
         "3: projections.a.training: expected a mapping with source, pair_type, epochs, got 'x'"),
        (f"{HEAD}\n  tempral: {{layers: [2, 2], epochs: 1}}", "3: projections.tempral: source and pair_type must be "
         "given under training: only the names semantic, temporal, dependency imply them (did you mean 'temporal'?)"),
        (f"{HEAD}\n  temporal: {{layers: [2, 2], epochs: 1, source: git.co_changes}}", "unknown key 'source'"),
        (f"{HEAD}\n  temporal: {{layers: [2, 2], epochs: 1, pair_type: co_changed}}", "unknown key 'pair_type'"),
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
    assert expected in error_of(tmp_path, text)


def test_of_several_problems_the_one_on_the_lowest_line_is_named(tmp_path: Path) -> None:
    text = VERSION_2.replace("epochs: 10", "epochs: x").replace("seed: 4", "seed: -4") + "version: 2\n"
    assert error_of(tmp_path, text).startswith("8: projections.temporal.training.epochs:")
    assert error_of(tmp_path, text.replace("[1024, 256]", "[]")).startswith("4: projections.temporal.layers:")
    assert error_of(tmp_path, text.replace("epochs: x", "epochs: 1").replace("-4", "4")).startswith(
        "16: version: is given"
    )


def test_missing_recipe_says_what_to_run(tmp_path: Path) -> None:
    path = tmp_path / ".patina" / "oxidize.yaml"
    with pytest.raises(PatinaError) as caught:
        read_recipe(path, PAIR_TYPES)
    assert str(caught.value) == f"no recipe at {path}: run `patina init`"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (
            "alway",
            "2: refresh: expected always, by_drift, or a mapping with keep_below, continue_below, renew",
        ),
        ("[0.1]", "2: refresh: expected always, by_drift, or a mapping"),
        ("{keep_under: 0.1}", "2: refresh: unknown key 'keep_under'"),
        ("{keep_below: 1.5}", "2: refresh.keep_below: expected a number from 0 to 1, got 1.5"),
        ("{keep_below: true}", "2: refresh.keep_below: expected a number from 0 to 1"),
        ("{keep_below: .nan}", "2: refresh.keep_below: expected a number from 0 to 1"),
        (
            "{keep_below: 0.3}",
            "2: refresh: keep_below 0.3, continue_below 0.2, renew_above 0.5: expected each",
        ),
    ],
)
def test_a_wrong_refresh_is_named(tmp_path: Path, written: str, expected: str) -> None:
    assert expected in error_of(tmp_path, VERSION_2.replace("version: 2\n", f"version: 2\nrefresh: {written}\n"))


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
            read(tmp_path, bytes(content))
        except PatinaError as error:
            refusals.append(str(error))
    assert len(refusals) > 200
    assert all(refusal.isprintable() for refusal in refusals)
