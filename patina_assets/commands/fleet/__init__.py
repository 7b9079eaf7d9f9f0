"""`patina fleet`."""
