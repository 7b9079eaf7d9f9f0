"""`corpus-static`, the embedded default model: token vectors learned from the texts of a project."""
