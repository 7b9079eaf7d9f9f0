"""Which base model a project uses, where its verified files are, and its embedder."""

from functools import lru_cache
from typing import TYPE_CHECKING

from patina_resources.artifacts import read_manifest, verified_path
from patina_resources.errors import PatinaError
from patina_resources.model_cache import cached_model
from patina_resources.project import Mothership, Project, ProjectionPaths
from patina_resources.registry import CORPUS_STATIC, ModelFiles, ModelSpec

if TYPE_CHECKING:  # search answers without loading what trains and parses
    from patina_assets.recipe import Recipe
    from patina_resources.embedder import OnnxEmbedder

MODEL_STAGE = "model"


def model_name(recipe: "Recipe", project: Project) -> str:
    """Return the model that a build uses: the recipe's, else config.toml's, else the embedded default."""
    return recipe.embedding_model or project.config.embedding_model or CORPUS_STATIC


def settings_text(spec: ModelSpec) -> str:
    """Return what beside the model's bytes decides a vector, as it enters a fingerprint."""
    prefixes = f"query {spec.query_prefix!r} passage {spec.passage_prefix!r}"
    return f"{spec.dims} dimensions, {spec.max_tokens} tokens, {spec.pooling} pooling, prefixes {prefixes}"


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


@lru_cache(maxsize=2)
def embedder(spec: ModelSpec, files: ModelFiles) -> "OnnxEmbedder":
    """Return the loaded model; a process loads each only once."""
    from patina_resources.embedder import OnnxEmbedder

    return OnnxEmbedder(spec, files)
