"""`patina hook`: what git runs after a commit, and what that does in the background."""
