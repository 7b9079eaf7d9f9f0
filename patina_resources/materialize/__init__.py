"""The only writers of the eventlog. The entry is `run.materialize`."""
