"""fp32 ONNX to int8, by onnxruntime's dynamic quantization, in the variant that stays closer to fp32.

Weights are stored as int8, activations are quantized while they are computed. One scale per output channel came much
closer than one per tensor (all-minilm-l6-v2: mean cosine to fp32 0.993 against 0.959), but this is measured on every
model, since it depends on the weights. The scale of an activation is taken over a whole batch: the same text alone and
among others had a mean cosine of 0.991, so an int8 graph is to be given one text at a time, which costs little.
"""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
from numpy.typing import NDArray
from onnxruntime.quantization import QuantType, quantize_dynamic

from patina_resources.embedder import OnnxEmbedder
from patina_resources.errors import PatinaError
from patina_resources.registry import ModelFiles, ModelSpec, Precision

# onnxruntime writes the graph once more with its shapes; both variants are a quarter each.
SPACE_FACTOR = 2
VARIANTS: Mapping[str, bool] = {"per-channel": True, "per-tensor": False}
# Short texts of the kind that is embedded: notes, commit subjects, paths, questions.
PROBES = (
    "where do we validate recipes",
    "fix: wait for the database lock instead of failing",
    "File: src/eventlog.rs (Rust source)",
    "Function: parse_config in src/config.rs",
    "decided to keep one SQLite file per project because backups are a copy",
    "feat(search): rank results by reciprocal rank fusion",
    "the build takes eleven minutes on the small machine, most of it in the linker",
    "Add integration tests for the import path",
    "how does the scheduler choose the next job?",
    "pattern: write to a temporary name, fsync, rename",
    "Checklist for the release: changelog, tag, announce",
    "docs: explain staleness with one picture",
    "Users on slow networks need resumable downloads",
    "refactor: move path handling into one module",
    "The old index is kept until the new one is complete.",
    "what changed between version 2 and version 3 of the format",
)


@dataclass(frozen=True)
class Int8Report:
    """How close each variant's vectors are to fp32's (mean cosine over the probes), and which one was kept."""

    kept: str
    cosines: Mapping[str, float]


def write_int8(spec: ModelSpec, fp32: Path, tokenizer: Path, target: Path) -> Int8Report:
    """Write the int8 form of `fp32` to `target`, and return how close it is.

    Raises:
        PatinaError: The graph cannot be quantized or does not run, or there is too little space.
    """
    needed, free = SPACE_FACTOR * fp32.stat().st_size, shutil.disk_usage(target.parent).free
    if free < needed:
        raise PatinaError(f"{target.parent}: turning a model into int8 needs {needed:,} bytes, {free:,} are free")
    expected = _probe_vectors(spec, fp32, tokenizer, "fp32")
    cosines: dict[str, float] = {}
    with TemporaryDirectory(dir=target.parent, prefix=".int8-") as folder:
        for name, per_channel in VARIANTS.items():
            _quantize(fp32, Path(folder) / name, per_channel)
            vectors = _probe_vectors(spec, Path(folder) / name, tokenizer, "int8")
            cosines[name] = float(np.mean(np.sum(vectors * expected, axis=1)))
        kept = max(cosines, key=lambda name: cosines[name])
        (Path(folder) / kept).replace(target)
    return Int8Report(kept, cosines)


def _quantize(source: Path, target: Path, per_channel: bool) -> None:
    try:
        quantize_dynamic(
            source,
            target,
            per_channel=per_channel,
            weight_type=QuantType.QInt8,
            # onnx cannot infer the type behind onnxruntime's own Attention node.
            extra_options={"DefaultTensorType": onnx.TensorProto.FLOAT},
        )
    except Exception as error:  # onnx, protobuf and onnxruntime share no base class
        raise PatinaError(f"{source}: cannot be turned into int8 ({error})") from error


def _probe_vectors(spec: ModelSpec, model: Path, tokenizer: Path, precision: Precision) -> NDArray[np.float32]:
    embedder = OnnxEmbedder(spec, ModelFiles(model, tokenizer, digest="", precision=precision))
    return np.asarray(embedder.embed_passages(list(PROBES)), dtype=np.float32)
