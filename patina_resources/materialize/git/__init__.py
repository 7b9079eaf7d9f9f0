"""What the history of a repository says."""
