"""A projection as a folder that sentence-transformers loads: values to file contents. No paths of this machine.

Layout: sbert.net, "Structure of Sentence Transformer models": modules.json and one folder per module. The base model
and its Normalize come first, then the projection as two Dense modules, then Normalize.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save
from tokenizers import Tokenizer

from patina_assets.learning.projection import Projection
from patina_resources.models.add.sentence_files import MODULES
from patina_resources.models.registry import ModelSpec

Contents = dict[str, bytes]

RELU = "torch.nn.modules.activation.ReLU"
IDENTITY = "torch.nn.modules.linear.Identity"
# transformers reads only files that say which framework's layout they have.
TORCH_LAYOUT = {"format": "pt"}
SPECIAL_TOKENS: Mapping[str, Sequence[str]] = {
    "pad_token": ("[PAD]", "<pad>"),
    "unk_token": ("[UNK]", "<unk>"),
    "cls_token": ("[CLS]", "<s>"),
    "sep_token": ("[SEP]", "</s>"),
    "mask_token": ("[MASK]", "<mask>"),
}


def transformer_contents(
    spec: ModelSpec, config: Mapping[str, Any], weights: bytes, tokenizer: Tokenizer, projection: Projection
) -> Contents:
    """Return the files of a transformer with the projection behind it.

    Args:
        spec: The base model: its pooling, length limit and prefixes.
        config: Its `config.json`.
        weights: Its `model.safetensors`, as transformers names the tensors.
        tokenizer: Its tokenizer.
        projection: The projection.
    """
    inputs = ["input_ids", "attention_mask"]
    if config.get("model_type") == "bert":
        inputs.insert(1, "token_type_ids")
    tokens = {
        key: name for key, names in SPECIAL_TOKENS.items() for name in names if tokenizer.token_to_id(name) is not None
    }
    pooling = {
        "word_embedding_dimension": spec.dims,
        "pooling_mode_cls_token": spec.pooling == "cls",
        "pooling_mode_mean_tokens": spec.pooling == "mean",
    }
    return {
        "config.json": _json(config),
        "model.safetensors": weights,
        "tokenizer_config.json": _json(
            {
                "tokenizer_class": "PreTrainedTokenizerFast",
                "model_max_length": spec.max_tokens,
                "model_input_names": inputs,
                **tokens,
            }
        ),
        "sentence_bert_config.json": _json({"max_seq_length": spec.max_tokens, "do_lower_case": False}),
        "1_Pooling/config.json": _json(pooling),
        **_common(spec, ("Transformer", "Pooling"), projection),
    }


def static_contents(spec: ModelSpec, table: NDArray[np.float32], projection: Projection) -> Contents:
    """Return the files of a model that only adds up vectors of tokens, with the projection behind it.

    Args:
        spec: The base model.
        table: float32 [vocabulary, dims]. Its StaticEmbedding module takes the mean where the sum is meant: that is
            the same once normalized.
        projection: The projection.
    """
    return {
        "model.safetensors": save({"embedding.weight": np.ascontiguousarray(table)}, metadata=TORCH_LAYOUT),
        **_common(spec, ("StaticEmbedding",), projection),
    }


def safetensors_of(tensors: Mapping[str, NDArray[np.float32]]) -> bytes:
    """Return tensors as a safetensors file that transformers reads."""
    return save({name: np.ascontiguousarray(values) for name, values in tensors.items()}, metadata=TORCH_LAYOUT)


def tokenizer_json(source: str, max_tokens: int) -> tuple[bytes, Tokenizer]:
    """Return a tokenizer.json that cuts at the model's limit and does not pad, and the tokenizer itself."""
    tokenizer = Tokenizer.from_str(source)
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_tokens)
    return tokenizer.to_str().encode(), tokenizer


def _common(spec: ModelSpec, base: Sequence[str], projection: Projection) -> Contents:
    """Return modules.json, the prompts and the Dense modules."""
    kinds = [*base, "Normalize", "Dense", "Dense", "Normalize"]
    # The first module's files stand in the folder itself.
    places = [f"{row}_{kind}" if row else "" for row, kind in enumerate(kinds)]
    modules = [
        {"idx": row, "name": str(row), "path": place, "type": f"sentence_transformers.models.{kind}"}
        for row, (kind, place) in enumerate(zip(kinds, places, strict=True))
    ]
    first, second = (place for place in places if place.endswith("_Dense"))
    prompts = {"query": spec.query_prefix, "document": spec.passage_prefix}
    return {
        **_dense(first, projection.w1, projection.b1, RELU),
        **_dense(second, projection.w2, projection.b2, IDENTITY),
        "config_sentence_transformers.json": _json(
            {
                "prompts": prompts,
                "default_prompt_name": "document" if spec.passage_prefix else None,
                "similarity_fn_name": "cosine",
            }
        ),
        MODULES: _json(modules),
    }


def _dense(place: str, weight: NDArray[np.float32], bias: NDArray[np.float32], activation: str) -> Contents:
    config = {
        "in_features": weight.shape[1],
        "out_features": weight.shape[0],
        "bias": True,
        "activation_function": activation,
    }
    tensors = {"linear.weight": np.ascontiguousarray(weight), "linear.bias": np.ascontiguousarray(bias)}
    return {f"{place}/config.json": _json(config), f"{place}/model.safetensors": save(tensors, metadata=TORCH_LAYOUT)}


def _json(value: object) -> bytes:
    return json.dumps(value, indent=2).encode() + b"\n"
