"""Small projects that are built as far as an export needs them."""

from pathlib import Path

from small_project import RECIPE, make_project, workspace_of
from tiny_models import write_sentence_folder

from patina_assets.pipeline.runner import run_model, run_stage
from patina_assets.pipeline.workspace import Workspace
from patina_resources.models.add.add import add_model
from patina_resources.models.registry import Precision
from patina_resources.models.registry_files import load_registry
from patina_resources.project.project import find_project
from patina_resources.store.mothership import mothership

TINY = """
[models.tiny]
dims = 16
max_tokens = 24
pooling = "mean"
query_prefix = "query : "
passage_prefix = "passage : "
"""
PROJECTION = "temporal"


def built_with_corpus_model(root: Path) -> Workspace:
    """Return a project whose projection `temporal` stands on the corpus model."""
    return _built(workspace_of(make_project(root)))


def built_with_tiny_bert(root: Path, original: Path, precision: Precision = "fp32") -> Workspace:
    """Return a project whose projection stands on a two-layer BERT, which is written to `original` and added."""
    return built_with_model_of(root, write_sentence_folder(original), precision)


def built_with_model_of(root: Path, folder: Path, precision: Precision = "fp32") -> Workspace:
    """Return a project whose projection stands on the model in `folder`, of 16 dimensions."""
    make_project(root, f"embedding_model: tiny\n{RECIPE}").config_file.write_text(TINY)
    project = find_project(root)
    registry = load_registry(mothership(), project)
    add_model(mothership(), registry, "tiny", precision, folder)
    return _built(workspace_of(project))


def _built(workspace: Workspace) -> Workspace:
    run_model(workspace, lambda _: None)
    for stage in ("pairs", "embeddings", "weights"):
        run_stage(workspace, PROJECTION, stage, lambda _: None)
    return workspace
