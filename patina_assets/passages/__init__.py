"""Passages: what search reads of code, documents, commits and notes, cut to pieces of a page."""
