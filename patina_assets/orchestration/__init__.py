"""Dagster: assets, checks, jobs, sensors, badges, metadata and instances."""
