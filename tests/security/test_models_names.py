"""A repository that gives a name of the registry, or of the user, another meaning: refused, and nothing changes."""

import itertools
from pathlib import Path

import pytest
from hostile_clones import (
    EVIL_PLACE,
    SHAPE,
    SHIPPED,
    clone,
    enter,
    files_of,
    kept,
    listed,
    project_files,
    refused,
    tiny_model,
)
from hub_server import Hub
from small_project import patina

from patina_resources.models.lock import read_lock
from patina_resources.store.mothership import mothership

SHIPPED_NAMES = [
    SHIPPED,
    "ALL-MINILM-L6-V2",
    "All-MiniLM-L6-v2",
    "minilm",  # an alias
    "MiniLM",
    "bge-small-en-v1-5",  # an alias
    "corpus-static",
    "Corpus-Static",
    "hf:Xenova/all-MiniLM-L6-v2",
    "hf:xenova/ALL-minilm-l6-v2",
    "hf:Xenova/all-MiniLM-L6-v2@main",
    "hf--Xenova--all-MiniLM-L6-v2",
    "HF--Xenova--all-MiniLM-L6-v2",
    "hf:intfloat/e5-base-v2",
]
LOOK_ALIKES = [
    "aII-MiniLM-l6-v2",
    "all_minilm_l6_v2",
    "all-rninilm-l6-v2",
    "allminilm-l6.v2",
    "c0rpus-static",
]
USERS_NAMES = ["mine", "MINE", "my-own", "My-Own", "named", "NAMED"]
NO_NAMES = [
    "../mine", "a/b", "/etc", "a\\\\b", "..", ".", "", "a\\u0000b", "nul", "CON", "com1.x", "Aux.model", "x" * 65,
    "all-minilm-l6-v2\\u200b", "\\u0430ll-minilm-l6-v2", "mine\\u202e", "mine\\n", "hf:../x", "hf:a/b/c", "hf--x",
    "hf:a/b@../c", "hf:" + "a" * 96 + "/" + "b" * 96 + "@" + "c" * 40, "a+b",
]  # fmt: skip
COMMANDS = [
    ("model", "list"),
    ("model", "verify"),
    ("model", "add", SHIPPED),
    ("model", "add", SHIPPED, "--from", "evil"),
    ("oxidize", "--yes"),
    ("oxidize", "--dry-run"),
]


def test_every_command_refuses_a_redefined_name(user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evil = files_of(tiny_model(tmp_path / "evil-bytes", 384, seed=7), "evil/")
    config = f"[models.{SHIPPED}]\n{EVIL_PLACE}"
    root = enter(clone(tmp_path, project_files(config, SHIPPED) | evil), monkeypatch)
    before = kept()
    for command in COMMANDS:
        refused(patina(*command), str(root / ".patina" / "config.toml"), f"[models.{SHIPPED}]", "cannot redefine")
    assert kept() == before
    assert user.requests == []


@pytest.mark.parametrize("name", [*SHIPPED_NAMES, *LOOK_ALIKES, *USERS_NAMES])
def test_a_project_cannot_redefine_what_means_or_reads_like_another_name(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    place = "" if name.startswith(("hf:", "hf--")) else EVIL_PLACE
    before = kept()
    for number, config in enumerate(
        (f'[models."{name}"]\n{SHAPE}{place}', f'[models.fresh]\n{SHAPE}aliases = ["{name}"]\n{EVIL_PLACE}')
    ):
        if number == 1 and name.startswith("hf:"):
            continue  # an alias cannot be written so
        root = clone(tmp_path / str(number), project_files(config, "corpus-static"))
        monkeypatch.chdir(root)
        for command in (("model", "list"), ("oxidize", "--yes"), ("model", "add", "fresh", "--yes")):
            refused(patina(*command), "config.toml", "cannot redefine")
    assert kept() == before
    assert user.requests == []


@pytest.mark.parametrize("name", NO_NAMES, ids=range(len(NO_NAMES)))
def test_a_name_that_is_none_reaches_no_path(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before = kept()
    outside = sorted(tmp_path.iterdir())
    for number, (config, model) in enumerate(
        ((f'[models."{name}"]\n{SHAPE}{EVIL_PLACE}', "corpus-static"), ("", f'"{name}"'))
    ):
        root = clone(tmp_path / str(number), project_files(config, model))
        monkeypatch.chdir(root)
        ran = patina("oxidize", "--yes")
        refused(ran)
        assert ran.err.count("\n") == 1, ran.err
    assert kept() == before
    assert user.requests == []
    assert sorted(path for path in tmp_path.iterdir() if path.name not in "01") == outside


def test_models_of_one_name_in_two_projects_do_not_meet(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = kept()
    recorded = read_lock(mothership().models_lock)
    roots = []
    for number in (1, 2):
        bytes_of = files_of(tiny_model(tmp_path / f"bytes-{number}", seed=number), "bytes/")
        files = project_files(f"[models.tiny]\n{SHAPE}", "tiny") | bytes_of
        root = enter(clone(tmp_path / f"project-{number}", files), monkeypatch)
        roots.append(root)
        refused(patina("oxidize", "--yes"), "tiny")
        added = patina("model", "add", "tiny", "--from", "bytes")
        assert added.code == 0, added
        assert "project/tiny" in added.out
    after = kept()
    assert {**after, "models.lock": b""} == {**before, "models.lock": b""}
    records = read_lock(mothership().models_lock)
    assert {key: record for key, record in records.items() if "/" not in key} == recorded
    places = sorted(mothership().models.glob(".projects/*/tiny/model.onnx"))
    assert len(places) == 2
    assert places[0].read_bytes() != places[1].read_bytes()
    monkeypatch.chdir(roots[0])
    rows = [row for row in listed() if row["name"] == "project/tiny"]
    assert sorted(str(row["project"]) for row in rows) == sorted(map(str, roots)), rows
    verified = patina("model", "verify")
    assert verified.out.count("project/tiny") == 2
    removed = patina("model", "remove", "tiny", "--yes")
    assert removed.code == 0, removed
    assert len(list(mothership().models.glob(".projects/*/tiny/model.onnx"))) == 1
    monkeypatch.chdir(roots[1])
    assert patina("model", "verify", "tiny").code == 0
    assert user.requests == []


def test_a_model_of_a_project_is_no_model_elsewhere(user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = clone(tmp_path / "1", project_files(f"[models.tiny]\n{SHAPE}", "tiny"))
    second = clone(tmp_path / "2", project_files("", "tiny"))
    monkeypatch.chdir(first)
    assert patina("model", "add", "tiny", "--from", str(tiny_model(tmp_path / "bytes"))).code == 0
    monkeypatch.chdir(second)
    refused(patina("oxidize", "--yes"), "unknown model 'tiny'")
    for name in ("tiny", "project/tiny"):
        refused(patina("model", "verify", name), "tiny")
    assert user.requests == []


def test_bytes_that_an_older_version_shared_are_named_and_not_used(
    user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # As 9128b82 added a project's model: under its plain name, its shape not in the record.
    home = mothership()
    home.registry.write_text(f"[models.old]\n{SHAPE}")
    assert patina("model", "add", "old", "--from", str(tiny_model(tmp_path / "bytes"))).code == 0
    home.registry.unlink()
    before = kept()
    root = enter(clone(tmp_path, project_files(f"[models.old]\n{SHAPE}", "old")), monkeypatch)
    refused(patina("oxidize", "--yes"), str(home.model_folder("old")), "is not used", "patina model add old")
    assert kept() == before
    monkeypatch.chdir(tmp_path)
    [row] = [row for row in listed() if row["name"] == "old"]
    assert "not used" in str(row["description"])
    monkeypatch.chdir(root)
    assert patina("model", "add", "old", "--from", str(home.model_folder("old"))).code == 0
    assert patina("model", "verify", "old").code == 0
    monkeypatch.chdir(tmp_path)
    assert patina("model", "remove", "old", "--yes").code == 0
    assert not home.model_folder("old").exists()
    assert user.requests == []


@pytest.mark.usefixtures("user")
def test_a_table_that_only_repeats_what_the_user_says_is_no_redefinition(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reference = "hf:evil/encoder"
    with mothership().registry.open("a") as registry:
        registry.write(f'[models."{reference}"]\npooling = "mean"\n')
    assert patina("model", "add", reference).code == 0
    before = kept()
    for number, (pooling, code) in enumerate((("mean", 0), ("cls", 2))):
        config = f'[models."{reference}"]\npooling = "{pooling}"\n'
        root = clone(tmp_path / str(number), project_files(config, reference))
        monkeypatch.chdir(root)
        assert patina("model", "verify", reference).code == code
    assert kept() == before


def test_names_of_one_project_must_differ(user: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, (first, second) in enumerate(itertools.permutations(("tiny", "TINY"), 2)):
        root = clone(tmp_path / str(number), project_files(f"[models.{first}]\n{SHAPE}[models.{second}]\n{SHAPE}"))
        monkeypatch.chdir(root)
        refused(patina("model", "list"), f"[models.{second}]", "cannot redefine")
    assert user.requests == []
