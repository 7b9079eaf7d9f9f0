"""Attacks, each on a victim of its own."""
