"""The files of a user's cache of models, damaged in every way: found, said in a sentence, and never a crash."""

import random
from pathlib import Path

import pytest
from amounts import SEED
from commands import Commands, write_step
from faulty_projects import ONE_PROJECTION, QUESTION, lock_text
from small_project import make_project
from test_damaged_files import check_said, damages_of, found_stale
from tiny_models import write_model

from patina_resources.store.mothership import Mothership

REGISTRY = '[models.tiny]\ndims = 16\nmax_tokens = 32\npooling = "mean"\n'
# A flipped bit in the record names another model; what is told then is how to add that one.
REMEDIES = ("run `patina model add ", "correct it by hand, or move it away", "run `patina oxidize`")
DAMAGED = ("onnx", "tokenizer.json", "models.lock")


@pytest.mark.parametrize("which", DAMAGED)
def test_a_damaged_model_is_found_and_said(commands: Commands, folder: Path, which: str) -> None:
    home = Mothership(folder / "home")
    home.home.mkdir()
    home.registry.write_text(REGISTRY)
    environment = {"PATINA_HOME": str(home.home)}
    recipe = ONE_PROJECTION.replace("version: 2\n", "version: 2\nembedding_model: tiny\n")
    project = make_project(folder / "project", recipe).root
    add = ["model", "add", "tiny", "--from", str(write_model(folder / "tiny", seed=1))]
    made = commands.start(project, add, ["oxidize"], environment=environment).wait_for_all()
    assert [ended.code for ended in made] == [0, 0], made
    lock = lock_text(project)
    place = home.models_lock if which == "models.lock" else next(home.models.rglob(f"*{which}"))
    others = [] if which != "onnx" else [(write_model(folder / "narrow", dims=8) / "model.onnx").read_bytes()]
    content = place.read_bytes()
    asked = [["scry", QUESTION], ["oxidize", "--dry-run"], ["model", "verify"], ["model", "list"]]
    damages = list(damages_of(content, others, random.Random(SEED)))
    steps = [[write_step(place, damage.content, damage.name), *asked] for damage in damages]
    ended = commands.start(project, *(step for some in steps for step in some), environment=environment).wait_for_all()
    assert len(ended) == len(asked) * len(damages), ended[-1]
    for number, damage in enumerate(damages):
        results = ended[number * len(asked) : (number + 1) * len(asked)]
        for result in results[:3]:
            check_said(result, f"{place}: {damage.name}", REMEDIES)
        # The record's provenance is text that a person may correct; its digests are what counts.
        if which != "models.lock":
            assert found_stale(results[1]), (place, damage.name, results[1])
            assert results[2].code == 1, (place, damage.name, results[2])
    place.unlink()
    mended = commands.start(project, add, ["oxidize"], environment=environment).wait_for_all()
    assert [ended.code for ended in mended] == [0, 0], mended
    assert lock_text(project) == lock
