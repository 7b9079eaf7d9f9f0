"""`patina pull`, `push` and `cache`."""
