"""Settings that anybody may have edited, or that a fault has changed: each is read, or refused in one line."""

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from fixed_examples import FIXED
from hypothesis import example, given
from hypothesis import strategies as st
from odd_documents import mutated, toml_text
from refusals import refusal

from patina_assets.pairs.types import pair_types_by_source
from patina_assets.pipeline.lock import compose_lock
from patina_assets.recipe.reader import read_recipe
from patina_assets.search.searcher import Searcher
from patina_resources.documents.toml_file import read_toml
from patina_resources.errors import PatinaError
from patina_resources.materialize.notes.session_header import read_header
from patina_resources.models.lock import read_lock
from patina_resources.models.registry_files import load_registry
from patina_resources.project.config import read_config
from patina_resources.project.project import Project, find_project
from patina_resources.store.manifests import find_manifest
from patina_resources.store.mothership import Mothership

RECIPE = {
    "version": 2,
    "embedding_model": "corpus-static",
    "projections": {
        "semantic": {"layers": [32, 16], "epochs": 2, "batch_size": 64},
        "temporal": {
            "type": "dimension",
            "layers": [384, 32, 16],
            "training": {
                "source": "git.co_changes", "pair_type": "co_changed", "epochs": 2, "learning_rate": 0.001, "seed": 1,
            },
        },
    },
}  # fmt: skip


CONFIG = {
    "project": {"name": "demo"},
    "embeddings": {"model": "mine"},
    "eventlog": {"path": "patina.db"},
    "sessions": {"globs": ["notes/*.md"]},
    "automation": {"sensor": True, "cron": "0 3 * * *", "interval_seconds": 10, "webhook": "https://example.org/hook"},
    "models": {
        "mine": {"dims": 8, "max_tokens": 16, "pooling": "mean", "hub": {"repository": "a/b", "int8": "m.onnx"}}
    },
}


REGISTRY = {"models": {"mine": {"dims": 8, "max_tokens": 16, "pooling": "mean", "aliases": ["my-own"],
                                "size_mb": {"int8": 3}}, "hf:a/b": {"pooling": "cls"}}}  # fmt: skip


RECORD = {"downloaded": "2025-01-01T00:00:00Z", "source_model": "x", "source_tokenizer": "y", "sha256_model": "a" * 64,
          "sha256_tokenizer": "b" * 64, "size_bytes": 5, "dimensions": 8, "max_tokens": 16,
          "pooling": "mean"}  # fmt: skip


LOCK = {"embedding_model": "corpus-static", "projections": {"semantic": {"weights_hash": "a"}}}


OUTPUT = {"file": "semantic.usearch", "sha256": "c" * 64, "bytes": 5}


def _stage(facts: dict[str, Any]) -> dict[str, Any]:
    inputs = {"model": {"value": "m"}, "git.commits": {"value": "s", "rows": 5}}
    return {"fingerprint": "f", "inputs": inputs, "digest": "d", "outputs": {"usearch": OUTPUT}, "facts": facts,
            "built_at": "2025-01-01T00:00:00Z"}  # fmt: skip


MANIFEST = {
    "version": 1,
    "stages": {
        "pairs": _stage({"samples": [["a", "b", "c"]]}),
        "embeddings": _stage({"texts": 5}),
        "weights": _stage(
            {
                "metrics": {"mrr": 0.5},
                "evaluation": [{"vectors": "base", "mrr": 0.5, "mrr_low": 0.4, "mrr_high": 0.6}],
                "best_epoch": 2,
            }
        ),
        "index": _stage({"items": 5, "index_bytes": 5, "recall_at_10": 1.0}),
    },
}


@contextmanager
def written(content: bytes, name: str = "file") -> Iterator[Path]:
    """Give a file of these bytes."""
    with TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def tolerates(read: Callable[[Path], object], content: bytes) -> None:
    """Check that a reader returns a value, or refuses in one short line."""
    with written(content) as path:
        try:
            read(path)
        except PatinaError as error:
            sentence = str(error)
            assert sentence.strip()
            assert len(sentence.splitlines()) == 1, sentence
            assert len(sentence) < 3000, len(sentence)
            sentence.encode()


def _recipe(path: Path) -> object:
    return read_recipe(path, pair_types_by_source())


def _registry(path: Path) -> object:
    path.rename(path.with_name("registry.toml"))
    return load_registry(Mothership(path.parent))


def _registry_of_project(path: Path) -> object:
    config = read_config(path)
    return load_registry(Mothership(path.parent / "home"), Project(path.parent, config))


def _models_lock(path: Path) -> object:
    path.rename(path.with_name("models.lock"))
    return load_registry(Mothership(path.parent)), read_lock(path.with_name("models.lock"))


def _searcher(path: Path) -> object:
    project = find_project(_project_around(path).root)
    return Searcher(project).search("anything")


def _project_around(path: Path) -> Project:
    (path.parent / ".patina" / "data").mkdir(parents=True)
    path.rename(path.parent / ".patina" / "data" / "oxidize.lock")
    return find_project(path.parent)


def _manifest(path: Path) -> object:
    with written(yaml.safe_dump(RECIPE).encode()) as recipe:
        return compose_lock(read_recipe(recipe, pair_types_by_source()), "m", {"semantic": find_manifest(path).stages})


READERS: dict[str, tuple[Callable[[Path], object], Callable[[dict[str, Any]], str], dict[str, Any]]] = {
    "recipe": (_recipe, lambda document: yaml.safe_dump(document, allow_unicode=True), RECIPE),
    "config": (_registry_of_project, toml_text, CONFIG),
    "registry": (_registry, toml_text, REGISTRY),
    "models.lock": (_models_lock, toml_text, {"mine": RECORD, "hf--a--b": RECORD}),
    "oxidize.lock": (_searcher, lambda document: yaml.safe_dump(document, allow_unicode=True), LOCK),
    "manifest": (_manifest, json.dumps, MANIFEST),
}


@pytest.mark.parametrize("name", READERS)
def test_the_documents_that_are_changed_are_valid(name: str, tmp_path: Path) -> None:
    read, text, document = READERS[name]
    path = tmp_path / "file"
    path.write_text(text(document))
    if name == "oxidize.lock":
        assert "is not built" in refusal(lambda: read(path))
    else:
        assert read(path)


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_are_read_or_refused(name: str) -> None:
    read = READERS[name][0]

    @FIXED
    @given(st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode("utf-8", "surrogatepass")))
    @example(b"")
    @example(b"\xef\xbb\xbf")
    @example(b"\xff\xfe\0")
    @example(b"\0" * 100)
    @example(b"\x80")
    @example(b"[" * 100_000)
    @example(b"{" * 100_000)
    @example(b'{"a":' * 50_000)
    @example(b"- " * 50_000)
    @example(b"a: " * 3)
    @example(b"a = " + b"9" * 5000)
    @example(b"a = 0x" + b"f" * 5000)
    @example(b"[automation]\nsensor = 0x" + b"f" * 5000)
    @example(b"version: " + b"9" * 5000)
    @example(b"x" * (1 << 20) + b"yz")
    @example(b'"\\U99999999"')
    @example(b'"\\uD800": 1\n')
    @example(b'"a\\nb" = 1\n["c\\nd"]\n')
    @example(b'[models."a\\nb"]\n')
    @example(b"a = 1\na = 2\n")
    @example(b"[a]\n[a]\n")
    @example(b"a: 1\na: 2\n")
    @example(b"%YAML 99999999999999999999999.1\n---\na")
    @example(b"a: &a [x, *a]\n")
    @example(b"!!python/object/apply:os.system [echo]\n")
    def any_bytes(content: bytes) -> None:
        tolerates(read, content)

    any_bytes()


@pytest.mark.parametrize("name", READERS)
def test_a_valid_file_with_odd_changes_is_read_or_refused(name: str) -> None:
    read, text, document = READERS[name]

    @FIXED
    @given(mutated(document))
    def changed(mutant: dict[str, Any]) -> None:
        tolerates(read, text(mutant).encode("utf-8", "surrogatepass"))

    changed()


@pytest.mark.parametrize("name", READERS)
def test_a_file_with_damaged_bytes_is_read_or_refused(name: str) -> None:
    read, text, document = READERS[name]
    whole = text(document).encode()

    @FIXED
    @given(st.integers(0, len(whole)), st.integers(0, 20), st.binary(max_size=8))
    def damaged(start: int, length: int, new: bytes) -> None:
        tolerates(read, whole[:start] + new + whole[start + length :])

    damaged()


BOMB = b"a: &a [x, x]\n" + b"".join(b"%c: &%c [*%c, *%c]\n" % (c, c, c - 1, c - 1) for c in range(98, 122))


MERGE_BOMB = b"a: &a {x: 1}\n" + b"".join(b"%c: &%c {<<: [*%c, *%c]}\n" % (c, c, c - 1, c - 1) for c in range(98, 122))


@pytest.mark.parametrize("bomb", [BOMB, MERGE_BOMB], ids=["aliases", "merge keys"])
def test_what_unfolds_to_more_than_memory_is_refused_or_never_unfolded(bomb: bytes) -> None:
    with written(bomb) as path:
        assert "anchors and aliases" in refusal(lambda: _recipe(path))
    with written(bomb) as path:
        assert "anchors and aliases" in refusal(lambda: _searcher(path))
    header = read_header(f"---\n{bomb.decode()}\n---\nbody", "name")
    assert (header.title, header.body.lines) == ("name", ["body"])


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "named pipe"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path: Path, make: Callable[[Path], None]) -> None:
    path = tmp_path / "file"
    make(path)
    for read in (_recipe, read_config, read_toml, read_lock):
        assert f"{path}: not a regular file" in refusal(lambda read=read: read(path))
