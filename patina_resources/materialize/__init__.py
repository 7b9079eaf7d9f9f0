"""The only writers of the eventlog."""
