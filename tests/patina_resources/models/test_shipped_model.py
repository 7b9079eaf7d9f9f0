"""english-static, the model that comes with Patina: added without network, and it knows words that a project lacks."""

import shutil
from importlib.resources import files
from pathlib import Path

import numpy as np
import pytest
from refusals import refusal

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.add import sources
from patina_resources.models.add.add import add_model
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import EMBEDDED, ENGLISH_STATIC
from patina_resources.models.registry_files import load_registry
from patina_resources.models.status import missing_shipped, model_row
from patina_resources.store.mothership import Mothership


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Mothership:
    """Return an empty cache, and no network to fill it from."""
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return Mothership(tmp_path / "mothership")


def test_it_is_added_without_network(home: Mothership) -> None:
    registry = load_registry(home)
    assert missing_shipped(home, registry, EMBEDDED) == [ENGLISH_STATIC]
    added = add_model(home, registry, ENGLISH_STATIC)
    assert (added.kind, added.pin) == ("shipped", "met")
    assert missing_shipped(home, registry, EMBEDDED) == []
    row = model_row(home, registry, ENGLISH_STATIC)
    assert (row.state, row.pin, row.command) == ("ready", "pinned", "")
    assert row.origin.startswith("comes with Patina")


def test_words_of_one_meaning_are_near(home: Mothership) -> None:
    registry = load_registry(home)
    spec = add_model(home, registry, ENGLISH_STATIC).spec
    embedder = OnnxEmbedder(spec, cached_model(home, spec))
    texts = ["delete the folder", "removeDirectory", "purple_banana"]
    vectors = np.asarray(embedder.embed_passages(texts), np.float32)
    assert vectors.shape == (3, spec.dims)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-3)
    near, far = vectors[0] @ vectors[1], vectors[0] @ vectors[2]
    assert near > far + 0.2
    assert not np.asarray(embedder.embed_passages(["… ¿?"])).any()


def test_a_damaged_installation_is_refused(home: Mothership, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    there = Path(str(files("patina_resources.models"))) / "shipped"
    shutil.copytree(there, tmp_path / "installed" / "shipped")
    tokenizer = tmp_path / "installed" / "shipped" / ENGLISH_STATIC / "tokenizer.json"
    tokenizer.write_text(tokenizer.read_text().replace('"the"', '"teh"', 1))
    monkeypatch.setattr(sources, "files", lambda _: tmp_path / "installed")
    said = refusal(lambda: add_model(home, load_registry(home), ENGLISH_STATIC))
    assert "not the files that the registry pins" in said
    assert model_row(home, load_registry(home), ENGLISH_STATIC).state == "not added"
