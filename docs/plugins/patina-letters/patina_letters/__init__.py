"""`letters`: a base model whose files come with this package. `make_model.py` beside it has written them.

A model of the hub has `hub=HubSource("organisation/name", revision, ...)` instead of `shipped` and `folder`.
"""

from pathlib import Path

from patina_resources.models.registry import ModelSpec, RegistryEntry, ShippedSource

LETTERS = RegistryEntry(
    ModelSpec("letters", dims=32, max_tokens=256, pooling="mean"),
    description="which letters a text has",
    licence="MIT",
    # Checked when the model is added, and before each load.
    shipped=ShippedSource(
        sha256_model="d2b879737826048288da8a4289935efaf2af576508dd203c3bd7acab67616f6e",
        sha256_tokenizer="b54dbed3572e21b38f1fb90bdddd14921951c1f4413661765a70a5593b0b3f12",
    ),
    folder=Path(__file__).parent,
)
