"""How a stage that somebody else computed becomes one of this project: verified, then published as any other."""

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from patina_assets.pipeline.stages.embeddings import EmbeddingsStage
from patina_assets.pipeline.workspace import Workspace
from patina_assets.search.base_model import MODEL_STAGE, base_files
from patina_resources.cache.remote import CacheRefusedError
from patina_resources.cache.team_cache import TeamCache
from patina_resources.embedding.cache import EmbeddingCache, embed_with_cache
from patina_resources.errors import PatinaError, shown
from patina_resources.models.registry import ModelSpec
from patina_resources.store.artifacts import BuiltProjection, publish_stage, read_output
from patina_resources.store.manifests import Manifest, StageRecord
from patina_resources.store.paths import ProjectionPaths

# Roles become names of files. `manifest.json` is none: the manifest would be replaced by it.
_ROLE = re.compile(r"[a-z][a-z_-]{0,40}(?:\.[a-z_]{1,20}){0,2}")
_NOT_A_ROLE = frozenset({"manifest.json"})


def contents_of(
    cache: TeamCache, paths: ProjectionPaths, stage: str, record: StageRecord, manifest: Manifest
) -> dict[str, bytes]:
    """Return the verified contents of a stage, by role.

    Args:
        cache: Where they are.
        paths: The projection's files.
        stage: The stage.
        record: Its record, signed by an accepted key.
        manifest: What the projection has already: no other stage's file may be replaced.

    Raises:
        CacheRefusedError: A content is not what the record names, or a role is none that a stage of this name may have.
        CacheUnavailableError: The store cannot be read.
    """
    others = {role for name, other in manifest.items() if name != stage for role in other.outputs}
    for role, output in record.outputs.items():
        # The files of a model that is built here have no prefix.
        names = {f"{paths.name}.{role}", *([role] if stage == MODEL_STAGE else [])}
        if not _ROLE.fullmatch(role) or role in _NOT_A_ROLE or role in others or output.file not in names:
            named = shown(output.file)
            raise CacheRefusedError(f"{paths.name}/{stage}: the cache names a file {named}: it was not used")
    return {role: cache.content(output.sha256, output.bytes) for role, output in record.outputs.items()}


def adopt(paths: ProjectionPaths, stage: str, record: StageRecord, contents: Mapping[str, bytes]) -> StageRecord:
    """Publish a stage whose contents were verified; return its manifest entry. The caller holds the mutex.

    Raises:
        PatinaError: Something cannot be written. What was there before is then untouched.
    """
    place_of = {role: paths.folder / record.outputs[role].file for role in contents}
    digests = {place_of[role]: record.outputs[role].sha256 for role in contents}
    files = {place_of[role]: data for role, data in contents.items()}
    return publish_stage(paths, stage, replace(record, outputs={}), files, digests)


def readers_of(paths: ProjectionPaths, record: StageRecord) -> dict[str, tuple[int, Callable[[], bytes]]]:
    """Return by SHA-256 (hex) the size of each content of a stage, and what reads it, verified."""
    return {
        output.sha256: (output.bytes, partial(read_output, paths, record, role))
        for role, output in record.outputs.items()
    }


@dataclass
class _Known:
    """Stands for a model whose vectors of some texts are known."""

    spec: ModelSpec
    row_of: Mapping[str, int]
    vectors: NDArray[np.float32]

    def embed_passages(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return float32 [n, dims]."""
        return self.vectors[[self.row_of[text] for text in texts]]


def remember_vectors(workspace: Workspace, stage: EmbeddingsStage, built: BuiltProjection) -> None:
    """Put fetched vectors into the embedding cache, so that the next build embeds only what is new.

    Vectors of models side by side are joined: those of each cannot be told, and nothing is remembered.
    """
    if len(workspace.spec.parts) != 1:
        return
    spec, texts = workspace.spec.parts[0], stage.of.texts(built)
    with suppress(PatinaError):  # it only saves time
        files = base_files(workspace.project, workspace.home, workspace.spec).parts[0]
        known = _Known(spec, {text: row for row, text in enumerate(texts)}, stage.vectors(built))
        with EmbeddingCache(workspace.project.embedding_cache(spec.name)) as cache:
            embed_with_cache(cache, known, files.digest, texts)
