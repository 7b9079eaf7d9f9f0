"""Issues and pull requests of a forge, out of files that its tools write, as events."""
