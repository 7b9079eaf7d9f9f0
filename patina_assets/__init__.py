"""The pipeline: recipe, pairs, stages, staleness, search, and the Dagster assets over them."""
