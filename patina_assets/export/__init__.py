"""Projections for other programs."""
