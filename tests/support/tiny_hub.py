"""A hub on loopback with one tiny encoder in both precisions, and the registry entry `tiny` that names it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hub_server import Hub, running_hub
from tiny_models import write_encoder, write_tokenizer

from patina_resources.models.add import hub as client
from patina_resources.models.registry import Registry
from patina_resources.models.registry_files import load_registry
from patina_resources.project.config import ProjectConfig
from patina_resources.project.project import Project
from patina_resources.store.mothership import Mothership

REPOSITORY = "tiny/encoder"
PLACE = {"repository": REPOSITORY, "int8": "onnx/model_quantized.onnx", "fp32": "onnx/model.onnx"}
TABLE = {"dims": 16, "max_tokens": 32, "pooling": "mean", "query_prefix": "query : ", "hub": PLACE}


@contextmanager
def tiny_hub(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """Serve the encoder until the block ends, and let the client ask this hub only, once each time."""
    monkeypatch.setattr(client, "RETRY_WAITS", ())
    monkeypatch.delenv("HF_TOKEN", raising=False)
    write_encoder(folder / "onnx" / "model.onnx", seed=1)
    write_encoder(folder / "onnx" / "model_quantized.onnx", seed=1, quantized=True)
    write_tokenizer(folder / "tokenizer.json")
    with running_hub() as running:
        running.add_folder(REPOSITORY, folder)
        monkeypatch.setenv("HF_ENDPOINT", running.url)
        yield running


def tiny_registry(home: Mothership, **changes: object) -> Registry:
    """Return the registry with `tiny`, its table changed as told."""
    return user_registry(home, {"tiny": {**TABLE, **changes}})


def user_registry(home: Mothership, tables: Mapping[str, Mapping[str, object]]) -> Registry:
    """Return the registry with tables of the user's own."""
    home.home.mkdir(parents=True, exist_ok=True)
    home.registry.write_text(registry_text(tables))
    return load_registry(home)


def project_registry(home: Mothership, tables: Mapping[str, Any], root: Path) -> Registry:
    """Return the registry as a project with these tables sees it."""
    return load_registry(home, Project(root, ProjectConfig(models=tables)))


def registry_text(tables: Mapping[str, Mapping[str, object]]) -> str:
    """Return tables as TOML."""
    return "".join(
        f"[models.{json.dumps(name)}]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in table.items())
        for name, table in tables.items()
    )


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(entry)}" for key, entry in value.items()) + "}"
    return json.dumps(value)


def in_cache(home: Mothership) -> list[str]:
    """Return the names of all files in the cache but mutexes."""
    files = (path for path in home.models.rglob("*") if path.is_file() and path.suffix != ".mutex")
    return sorted(path.relative_to(home.models).as_posix() for path in files)
