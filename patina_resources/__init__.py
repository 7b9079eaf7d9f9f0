"""The outside world: project files, eventlog, models, caches, artifacts. Never imports `patina_assets`."""
