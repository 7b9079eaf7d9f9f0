"""The languages that are read, and what their grammars call things."""
