"""Recipes as text, and what is read of them."""

from pathlib import Path

import pytest

from patina_assets.recipe.model import Recipe
from patina_assets.recipe.reader import read_recipe
from patina_resources.errors import PatinaError

PAIR_TYPES = {
    "sessions.observations": ["same_session"],
    "git.co_changes": ["co_changed"],
    "code.call_graph": ["caller_callee"],
}


VERSION_1 = """\
version: 1
embedding_model: all-minilm-l6-v2
projections:
  temporal:
    type: world-model
    layers: [384, 1024, 256]
    training:
      source: git.co_changes
      pair_type: co_changed
      epochs: 10
"""


VERSION_2 = """\
version: 2
projections:
  temporal:
    layers: [1024, 256]
    training:
      source: git.co_changes
      pair_type: co_changed
      epochs: 10
      batch_size: 64
      pairs: 500
      learning_rate: 1e-3
      loss: triplet
      margin: 0
      temperature: 1
      seed: 4294967295
"""


FLAT = """\
version: 1
embedding_model: all-minilm-l6-v2
projections:
  temporal: {layers: [384, 1024, 256], epochs: 10, batch_size: 64}
"""


def read(folder: Path, text: str | bytes) -> Recipe:
    path = folder / "oxidize.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_recipe(path, PAIR_TYPES)


def error_of(folder: Path, text: str | bytes) -> str:
    with pytest.raises(PatinaError) as caught:
        read(folder, text)
    message = str(caught.value)
    assert message.isprintable(), message
    return message.removeprefix(f"{folder}/oxidize.yaml:")


HEAD = "version: 2\nprojections:"
