"""Fleets of small repositories."""

from pathlib import Path

from materialize_helpers import GitFolder

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


def make_fleet(folder: Path, settings: str = "") -> tuple[Path, dict[str, GitFolder]]:
    """Return a fleet.toml and the three repositories that it names."""
    repositories = {name: make_repository(folder / "origins", name, subject) for name, subject in SUBJECTS.items()}
    file = folder / "fleet.toml"
    # A second process that builds costs a second to start, and takes three small repositories no sooner.
    file.write_text(
        f'[fleet]\nfolder = "{folder}/kept"\nworkers = 1\n{settings}\n'
        f'[defaults]\nmodel = "english-static"\n[[folders]]\npath = "{folder}/origins"\n'
    )
    return file, repositories


def artifacts_of(root: Path) -> dict[str, bytes]:
    """Return the contents of a checkout's artifacts by path; manifests carry the key of the installation."""
    kinds = (".jsonl", ".safetensors", ".onnx", ".usearch", ".db")
    data = root / ".patina" / "data"
    found = (path for path in sorted((data / "embeddings").rglob("*")) if path.suffix in kinds)
    return {str(path.relative_to(data)): path.read_bytes() for path in found if path.name != "cache.db"}
