"""What a project's data folder holds that this installation did not build, and how the user accepts it."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from patina_resources.embedding.recovery import CACHE_NAME, FOREIGN_SUFFIX, MUTEX_WAIT_SECONDS, accept_cache
from patina_resources.errors import PatinaError
from patina_resources.materialize.git.tracked import refuse_tracked
from patina_resources.project.known_projects import known_projects, register_project
from patina_resources.project.project import Project
from patina_resources.store.artifacts import damages
from patina_resources.store.files import write_atomic
from patina_resources.store.manifests import SUFFIX, find_manifest, manifest_document
from patina_resources.store.mothership import mothership
from patina_resources.store.mutex import exclusive
from patina_resources.store.paths import ProjectionPaths
from patina_resources.store.seals import is_sealed

ForeignKind = Literal["artifacts", "vectors"]


@dataclass(frozen=True)
class Foreign:
    """Something that this installation did not build.

    Attributes:
        kind: Artifacts with a manifest, or an embedding cache.
        path: The manifest, or the cache.
        built_by: The installation that its manifest names; empty for an older version, and for a cache.
        built_at: UTC time of the last build (ISO 8601), or empty.
        bytes: Size of all its files.
        damages: What is wrong with its files.
    """

    kind: ForeignKind
    path: Path
    built_by: str = ""
    built_at: str = ""
    bytes: int = field(kw_only=True)
    damages: tuple[str, ...] = ()


def admit(project: Project) -> list[str]:
    """Prepare a project to be built in, and return what the user has to know of it, a sentence each.

    What an older version of Patina built for this user is taken over, once: the user's list of projects names it.

    Raises:
        PatinaError: Git tracks derived files, or something cannot be written.
    """
    refuse_tracked(project.root)
    project.refuse_unwritable()
    home = mothership()
    older = of_older_version(project)
    accept(project, older)
    register_project(home, project.root)
    taken_over = f"{project.root}: built by an older version of Patina: its artifacts and vectors are taken over"
    return [taken_over] if older else []


def of_older_version(project: Project) -> list[Foreign]:
    """Return what a version without keyed digests built here for this user, before this one came for the first time."""
    home = mothership()
    if home.project_folder(project.root).exists() or project.root.absolute() not in known_projects(home):
        return []
    found = foreign_in(project)
    builders = {entry.built_by for entry in found if entry.kind == "artifacts"}
    return found if builders == {""} else []


def foreign_in(project: Project) -> list[Foreign]:
    """Return what another installation built in a project, by path.

    Raises:
        PatinaError: The data folder cannot be read.
    """
    manifests = (_foreign_artifacts(path) for path in sorted(project.data.glob(f"*/**/*{SUFFIX}")))
    caches = (Foreign("vectors", path, bytes=path.stat().st_size) for path in _foreign_caches(project))
    return [*(entry for entry in manifests if entry is not None), *caches]


def accept(project: Project, found: list[Foreign]) -> None:
    """Make what another installation built ours: its manifests are signed, its vectors copied into caches of ours.

    Raises:
        PatinaError: Something cannot be written, or another process is building.
    """
    if not found:
        return
    with exclusive(project.mutex, MUTEX_WAIT_SECONDS, "accepting what was built elsewhere"):
        for entry in found:
            if entry.kind == "artifacts":
                name = entry.path.name.removesuffix(SUFFIX)
                write_atomic(entry.path, manifest_document(name, find_manifest(entry.path).stages))
            else:
                accept_cache(entry.path)


def _foreign_artifacts(path: Path) -> Foreign | None:
    try:
        manifest = find_manifest(path)
    except PatinaError:  # the plan says that it is damaged
        return None
    if manifest.ours:
        return None
    paths = ProjectionPaths(path.parent, path.name.removesuffix(SUFFIX))
    outputs = [output for record in manifest.stages.values() for output in record.outputs.values()]
    return Foreign(
        "artifacts",
        path,
        manifest.built_by,
        max((record.built_at for record in manifest.stages.values()), default=""),
        tuple(str(damage) for record in manifest.stages.values() for damage in damages(paths, record)),
        bytes=sum(output.bytes for output in outputs),
    )


def _foreign_caches(project: Project) -> Iterator[Path]:
    for path in sorted(project.data.glob(f"embeddings/*/{CACHE_NAME}")):
        if not is_sealed(path):
            yield path
    yield from sorted(project.data.glob(f"embeddings/*/{CACHE_NAME}{FOREIGN_SUFFIX}"))
