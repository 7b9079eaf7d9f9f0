"""Folders: the user's own, one of a process, one that appears complete; what may lie in them, and their removal."""
