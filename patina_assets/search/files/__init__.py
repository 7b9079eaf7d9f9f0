"""The files beside indexes: what writes them, what reads them, and what asks them for words."""
