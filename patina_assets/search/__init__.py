"""Text in, items out. No Dagster, no pydantic."""
