"""What an eventlog says for certain of a file, a function or a commit, and what is near it beside that."""
