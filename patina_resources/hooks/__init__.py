"""Git hooks that keep a project up to date: what stands in them, where they lie, and for which projects."""
