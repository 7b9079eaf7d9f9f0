"""Projections that are trained at once, each in a process of its own."""
