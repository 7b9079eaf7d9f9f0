"""The project: its root, its settings, and the places that the user chose."""
