"""The commands that begin from a place instead of a question: `like`, `recent` and `why`."""
