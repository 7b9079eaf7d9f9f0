"""Many projects in one Dagster code location: a partition for each, a run for each project and head."""
