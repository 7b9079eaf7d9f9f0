"""Every registered model, from a hub on loopback through the same embedder: its inputs, pooling and prefixes."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hub_server import Hub, running_hub
from numpy.typing import NDArray
from tiny_hub import user_registry
from tiny_models import TEXTS, VOCABULARY, write_encoder, write_tokenizer
from tokenizers import Tokenizer

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.add.add import add_model
from patina_resources.models.cache import cached_model
from patina_resources.models.registry import ModelSpec, Precision, Registry
from patina_resources.models.registry_files import load_registry
from patina_resources.store.mothership import Mothership

ALL_INPUTS = ("input_ids", "attention_mask", "token_type_ids")
WITHOUT_TYPES = ("input_ids", "attention_mask")
NAMES = [name for name, entry in load_registry(Mothership(Path("/nonexistent"))).entries.items() if entry.hub]


@pytest.fixture(scope="module")
def hub() -> Iterator[Hub]:
    with running_hub() as running:
        yield running


def expected_vectors(spec: ModelSpec, prefix: str, tokenizer: Path, inputs: tuple[str, ...]) -> NDArray[np.float32]:
    rng = np.random.default_rng(5)
    rows, kinds = rng.normal(size=(len(VOCABULARY), spec.dims)), rng.normal(size=(2, spec.dims))
    encoder = Tokenizer.from_file(str(tokenizer))
    vectors = []
    for text in TEXTS:
        tokens = rows[encoder.encode(prefix + text).ids] + (kinds[0] if "token_type_ids" in inputs else 0)
        pooled = tokens[0] if spec.pooling == "cls" else tokens.mean(axis=0)
        vectors.append(pooled / np.linalg.norm(pooled))
    return np.array(vectors, dtype=np.float32)


@pytest.mark.parametrize("inputs", [ALL_INPUTS, WITHOUT_TYPES], ids=["with types", "without types"])
@pytest.mark.parametrize("name", NAMES)
def test_it_embeds_queries_and_passages_as_the_registry_says(
    name: str, inputs: tuple[str, ...], hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    home = Mothership(tmp_path / "mothership")
    entry = load_registry(home).entry(name)
    assert entry.hub is not None
    tokenizer = write_tokenizer(tmp_path / "published" / "tokenizer.json")
    for precision, file in entry.hub.onnx.items():
        place = tmp_path / "published" / file
        write_encoder(place, entry.spec.dims, 5, inputs, quantized=precision == "int8", rows=len(VOCABULARY))
    hub.add_folder(entry.hub.repository, tmp_path / "published")
    # The tiny files are not the pinned ones, so the place is told again without pins.
    place = {"repository": entry.hub.repository, **entry.hub.onnx}
    registry = user_registry(home, {name: {"hub": place}})
    for precision, tolerance in (("int8", 0.1), ("fp32", 1e-5)):
        _check(home, registry, name, precision, tolerance, tokenizer, inputs)  # type: ignore[arg-type]


def _check(
    home: Mothership,
    registry: Registry,
    name: str,
    precision: Precision,
    tolerance: float,
    tokenizer: Path,
    inputs: tuple[str, ...],
) -> None:
    added = add_model(home, registry, name, precision)
    assert added.record.precision == precision
    spec = load_registry(home).resolve(name)
    embedder = OnnxEmbedder(spec, cached_model(home, spec))
    passages = expected_vectors(spec, spec.passage_prefix, tokenizer, inputs)
    queries = expected_vectors(spec, spec.query_prefix, tokenizer, inputs)
    assert np.abs(embedder.embed_passages(TEXTS) - passages).max() < tolerance
    assert np.abs(np.array([embedder.embed_query(text) for text in TEXTS]) - queries).max() < tolerance
