"""BERT weights to int8 ONNX, and how close its vectors are to those of fp32."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from patina_resources.embedding.embedder import OnnxEmbedder
from patina_resources.models.registry import ModelFiles, ModelSpec, Precision
from patina_resources.onnx.write.bert import write_bert_onnx

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


def write_int8(spec: ModelSpec, folder: Path, fp32: Path, tokenizer: Path, target: Path) -> float:
    """Write the encoder in `folder` to `target` as int8 ONNX; return the mean cosine of its vectors to those of `fp32`.

    The cosine depends on the weights, so it is measured on every model, on a few short texts.

    Raises:
        PatinaError: The weights cannot be read, or a graph does not run.
    """
    write_bert_onnx(folder, target, "int8")
    expected = _probe_vectors(spec, fp32, tokenizer, "fp32")
    found = _probe_vectors(spec, target, tokenizer, "int8")
    return float(np.mean(np.sum(found * expected, axis=1)))


def _probe_vectors(spec: ModelSpec, model: Path, tokenizer: Path, precision: Precision) -> NDArray[np.float32]:
    return OnnxEmbedder(spec, ModelFiles(model, tokenizer, digest="", precision=precision)).embed_passages(PROBES)
