"""Fleets of small repositories."""

import shutil
from pathlib import Path

import pytest
from made_once import made_once
from materialize_helpers import GitFolder
from small_project import patina

from patina_resources.store.mothership import mothership

SUBJECTS = {"alpha": "Limit the requests of a tenant", "beta": "Recover from a missing bracket", "gamma": "Round cents"}
BASE_ALONE = "version: 2\nprojections: {}\n"


def make_repository(folder: Path, name: str, subject: str) -> GitFolder:
    """Return a repository with two commits."""
    repository = GitFolder(folder / name)
    repository.write(f"src/{name}.py", f"def first_of_{name}():\n    return '{name}'\n")
    repository.commit(f"Begin {name}")
    repository.write("src/last.py", f"def last():\n    return '{subject}'\n")
    repository.commit(subject)
    return repository


def make_fleet(folder: Path, settings: str = "", *, is_built: bool = False) -> tuple[Path, dict[str, GitFolder]]:
    """Return a fleet.toml and the three repositories that it names.

    Args:
        folder: Where they are made.
        settings: More lines of the table `[fleet]`.
        is_built: Give this user what one `patina fleet run` has built, and its model; nothing of it is published.
    """
    repositories = {name: make_repository(folder / "origins", name, subject) for name, subject in SUBJECTS.items()}
    if is_built:
        shutil.copytree(_built() / "kept", folder / "kept", symlinks=True, dirs_exist_ok=True)
        shutil.copytree(_built() / "home", mothership().home, dirs_exist_ok=True)
    file = folder / "fleet.toml"
    # A second process that builds costs a second to start, and takes three small repositories no sooner.
    file.write_text(
        f'[fleet]\nfolder = "{folder}/kept"\nworkers = 1\n{settings}\n[defaults]\nmodel = "english-static"\n'
        f'groups = ["staff"]\n[[folders]]\npath = "{folder}/origins"\n'
    )
    return file, repositories


def _built() -> Path:
    return made_once("fleet", _build)


def _build(folder: Path) -> None:
    file, _ = make_fleet(folder)
    with pytest.MonkeyPatch.context() as environment:
        environment.delenv("PATINA_FLEET_DATABASE", raising=False)
        assert patina("fleet", "run", "--file", str(file)).code == 0


def artifacts_of(root: Path) -> dict[str, bytes]:
    """Return the contents of a checkout's artifacts by path; manifests carry the key of the installation."""
    kinds = (".jsonl", ".safetensors", ".onnx", ".usearch", ".db")
    data = root / ".patina" / "data"
    found = (path for path in sorted((data / "embeddings").rglob("*")) if path.suffix in kinds)
    return {str(path.relative_to(data)): path.read_bytes() for path in found if path.name != "cache.db"}


def compare_with_one_run(folder: Path, *names: str) -> None:
    """Assert that a fleet's artifacts are those that one `patina fleet run` builds, to the last byte.

    Args:
        folder: The folder of the fleet's clones.
        names: The repositories that are compared; none for all.
    """
    for name in names or SUBJECTS:
        built = artifacts_of(folder / "projects" / name)
        assert built == artifacts_of(_built() / "kept" / "projects" / name)
        assert len(built) >= 4
