"""What the source code of a repository says."""
