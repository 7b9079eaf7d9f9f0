"""One base-model vector for each unique text."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from patina_assets.pipeline.formats import decode_embeddings, encode_embeddings
from patina_assets.pipeline.progress import Progress
from patina_assets.pipeline.stages.display import Column
from patina_assets.pipeline.stages.stage import Built, CheckResult, ItemStage, Stage, VectorStage, Work, hashed
from patina_assets.search.base_model import EmbeddedTexts, base_settings, embed_texts
from patina_resources.embedding.side_by_side import joint_digest
from patina_resources.errors import PatinaError
from patina_resources.store.artifacts import BuiltProjection

ONE_VECTOR_PER_TEXT = "one_vector_per_text"
UNIT_LENGTH = "unit_length"
LENGTH_TOLERANCE = 1e-3
EMBEDDINGS = "embeddings.safetensors"
TEXTS = "texts.digests"
DIGEST_BYTES = 32
# To open a cache of a larger project and to seal it again takes longer than to embed so few texts by a static model.
FEW_TEXTS = 64
LEAST_KEPT = 1_000
MODEL_INPUT = "model"
SETTINGS_INPUT = "model settings"
# The fact that says what the texts were embedded on, where that was not the processor.
DEVICE = "device"


@dataclass(frozen=True)
class EmbeddingsStage(VectorStage):
    """The base model's vectors of the texts of another stage."""

    of: ItemStage

    name = "embeddings"
    version = 1
    kinds = frozenset({"onnx", "numpy"})
    description = (
        "One base-model vector for each unique text of `{name}`. Each text is embedded once per model. After "
        "that, its vector comes from the cache."
    )
    promised = MappingProxyType(
        {
            ONE_VECTOR_PER_TEXT: "There are as many vectors as different texts.",
            UNIT_LENGTH: "Every vector is of length 1, or zero where no word of its text is known.",
        }
    )
    columns = (Column("texts", ("texts",), spare=8), Column("new texts", ("new_texts",), spare=10))
    embeds = True

    @property
    def projection(self) -> str:
        """Name of its projection."""
        return self.of.projection

    @property
    def upstream(self) -> tuple[Stage, ...]:
        """The stage whose texts are embedded."""
        return (self.of,)

    def inputs(self) -> dict[str, object]:
        """Return nothing: model and texts decide."""
        return {}

    def build(self, work: Work) -> Built:
        """Take the vectors of the last build; of other texts, embed those that the model's cache does not hold."""
        # Imported late: who only looks at what is stale must not wait for the cache.
        from patina_resources.embedding.cache import text_digest

        texts = self.of.texts(work.built)
        digests = [text_digest(text) for text in texts]
        before, row_of = self._before(work)
        rows = np.array([row_of.get(digest, -1) for digest in digests], np.int64)
        missing = np.flatnonzero(rows < 0)
        few = len(missing) <= FEW_TEXTS and len(texts) - len(missing) >= LEAST_KEPT
        embedded = self._embedded(work, [texts[row] for row in missing.tolist()], few=few)
        if list(row_of) == digests:
            vectors = before
        else:
            vectors = np.empty((len(texts), work.spec.dims), np.float32)
            if len(before):
                np.take(before, rows, axis=0, out=vectors, mode="clip")  # what is missing follows
            vectors[missing] = embedded.vectors
        built = build_embeddings(vectors, digests, embedded.new, embedded.seconds)
        devices = sorted({part.device for part in work.spec.parts if part.device != "cpu"})
        return replace(built, facts={**built.facts, DEVICE: devices[0]}) if devices else built

    def _before(self, work: Work) -> tuple[NDArray[np.float32], dict[bytes, int]]:
        """Return the vectors of the last build by this model, and their rows by digest of the text; else nothing."""
        if not work.clean:
            with suppress(PatinaError):  # never built, damaged, or of a version that kept no digests
                before = work.built.stage(self.name)
                wanted = {
                    "stage version": str(self.version),
                    MODEL_INPUT: joint_digest([part.digest for part in work.files.parts]),
                    SETTINGS_INPUT: base_settings(work.spec),
                }
                inputs = before.record.inputs
                if all(name in inputs and inputs[name].value == value for name, value in wanted.items()):
                    told, vectors = before.read(TEXTS), decode_embeddings(before.read(EMBEDDINGS))
                    starts = range(0, len(told), DIGEST_BYTES)
                    return vectors, {told[start : start + DIGEST_BYTES]: start // DIGEST_BYTES for start in starts}
        return np.zeros((0, work.spec.dims), np.float32), {}

    def _embedded(self, work: Work, texts: Sequence[str], *, few: bool) -> EmbeddedTexts:
        """Return the vectors of texts: those that the cache does not hold are embedded; of few, see `embed_texts`."""
        if not texts:
            none = np.zeros((0, work.spec.dims), np.float32)
            return EmbeddedTexts(none, {part.name: 0 for part in work.spec.parts}, 0.0)
        several = len(work.spec.parts) > 1

        def progress(model: str) -> Callable[[int, int], None]:
            unit = f"new texts of {model}" if several else "new texts"
            return lambda done, total: work.report(Progress(self.place, done, total, unit))

        return embed_texts(
            work.project,
            work.spec,
            work.files,
            texts,
            progress,
            lambda note: work.report(Progress(self.place, 0, 0, "", note)),
            few=few,
        )

    def vectors(self, built: BuiltProjection, rows: NDArray[np.integer] | None = None) -> NDArray[np.float32]:
        """Return float32 [texts, dim], or of some rows."""
        vectors = decode_embeddings(built.stage(self.name).read(EMBEDDINGS))
        return vectors if rows is None else vectors[rows]

    def model_facts(self, built: BuiltProjection, model: str) -> dict[str, str]:
        """Return the model as it was when the texts were embedded."""
        inputs = built.stage(self.name).record.inputs
        return {
            "model": model,
            "model_digest": inputs[MODEL_INPUT].value,
            "model_settings": inputs[SETTINGS_INPUT].value,
        }

    def checks(self, built: BuiltProjection) -> list[CheckResult]:
        """Check the number of vectors and their length."""
        vectors = self.vectors(built)
        texts = len(self.of.texts(built))
        lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors))  # without a copy of all vectors
        # A text without a single known word has the zero vector.
        wrong = int(((np.abs(lengths - 1) > LENGTH_TOLERANCE) & (lengths != 0) | ~np.isfinite(lengths)).sum())
        empty = int((lengths == 0).sum())
        return [
            CheckResult(
                ONE_VECTOR_PER_TEXT,
                len(vectors) == texts,
                f"{len(vectors)} vectors for {texts} unique texts",
                figures={"vectors": len(vectors)},
            ),
            CheckResult(
                UNIT_LENGTH,
                wrong == 0,
                f"{wrong} vectors are not of unit length; {empty} texts have no known word",
                figures={"wrong": wrong, "without_known_word": empty},
            ),
        ]

    def metadata(self, built: BuiltProjection) -> dict[str, Any]:
        """Return the facts, and the share of texts whose vectors were in the cache, or were made for the same text."""
        facts = super().metadata(built)
        texts, reused = facts.get("texts"), facts.get("reused_texts")
        return {**facts, "cache_hit_rate": round(reused / texts, 4) if texts else None}


def build_embeddings(
    vectors: NDArray[np.float32], texts: Sequence[bytes], new_by_model: Mapping[str, int], seconds: float
) -> Built:
    """Return the embeddings file, and beside it the digests of the texts, by which the next build finds its rows.

    Args:
        vectors: float32 [texts, dim], in the order of the sorted unique texts.
        texts: SHA-256 of each text.
        new_by_model: How many of them were not in the cache of each model; `new_texts` is the most of these.
        seconds: What that took.
    """
    contents = {EMBEDDINGS: encode_embeddings(vectors), TEXTS: b"".join(texts)}
    digests = hashed(contents)
    new = max(new_by_model.values())
    facts: dict[str, Any] = {
        "texts": len(vectors),
        "new_texts": new,
        "reused_texts": len(vectors) - new,
        "dimensions": int(vectors.shape[1]),
        "texts_per_second": round(new / seconds, 1) if new and seconds > 0 else 0.0,
    }
    if len(new_by_model) > 1:
        facts["new_texts_by_model"] = dict(new_by_model)
    return Built(contents, digests, digests[EMBEDDINGS], facts)
