"""What is built, from what, and what of it is stale. No Dagster and no terminal."""
