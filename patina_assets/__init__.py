"""The pipeline: recipe, pairs, stages, staleness, search, and the Dagster assets over them."""

import patina_resources  # noqa: F401  (first of all: it keeps onnxruntime from reporting usage)
