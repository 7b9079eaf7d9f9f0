"""Pairs: rows of sources to items and related texts. What all pair types share; each type is a file in `types/`."""
