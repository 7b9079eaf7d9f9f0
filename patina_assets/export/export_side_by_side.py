"""What `patina export` writes of models side by side: each one's graph and tokenizer, and how they are put together."""

import json
from collections.abc import Mapping
from pathlib import Path

import onnx
from google.protobuf.message import EncodeError  # type: ignore[import-untyped]

from patina_assets.export.sentence_layout import Contents, tokenizer_json
from patina_assets.export.text_onnx import VECTOR, vector_onnx
from patina_assets.learning.projection import Projection
from patina_resources.embedding.side_by_side import BaseFiles, BaseSpec
from patina_resources.errors import PatinaError

COMPOSITION = (
    "Put each model's passage_prefix (query_prefix for a query) before the text, tokenize it with the model's own "
    f"tokenizer.json and run its model.onnx: `{VECTOR}` has unit length, or is zeros. Join these in the order of "
    "`models`, scale the result to unit length, and run projection.onnx on it (`vectors` in, `projected` out)."
)


def part_folders(spec: BaseSpec) -> list[str]:
    """Return the folder of each model within the export, in order."""
    return [f"{number}_{part.name}" for number, part in enumerate(spec.parts, 1)]


def side_by_side_contents(spec: BaseSpec, files: BaseFiles, facts: Mapping[str, object]) -> Contents:
    """Return each model as `N_name/model.onnx` with its `tokenizer.json`, and `patina.json` with all that joins them.

    Raises:
        PatinaError: A model's file cannot be turned into such a graph.
    """
    contents: Contents = {}
    models: list[dict[str, object]] = []
    for part, own, folder in zip(spec.parts, files.parts, part_folders(spec), strict=True):
        try:
            contents[f"{folder}/model.onnx"] = vector_onnx(
                onnx.load(str(own.onnx), load_external_data=False), part.pooling, part.dims
            )
        except (OSError, EncodeError, ValueError) as error:
            raise PatinaError(f"{own.onnx}: cannot be exported ({error})") from error
        contents[f"{folder}/tokenizer.json"] = tokenizer_json(own.tokenizer.read_text("utf-8"), part.max_tokens)[0]
        models.append(
            {
                "name": part.reference,
                "folder": folder,
                "model_hash": own.digest,
                "dimensions": part.dims,
                "query_prefix": part.query_prefix,
                "passage_prefix": part.passage_prefix,
            }
        )
    return {**contents, "patina.json": facts_json({**facts, "models": models, "composition": COMPOSITION})}


def facts_json(facts: Mapping[str, object]) -> bytes:
    """Return the content of `patina.json`."""
    return json.dumps(facts, indent=2).encode() + b"\n"


def side_by_side_lines(spec: BaseSpec, folder: Path, projection: Projection, cosine: float) -> list[str]:
    """Return what to tell the user, a line each."""
    names = ", ".join(f"{place}/model.onnx" for place in part_folders(spec))
    return [
        f"{folder}: {names}: token ids in, a unit vector out; joined, cosine to the embeddings at least {cosine:.4f}",
        f"{folder / 'projection.onnx'}: {projection.input_dims} numbers in, {projection.output_dims} out; "
        f"{folder / 'patina.json'} says how they go together",
        f"SentenceTransformer cannot load it, and there is no single graph from token ids: {spec.reference} has "
        f"{len(spec.parts)} tokenizers; for those, export a projection that is built with one model",
    ]
