"""A project whose base model is two models side by side."""

import re
from pathlib import Path

from small_project import patina
from tiny_models import write_sentence_folder

from patina_resources.project.project import Project

NAME = "tiny+corpus-static"


RECIPE = f"""version: 2
embedding_model: {NAME}
projections:
  temporal:
    layers: [400, 32, 16]
    training: {{source: git.co_changes, pair_type: co_changed, epochs: 1, pairs: 200}}
"""


REGISTRY = """[models.tiny]
aliases = ["small"]
dims = 16
max_tokens = 24
pooling = "mean"
query_prefix = "query : "
passage_prefix = "passage : "

[models.other]
dims = 16
max_tokens = 24
pooling = "mean"
"""


def add(name: str, folder: Path, seed: int) -> None:
    """Add a tiny seeded BERT."""
    ran = patina("model", "add", name, "--precision", "fp32", "--from", str(write_sentence_folder(folder, seed)))
    assert ran.code == 0, ran


def swap(project: Project, model: str) -> None:
    """Name another base model in the recipe, with layers that ask the model for the input."""
    text = re.sub("embedding_model: .*", f"embedding_model: {model}", project.recipe.read_text())
    project.recipe.write_text(text.replace("[400, 32, 16]", "[32, 16]"))
