"""A repository that names a place to download from: nobody is asked for anything without the user's word."""

from pathlib import Path

import pytest
from hostile_clones import EVIL, EVIL_PLACE, SHAPE, clone, enter, kept, listed, project_files, refused
from hub_server import Hub
from small_project import patina
from terminals import on_a_terminal
from tiny_models import VOCABULARY, write_encoder

from patina_resources.models.lock import read_lock
from patina_resources.models.registry import ENGLISH_STATIC
from patina_resources.store.mothership import mothership

REFERENCE = f"hf:{EVIL}"
DESCRIBED = f'[models."{REFERENCE}"]\npooling = "mean"\n'
OWN = f"[models.tiny]\n{SHAPE}{EVIL_PLACE}"
# What a repository writes, and the model that its recipe then names.
HOSTILE = {
    "recipe names a hub repository": ("", REFERENCE),
    "recipe names a revision": ("", f"{REFERENCE}@main"),
    "recipe names two": ("", f"corpus-static+{REFERENCE}"),
    "table names a hub repository": (OWN, "tiny"),
    "alias": (OWN + 'aliases = ["little"]\n', "little"),
    "table describes a hub repository": (DESCRIBED, REFERENCE),
    "table describes all of one": (f'[models."{REFERENCE}"]\n{SHAPE}', REFERENCE),
    "folder name": ("", f"hf--{EVIL.replace('/', '--')}"),
}
COMMANDS = [
    ("oxidize",),
    ("oxidize", "--yes"),
    ("oxidize", "--dry-run"),
    ("init", "--no-build"),
    ("scry", "anything"),
    ("like", "src/cache.py"),
    ("model", "list"),
    ("model", "list", "--json"),
    ("model", "status"),
    ("model", "verify"),
    ("materialize", "--oxidize"),
]


@pytest.mark.parametrize("way", HOSTILE)
def test_the_hub_is_not_asked_for_what_only_a_repository_names(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    config, model = HOSTILE[way]
    enter(clone(tmp_path, project_files(config, model)), monkeypatch)
    assert patina("model", "add", ENGLISH_STATIC).code == 0  # it comes with Patina: no network is asked for it
    before = kept()
    for command in COMMANDS:
        patina(*command)
    refused(patina("oxidize", "--yes"), "this project, not the registry", EVIL, "run `patina model add ")
    assert user.requests == []
    assert kept() == before
    assert not (mothership().models / ".projects").exists()


@pytest.mark.parametrize("name", ["tiny", "little", "Tiny", "project/tiny"])
def test_adding_a_model_whose_place_the_project_names_takes_a_word_of_its_own(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    enter(clone(tmp_path, project_files(OWN + 'aliases = ["little"]\n', "tiny")), monkeypatch)
    before = kept()
    refused(patina("model", "add", name), "not the registry", f"the hub repository {EVIL}", "--yes")
    assert user.requests == []
    added = patina("model", "add", name, "--yes")
    assert added.code == 0, added
    assert "added project/tiny" in added.out
    after = kept()
    assert {**after, "models.lock": b""} == {**before, "models.lock": b""}
    [row] = [row for row in listed() if row["name"] == "project/tiny"]
    assert (row["state"], row["pin"], row["project"]) == ("ready", "by the project", str(Path.cwd()))
    assert str(row["origin"]).startswith(f"hub {EVIL}@")


def test_a_project_cannot_send_a_hub_name_elsewhere(user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, place in enumerate((EVIL_PLACE, EVIL_PLACE.replace("evil/encoder", "tiny/Encoder"))):
        root = clone(tmp_path / str(number), project_files(f'[models."hf:good/encoder"]\n{SHAPE}{place}'))
        monkeypatch.chdir(root)
        refused(patina("model", "add", "hf:good/encoder", "--yes"), "config.toml", "the table's own name")
    assert user.requests == []


def test_what_the_user_agreed_to_comes_again_as_it_was(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = enter(clone(tmp_path, project_files(OWN, "tiny")), monkeypatch)
    assert patina("model", "add", "tiny", "--yes").code == 0
    good = dict(user.repositories[EVIL])
    assert patina("model", "remove", "tiny", "--yes").code == 0
    before = kept()
    user.repositories[EVIL] = {**good, "onnx/model_quantized.onnx": other_graph(tmp_path)}
    refused(patina("oxidize", "--yes"), "other bytes than were recorded")
    assert kept() == before
    user.repositories[EVIL] = good
    assert "downloading" in patina("oxidize", "--yes").err
    assert patina("model", "verify", "tiny").code == 0
    # A place that the project names only now is asked for nothing.
    assert patina("model", "remove", "tiny", "--yes").code == 0
    config = root / ".patina" / "config.toml"
    config.write_text(config.read_text().replace(EVIL, "worse/encoder"))
    user.requests.clear()
    refused(patina("oxidize", "--yes"), "worse/encoder")
    assert user.requests == []


def other_graph(folder: Path) -> bytes:
    return write_encoder(folder / "other.onnx", 16, 11, quantized=True, rows=len(VOCABULARY)).read_bytes()


def test_yes_is_the_word_for_what_the_registry_names(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mothership().registry.open("a") as registry:
        registry.write(f"[models.wanted]\n{SHAPE}{EVIL_PLACE.replace(EVIL, 'tiny/encoder')}")
    enter(clone(tmp_path, project_files("", "wanted")), monkeypatch)
    refused(patina("oxidize"), "patina model add wanted")
    assert user.requests == []
    ran = patina("oxidize", "--yes")
    assert "the registry pins no digest" in ran.err
    assert read_lock(mothership().models_lock)["wanted"].source_model.startswith(user.url)


@pytest.mark.parametrize(
    ("arguments", "model"), [(["model", "add", "tiny"], "tiny"), (["init", "--no-build"], REFERENCE)]
)
@pytest.mark.parametrize("answer", ["n", "", "y"])
def test_the_question_names_the_place_and_who_chose_it(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], model: str, answer: str
) -> None:
    config = f'[embeddings]\nmodel = "{model}"\n' + (OWN if model == "tiny" else DESCRIBED)
    root = enter(clone(tmp_path, project_files(config, model)), monkeypatch)
    shown = on_a_terminal(root, arguments, answer)
    assert f"{root}, not the registry, says to download it from the hub repository {EVIL}" in " ".join(shown.split())
    assert bool(user.requests) == (answer == "y"), shown
