"""Texts to vectors: the embedder, the cache of vectors, models side by side."""
