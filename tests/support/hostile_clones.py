"""Repositories of an attacker, cloned by git, and a user's mothership with models that must stay as they are."""

import json
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest
from hub_server import Hub
from small_project import Ran, patina
from tiny_models import VOCABULARY, write_encoder, write_sentence_folder, write_tokenizer

from patina_resources.store.mothership import mothership

SHIPPED = "all-minilm-l6-v2"
# What a user may have: a model of the registry, one of their own registry.toml, one that they named in `model add`.
REGISTRY = """[models.mine]
dims = 16
max_tokens = 32
pooling = "mean"
aliases = ["my-own"]
"""
RECIPE = """version: 2
embedding_model: {model}
projections:
  temporal:
    layers: [16, 8]
    training: {{source: git.co_changes, pair_type: co_changed, epochs: 1, pairs: 200}}
"""
EVIL = "evil/encoder"
EVIL_PLACE = f'hub = {{ repository = "{EVIL}", int8 = "onnx/model_quantized.onnx", fp32 = "onnx/model.onnx" }}\n'
SHAPE = 'dims = 16\nmax_tokens = 32\npooling = "mean"\n'


@dataclass(frozen=True)
class Link:
    """A symbolic link in a repository."""

    target: str


Files = dict[str, bytes | str | Link]


def tiny_model(folder: Path, dims: int = 16, seed: int = 0, **options: bool) -> Path:
    """Write a model of a few kilobytes."""
    write_encoder(folder / "model.onnx", dims, seed, rows=len(VOCABULARY), **options)
    write_tokenizer(folder / "tokenizer.json")
    return folder


def files_of(folder: Path, below: str = "") -> dict[str, bytes]:
    """Return the files of a folder as a repository's, below another folder."""
    return {f"{below}{path.relative_to(folder)}": path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def clone(place: Path, files: Mapping[str, bytes | str | Link]) -> Path:
    """Commit files to a new repository and clone it; return the clone."""
    origin = place / "origin"
    for name, content in files.items():
        path = origin / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, Link):
            path.symlink_to(content.target)
        else:
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
    for arguments in (["init", "-q"], ["add", "-f", "."], ["commit", "-q", "-m", "one"]):
        git(origin, *arguments)
    git(place, "clone", "-q", str(origin), "clone")
    return place / "clone"


def enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a clone whose eventlog is made, so that a build gets as far as its model; return the clone."""
    monkeypatch.chdir(root)
    assert patina("materialize").code == 0
    return root


def git(folder: Path, *arguments: str) -> None:
    """Run git as somebody."""
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True)


def project_files(config: str, model: str = "corpus-static") -> Files:
    """Return the files of a project with these settings, whose recipe names a model."""
    source = {f"src/{name}.py": f"def {name}():\n    return 1\n" for name in ("lock", "cache", "search")}
    return {**source, ".patina/config.toml": config, ".patina/oxidize.yaml": RECIPE.format(model=model)}


def add_trusted_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the user's mothership three models."""
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    mothership().home.mkdir(parents=True, exist_ok=True)
    mothership().registry.write_text(REGISTRY)
    for name, dims in ((SHIPPED, 384), ("mine", 16)):
        added = patina("model", "add", name, "--from", str(tiny_model(tmp_path / name, dims, seed=1)))
        assert added.code == 0, added
    added = patina("model", "add", "named", "--from", str(write_sentence_folder(tmp_path / "named")))
    assert added.code == 0, added


def publish_evil(hub: Hub, folder: Path) -> None:
    """Put the attacker's model on the hub."""
    for precision, quantized in (("model", False), ("model_quantized", True)):
        write_encoder(folder / "onnx" / f"{precision}.onnx", 16, 9, quantized=quantized, rows=len(VOCABULARY))
    write_tokenizer(folder / "tokenizer.json")
    hub.add_folder(EVIL, folder)


def kept(home: Path | None = None) -> dict[str, bytes]:
    """Return what of a mothership must stay as it is: registry, models.lock, and every file of every shared model."""
    place = home or mothership().home
    found = {
        str(path.relative_to(place)): path.read_bytes()
        for path in place.rglob("*")
        if path.is_file() and path.suffix != ".mutex" and not {".projects", "projects"} & set(path.parts)
    }
    found.pop("projects.txt", None)
    return found


def refused(ran: Ran, *words: str) -> None:
    """Assert exit code 2 and one sentence on stderr with the words, and no traceback."""
    assert ran.code == 2, ran
    assert "Traceback" not in ran.err, ran.err
    assert ran.err.strip().splitlines()[-1].startswith("patina: "), ran.err
    for word in words:
        assert word in ran.err, ran.err


def listed() -> list[dict[str, object]]:
    """Return the rows of `patina model list --json`."""
    ran = patina("model", "list", "--json")
    assert ran.code == 0, ran
    rows: list[dict[str, object]] = json.loads(ran.out)
    return rows
