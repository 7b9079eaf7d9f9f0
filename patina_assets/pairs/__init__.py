"""Pair types: one file each, its SQL on top."""
