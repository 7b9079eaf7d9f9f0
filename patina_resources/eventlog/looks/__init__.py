"""What is remembered of an eventlog between two looks at it, so that the second reads what is new."""
