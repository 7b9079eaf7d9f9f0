"""Which base model a project uses, where its verified files are, and how texts become its vectors."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec, joint_settings, resolve_base, side_by_side
from patina_resources.errors import PatinaError
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import CORPUS_STATIC, ENGLISH_STATIC, ModelFiles, ModelSpec, Registry
from patina_resources.project.project import Project
from patina_resources.store.artifacts import verified_path
from patina_resources.store.known_files import KnownFiles
from patina_resources.store.manifests import read_manifest
from patina_resources.store.mothership import Mothership
from patina_resources.store.paths import ProjectionPaths

if TYPE_CHECKING:  # search answers without loading what trains and parses
    from patina_assets.recipe.model import Recipe
    from patina_resources.embedding.cache import EmbeddingResult
    from patina_resources.embedding.embedder import OnnxEmbedder, OnProgress

MODEL_STAGE = "model"
# Models that look words up.
STATIC_MODELS = frozenset({CORPUS_STATIC, ENGLISH_STATIC})
# What such a model counts in a question, beside one that knows what words mean together (docs/search.md).
WORDS_SHARE = 0.5
# Where projects kept their models before there was a mothership.
OLD_MODELS = Path("resources") / "models"
# By place: what a build has replaced is asked for no more, and takes as much memory as what replaced it.
_LOADED: "KnownFiles[tuple[ModelFiles, OnnxEmbedder]]" = KnownFiles(most=4)


@dataclass(frozen=True)
class EmbeddedTexts:
    """Texts as the base model sees them.

    Attributes:
        vectors: float32 [n, dims], rows of unit length or of zeros, in the order of the texts.
        new: By name of each model, how many unique texts were not in its cache.
        seconds: Time spent embedding and storing the new ones.
    """

    vectors: NDArray[np.float32]
    new: dict[str, int]
    seconds: float


def model_name(recipe: "Recipe", project: Project) -> str:
    """Return the model that a build uses: the recipe's, else config.toml's, else the embedded default."""
    return recipe.embedding_model or project.config.embedding_model or CORPUS_STATIC


def is_static(spec: BaseSpec) -> bool:
    """Return whether a base model knows words alone, and not what they mean together."""
    return all(part.name in STATIC_MODELS for part in spec.parts)


def asked_with(spec: BaseSpec, vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return a question's vector as passages are asked with it, float32 [dims], of unit length or zeros.

    Beside a model that knows what words mean together, one that knows words alone counts less: words are looked for
    already.

    Args:
        spec: The base model.
        vector: From `embed_query`.
    """
    if len(spec.parts) == 1 or is_static(spec):
        return vector
    shares = [WORDS_SHARE if part.name in STATIC_MODELS else 1.0 for part in spec.parts]
    weighted = vector * np.repeat(np.asarray(shares, np.float32), [part.dims for part in spec.parts])
    length = float(np.linalg.norm(weighted))
    return weighted / np.float32(length) if length else weighted


def base_model(recipe: "Recipe", project: Project, registry: Registry) -> BaseSpec:
    """Return the spec of the model that a build uses.

    Raises:
        PatinaError: It, or a part of it, is unknown or given twice; names the file and the key.
    """
    try:
        spec = resolve_base(registry, model_name(recipe, project))
    except PatinaError as error:
        if recipe.embedding_model is not None:
            raise recipe.model_error(str(error)) from error
        raise PatinaError(f"{project.config_file}: [embeddings] model: {error}") from error
    device = project.config.embedding_device
    # The model that is built here looks words up: there is nothing to compute.
    return BaseSpec(tuple(part if part.name == CORPUS_STATIC else replace(part, device=device) for part in spec.parts))


def settings_text(spec: ModelSpec) -> str:
    """Return what beside the model's bytes decides a vector, as it enters a fingerprint."""
    prefixes = f"query {spec.query_prefix!r} passage {spec.passage_prefix!r}"
    device = "" if spec.device == "cpu" else f", on {spec.device}"
    return f"{spec.dims} dimensions, {spec.max_tokens} tokens, {spec.pooling} pooling, prefixes {prefixes}{device}"


def base_settings(spec: BaseSpec) -> str:
    """Return the settings of a base model: of models side by side, each one's with its name."""
    return joint_settings({part.name: settings_text(part) for part in spec.parts})


def corpus_model_paths(project: Project) -> ProjectionPaths:
    """Return the files of the model that is built from the project's own texts."""
    return ProjectionPaths(project.corpus_model_folder(), "model")


def model_files(project: Project, mothership: Mothership, spec: ModelSpec) -> ModelFiles:
    """Return the verified files of the model.

    Raises:
        PatinaError: They are missing or damaged.
    """
    if spec.name != CORPUS_STATIC:
        return cached_model(mothership, spec)
    paths = corpus_model_paths(project)
    record = read_manifest(paths.manifest).get(MODEL_STAGE)
    if record is None:
        raise PatinaError(f"the {CORPUS_STATIC} model is not built: run `patina oxidize`")
    onnx, tokenizer = (verified_path(paths, record, role) for role in ("onnx", "tokenizer.json"))
    return ModelFiles(onnx, tokenizer, record.digest)


def base_files(project: Project, mothership: Mothership, spec: BaseSpec) -> BaseFiles:
    """Return the verified files of every model that stands in the base model.

    Raises:
        PatinaError: Some are missing or damaged.
    """
    return BaseFiles(tuple(model_files(project, mothership, part) for part in spec.parts))


def embed_query(spec: BaseSpec, files: BaseFiles, query: str) -> NDArray[np.float32]:
    """Return the vector of a search query: float32 [dims], of unit length; zeros where no model knows a word of it."""
    # One text is done before a GPU has begun. Its last digits, which differ there, decide no result.
    parts = zip((replace(part, device="cpu") for part in spec.parts), files.parts, strict=True)
    vectors = side_by_side([embedder(part, own).embed_query(query)[None, :] for part, own in parts])
    return vectors.reshape(spec.dims)


def embed_texts(
    project: Project,
    spec: BaseSpec,
    files: BaseFiles,
    texts: Sequence[str],
    progress: Callable[[str], "OnProgress"],
    warn: Callable[[str], None],
    *,
    few: bool = False,
) -> EmbeddedTexts:
    """Return the texts' vectors; each model embeds only what its own cache does not hold.

    So a model's vectors serve wherever it stands: alone, or beside any other. A damaged cache is put aside, and its
    texts are embedded again.

    Args:
        project: Holds the caches.
        spec: The base model.
        files: Its files.
        texts: Passages, without prefixes.
        progress: Returns, for a model's name, what is called with (new texts done, new texts in all).
        warn: Told of a damaged cache.
        few: There are so few texts that models which look words up embed them in less time than their caches take.

    Raises:
        PatinaError: A cache cannot be written or moved, or a model fails.
    """
    from patina_resources.embedding.recovery import (
        DAMAGED_SUFFIX,
        FOREIGN_SUFFIX,
        DamagedCacheError,
        ForeignCacheError,
        put_aside,
    )

    vectors, new, seconds = [], {}, 0.0
    for part, own in zip(spec.parts, files.parts, strict=True):
        if few and part.name in STATIC_MODELS:
            started = time.monotonic()
            vectors.append(embedder(part, own).embed_passages(texts))
            new[part.name] = len(texts)
            seconds += time.monotonic() - started
            progress(part.name)(len(texts), len(texts))
            continue
        path = project.embedding_cache(part.name)
        try:
            result = _embed_cached(path, part, own, texts, progress(part.name))
        except DamagedCacheError as error:
            warn(f"the embedding cache was damaged and is now {put_aside(path, DAMAGED_SUFFIX)} ({error})")
            result = _embed_cached(path, part, own, texts, progress(part.name))
        except ForeignCacheError:
            aside = put_aside(path, FOREIGN_SUFFIX)
            warn(f"the embedding cache was filled elsewhere and is now {aside}: `patina trust` takes its vectors over")
            result = _embed_cached(path, part, own, texts, progress(part.name))
        vectors.append(result.vectors)
        new[part.name] = result.new
        seconds += result.seconds
    return EmbeddedTexts(side_by_side(vectors), new, seconds)


def _embed_cached(
    path: Path, spec: ModelSpec, files: ModelFiles, texts: Sequence[str], progress: "OnProgress"
) -> "EmbeddingResult":
    from patina_resources.embedding.cache import EmbeddingCache, embed_with_cache

    with EmbeddingCache(path) as cache:
        return embed_with_cache(cache, embedder(spec, files), files.digest, texts, progress)


def embedder(spec: ModelSpec, files: ModelFiles) -> "OnnxEmbedder":
    """Return the loaded model; a process loads each only once."""
    from patina_resources.embedding.embedder import OnnxEmbedder

    place = (spec, files.onnx)
    known = _LOADED.get(place)
    if known is not None and known[0] == files:
        return known[1]
    loaded = OnnxEmbedder(spec, files)
    _LOADED.put(place, (files, loaded))
    return loaded
