"""A cross-encoder: one ONNX graph reads a question and a text together, and says how well the text answers."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from patina_resources.embedding.embedder import CHARACTERS_PER_TOKEN, clean_text, length_batches
from patina_resources.embedding.token_graph import TokenGraph
from patina_resources.errors import PatinaError
from patina_resources.models.registry import ModelFiles, ModelSpec


class CrossEncoder:
    """A graph that gives one number for a pair of texts: more is better (Nogueira and Cho 2019)."""

    def __init__(self, spec: ModelSpec, files: ModelFiles) -> None:
        """Load tokenizer and graph.

        Args:
            spec: What the model is said to be.
            files: Its files. The caller has compared them with their digests: native code reads them.

        Raises:
            PatinaError: They cannot be loaded, or the model gives vectors and not one number.
        """
        if spec.dims != 1 or spec.pooling != "model":
            raise PatinaError(
                f"model {spec.reference} gives vectors of {spec.dims} numbers: expected a cross-encoder, "
                "whose graph gives one number for a pair of texts"
            )
        self._spec = spec
        self._graph = TokenGraph(spec, files)

    def scores(self, question: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return how well each text answers the question, float32 [n]; more is better.

        Raises:
            PatinaError: The graph fails, or gives something else than one finite number for each pair.
        """
        limit = self._spec.max_tokens * CHARACTERS_PER_TOKEN
        asked = clean_text(question[:limit])
        pairs = self._graph.encode([(asked, clean_text(text[:limit])) for text in texts])
        scores = np.zeros(len(texts), np.float32)
        for batch in length_batches([len(pair) for pair in pairs], self._graph.batch_tokens):
            ids, types = (
                np.array([getattr(pairs[row], name) for row in batch], np.int64) for name in ("ids", "type_ids")
            )
            output = self._graph.output(ids, types)
            if output.shape != (len(batch), 1) or not np.isfinite(output).all():
                raise PatinaError(
                    f"{self._graph.path}: expected one finite number for each of {len(batch)} pairs, "
                    f"got shape {list(output.shape)}: {self._spec.reference} is no usable cross-encoder"
                )
            scores[batch] = output[:, 0]
        return scores
