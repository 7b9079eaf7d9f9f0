"""What a project's data folder holds that its recipe does not need: found here, removed by `patina clean`."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from typing import Literal

from patina_assets.pipeline.workspace import Workspace
from patina_resources.models.registry import CORPUS_STATIC
from patina_resources.store.database import SIDE_FILES
from patina_resources.store.folders.removal import bytes_of
from patina_resources.store.manifests import SUFFIX

UnneededKind = Literal["projection", "model", "moved aside", "corpus model", "Dagster's records"]
# How files are named that were moved out of the way: `cache.db.damaged`, `base.usearch.aside2`.
_ASIDE = re.compile(r".+\.(?:aside|foreign|damaged)[0-9]*(?:-wal|-shm|-journal)?")


@dataclass(frozen=True)
class Unneeded:
    """Files that nothing asks for.

    Attributes:
        kind: Why they are there: of a projection that the recipe no longer has, of a base model that it does not use,
            moved aside as damaged or foreign, a corpus model that is not used, or Dagster's records of an older
            version.
        name: Of the projection, the model or the file.
        paths: What is removed.
        bytes: Their size.
    """

    kind: UnneededKind
    name: str
    paths: tuple[Path, ...]
    bytes: int

    @property
    def files(self) -> int:
        """How many files or folders are removed."""
        return len(self.paths)


def unneeded(workspace: Workspace) -> list[Unneeded]:
    """Return everything that the recipe does not need, each file once."""
    project = workspace.project
    found = [*_other_models(workspace), *orphans(workspace)]
    if all(part.name != CORPUS_STATIC for part in workspace.spec.parts):
        found += _of("corpus model", CORPUS_STATIC, [project.corpus_model_folder()])
    found += _of("Dagster's records", "dagster_home", [project.older_dagster_home])
    taken = {path for entry in found for path in entry.paths}
    for path in sorted(project.data.rglob("*")):
        if _ASIDE.fullmatch(path.name) and not taken & {path, *path.parents}:
            found += _of("moved aside", str(path.relative_to(project.data)), [path])
            taken.add(path)
    kept = _eventlog_places(workspace.eventlog.path)
    return [entry for entry in found if not kept.intersection(entry.paths)]


def _eventlog_places(eventlog: Path) -> set[Path]:
    """Return the files of an eventlog, and every folder above them."""
    names = {eventlog, eventlog.resolve()}
    files = {Path(f"{name}{side}") for name in names for side in ("", *SIDE_FILES)}
    return files.union(*(name.parents for name in names))


def orphans(workspace: Workspace) -> list[Unneeded]:
    """Return the projections of the present model that are built, and that the recipe no longer has."""
    folder = workspace.paths("any").folder
    known = set(workspace.names())
    names = sorted(path.name.removesuffix(SUFFIX) for path in folder.glob(f"*{SUFFIX}"))
    gone = [name for name in names if name not in known]
    return [entry for name in gone for entry in _of("projection", name, _files_of(folder, name, known))]


def _other_models(workspace: Workspace) -> Iterator[Unneeded]:
    """Yield the folders of models that are not used; of one that stands beside others, all but its vectors."""
    project = workspace.project
    used = project.embeddings_folder(workspace.spec.name)
    caches = {project.embedding_cache(part.name).parent for part in workspace.spec.parts} - {used}
    top = used.parent
    for folder in sorted(top.iterdir() if top.is_dir() else []):
        if folder in caches:
            paths = [path for path in sorted(folder.iterdir()) if not path.name.startswith("cache.db")]
            yield from _of("model", f"{folder.name} alone", paths)
        elif folder != used:
            yield from _of("model", folder.name, [folder])


def _files_of(folder: Path, name: str, known: Iterable[str]) -> list[Path]:
    """Return the files of a projection; `a.b.usearch` is not one of `a` where there is a projection `a.b`."""
    others = tuple(f"{other}." for other in known if other.startswith(f"{name}."))
    return [path for path in sorted(folder.glob(f"{escape(name)}.*")) if not (others and path.name.startswith(others))]


def _of(kind: UnneededKind, name: str, paths: Iterable[Path]) -> list[Unneeded]:
    there = tuple(path for path in paths if path.exists())
    return [Unneeded(kind, name, there, sum(bytes_of(path) for path in there))] if there else []
