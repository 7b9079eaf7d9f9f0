"""`patina export`: a projection with its base model as one ONNX graph, and as a sentence-transformers folder.

Models side by side have a tokenizer each, and neither form has room for two: then each model is a graph of its own, and
the projection another.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import EncodeError  # type: ignore[import-untyped]
from numpy.typing import NDArray
from onnx import numpy_helper

from patina_assets.export.export_side_by_side import facts_json, part_folders, side_by_side_contents, side_by_side_lines
from patina_assets.export.sentence_layout import (
    Contents,
    safetensors_of,
    static_contents,
    tokenizer_json,
    transformer_contents,
)
from patina_assets.export.text_onnx import text_onnx
from patina_assets.learning.projection import Projection, from_safetensors
from patina_assets.pairs.relations import unique_texts
from patina_assets.pipeline.formats import decode_embeddings, decode_items
from patina_assets.pipeline.workspace import Workspace, open_workspace
from patina_assets.search.base_model import base_files
from patina_resources.documents.json_value import json_value
from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.embedding.side_by_side import BaseFiles, side_by_side
from patina_resources.errors import PatinaError, check_known
from patina_resources.models.registry import CORPUS_STATIC, ModelFiles, ModelSpec
from patina_resources.onnx.graph import computes_in_int8
from patina_resources.onnx.write.bert_weights import recover_bert
from patina_resources.project.project import Project
from patina_resources.store.artifacts import read_outputs
from patina_resources.store.files import write_atomic
from patina_resources.store.folders.export import check_new_folder, new_folder

TABLE = "table"  # the constant of the corpus model that has a vector for each token
SAMPLE_TEXTS = 64
SMALLEST_COSINE = 0.999


def export(project: Project, name: str, folder: Path, weights: Path | None = None) -> list[str]:
    """Write a projection and its base model to a new folder; return what to tell the user, a line each.

    Args:
        project: The project.
        name: The projection.
        folder: Where to; nothing may be there.
        weights: A folder with the base model's original config.json and model.safetensors, for a model whose ONNX
            file was not written here.

    Raises:
        PatinaError: The name or the folder is wrong, the projection is not built, or was built with another model
            than there is now. Nothing is written then.
    """
    workspace = open_workspace(project)
    known = [entry.name for entry in workspace.recipe.projections]
    check_known((name,), known, "projection")
    check_new_folder(folder)
    files = base_files(project, workspace.home, workspace.spec)
    record, (content, graph) = read_outputs(workspace.paths(name), "weights", ("safetensors", "onnx"))
    _check_built_with(workspace, name, files)
    projection = from_safetensors(content, workspace.paths(name).weights.name)
    facts = {
        "projection": name,
        "embedding_model": workspace.spec.reference,
        "model_hash": files.digest,
        "weights_hash": record.digest,
        "dimensions": projection.output_dims,
    }
    if len(files.parts) > 1:
        if weights is not None:
            raise PatinaError(f"--weights: belongs to a single base model, {workspace.spec.reference} is several")
        contents = side_by_side_contents(workspace.spec, files, facts) | {
            "projection.onnx": graph,
            "projection.safetensors": content,
        }
        with _written(folder, contents) as temporary:
            cosine = _base_cosine(workspace, name, files, temporary)
        return side_by_side_lines(workspace.spec, folder, projection, cosine)
    return _export_single(workspace, name, folder, weights, files.parts[0], facts, projection)


def _export_single(
    workspace: Workspace,
    name: str,
    folder: Path,
    weights: Path | None,
    files: ModelFiles,
    facts: Mapping[str, object],
    projection: Projection,
) -> list[str]:
    """Export a projection over one base model."""
    (spec,) = workspace.spec.parts
    tokenizer, _ = tokenizer_json(files.tokenizer.read_text("utf-8"), spec.max_tokens)
    sentence = _sentence_contents(spec, files, projection, weights)
    prefixes = {"query_prefix": spec.query_prefix, "passage_prefix": spec.passage_prefix}
    contents = {
        "model.onnx": _text_graph(spec, files, projection),
        "tokenizer.json": tokenizer,
        "patina.json": facts_json({**facts, **prefixes}),
        **sentence,
    }
    with _written(folder, contents) as temporary:
        cosine = _cosine_to_index(workspace, name, files, temporary, projection)
    return _lines(spec, files, folder, projection, cosine, loadable=bool(sentence))


@contextmanager
def _written(folder: Path, contents: Mapping[str, bytes]) -> Iterator[Path]:
    """Write files to a new folder; give the folder to look at before it gets its name."""
    with new_folder(folder) as temporary:
        for file, data in contents.items():
            write_atomic(temporary / file, data)
        yield temporary


def _check_built_with(workspace: Workspace, name: str, files: BaseFiles) -> None:
    record, _ = read_outputs(workspace.paths(name), "embeddings", ())
    if record.inputs["model"].value != files.digest:
        raise PatinaError(f"{name} was built with other bytes of {workspace.spec.reference}: run `patina oxidize`")


def _text_graph(spec: ModelSpec, files: ModelFiles, projection: Projection) -> bytes:
    try:
        return text_onnx(onnx.load(str(files.onnx), load_external_data=False), spec.pooling, projection)
    except (OSError, EncodeError, ValueError) as error:
        raise PatinaError(f"{files.onnx}: cannot be joined with the projection ({error})") from error


def _sentence_contents(spec: ModelSpec, files: ModelFiles, projection: Projection, weights: Path | None) -> Contents:
    """Return the sentence-transformers files, or none where the base model's weights are not to be had."""
    if spec.name == CORPUS_STATIC:
        graph = onnx.load(str(files.onnx), load_external_data=False).graph
        table = next(numpy_helper.to_array(entry) for entry in graph.initializer if entry.name == TABLE)
        return static_contents(spec, table.astype(np.float32), projection)
    _, tokenizer = tokenizer_json(files.tokenizer.read_text("utf-8"), spec.max_tokens)
    if weights is not None:
        config, content = _original_files(weights, spec)
        return transformer_contents(spec, config, content, tokenizer, projection)
    recovered = recover_bert(files.onnx)
    if recovered is None:
        return {}
    return transformer_contents(spec, recovered.config, safetensors_of(recovered.tensors), tokenizer, projection)


def _original_files(folder: Path, spec: ModelSpec) -> tuple[dict[str, Any], bytes]:
    try:
        config = json_value((folder / "config.json").read_bytes())
        content = (folder / "model.safetensors").read_bytes()
    except (OSError, ValueError) as error:
        raise PatinaError(f"--weights {folder}: expected config.json and model.safetensors ({error})") from error
    dims = config.get("hidden_size") if isinstance(config, dict) else None
    if dims != spec.dims:
        raise PatinaError(
            f"--weights {folder}: hidden_size is {dims}, {spec.reference} has {spec.dims}: is it another model?"
        )
    return config, content


def _cosine_to_index(workspace: Workspace, name: str, files: ModelFiles, folder: Path, projection: Projection) -> float:
    """Return the smallest cosine between what the exported graph gives for some texts and what is indexed.

    Raises:
        PatinaError: It is below 0.999: the graph computes something else.
    """
    texts, base = _sample(workspace, name)
    (part,) = workspace.spec.parts
    spec = replace(part, dims=projection.output_dims, pooling="model")
    found = OnnxEmbedder(spec, _exported(files, folder)).embed_passages(texts)
    return _smallest_cosine(name, found, projection.apply(base))


def _base_cosine(workspace: Workspace, name: str, files: BaseFiles, folder: Path) -> float:
    """Return the smallest cosine between what the exported graphs of models side by side give, and the embeddings.

    Raises:
        PatinaError: It is below 0.999: the graphs compute something else.
    """
    texts, base = _sample(workspace, name)
    vectors = []
    for part, own, place in zip(workspace.spec.parts, files.parts, part_folders(workspace.spec), strict=True):
        exported = OnnxEmbedder(replace(part, pooling="model"), _exported(own, folder / place))
        vectors.append(exported.embed_passages(texts))
    return _smallest_cosine(name, side_by_side(vectors), base)


def _exported(files: ModelFiles, folder: Path) -> ModelFiles:
    return replace(files, onnx=folder / "model.onnx", tokenizer=folder / "tokenizer.json", digest="")


def _sample(workspace: Workspace, name: str) -> tuple[list[str], NDArray[np.float32]]:
    """Return some texts of a projection, and their embeddings, float32 [n, dims]."""
    paths = workspace.paths(name)
    _, (items,) = read_outputs(paths, "pairs", ("items.jsonl",))
    _, (embeddings,) = read_outputs(paths, "embeddings", ("embeddings.safetensors",))
    texts, _ = unique_texts(decode_items(items))
    rows = np.unique(np.linspace(0, len(texts) - 1, SAMPLE_TEXTS).astype(int))
    return [texts[row] for row in rows], decode_embeddings(embeddings)[rows]


def _smallest_cosine(name: str, found: NDArray[np.float32], expected: NDArray[np.float32]) -> float:
    known = expected.any(axis=1)
    smallest = float(np.sum(found[known] * expected[known], axis=1).min(initial=1.0))
    if smallest < SMALLEST_COSINE:
        raise PatinaError(
            f"{name}: the joined graph gives other vectors than the index (cosine {smallest:.4f}), nothing was "
            "exported: run `patina oxidize --full` and export again"
        )
    return smallest


def _lines(
    spec: ModelSpec, files: ModelFiles, folder: Path, projection: Projection, cosine: float, *, loadable: bool
) -> list[str]:
    lines = [
        f"{folder / 'model.onnx'}: token ids in, {projection.output_dims} numbers out; "
        f"cosine to the index on {SAMPLE_TEXTS} texts at least {cosine:.4f}"
    ]
    if not loadable:
        return [
            *lines,
            f"SentenceTransformer cannot load it: of {spec.reference} there is only an ONNX file that was not written "
            "here: give the folder of its original config.json and model.safetensors with --weights",
        ]
    load = f"{folder}: loads as SentenceTransformer({str(folder)!r})"
    if not computes_in_int8(files.onnx):
        return [*lines, f"{load}, and encodes to the same vectors"]
    return [
        *lines,
        f"{load}, which computes in fp32 what is in the cache as int8: its vectors differ a little (cosine about "
        f"0.99); for equal ones run `patina model add {spec.reference} --precision fp32`, `patina oxidize`, and export "
        "again",
    ]
