"""Looks after a project: what is wrong with it and what mends it, and what nobody needs any more."""
