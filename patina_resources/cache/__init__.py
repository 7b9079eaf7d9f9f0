"""The cache that a team shares: where it is, whose records are accepted, and what is verified of what it gives."""
