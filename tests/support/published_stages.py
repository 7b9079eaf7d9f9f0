"""Stages of a projection as they are published, and their files."""

from dataclasses import replace
from typing import Any

from patina_resources.store.artifacts import (
    publish_stage,
    read_outputs,
)
from patina_resources.store.files import (
    sha256,
)
from patina_resources.store.manifests import (
    StageInput,
    StageRecord,
)
from patina_resources.store.paths import ProjectionPaths

OLD = {"usearch": b"old index", "search.db": b"old items"}


NEW = {"usearch": b"new index, longer", "search.db": b"new items"}


ROLES = ("usearch", "search.db")


def publish(paths: ProjectionPaths, contents: dict[str, bytes], stage: str = "index", **changes: Any) -> StageRecord:
    digest = sha256(repr(contents).encode())
    record = StageRecord(f"fingerprint of {digest}", {"git.co_changes": StageInput("5e", 7)}, digest, {}, {"items": 3})
    files = {paths.folder / f"{paths.name}.{role}": content for role, content in contents.items()}
    return publish_stage(paths, stage, replace(record, **changes), files)


def contents_of(paths: ProjectionPaths, stage: str = "index") -> dict[str, bytes]:
    return dict(zip(ROLES, read_outputs(paths, stage, ROLES)[1], strict=True))
