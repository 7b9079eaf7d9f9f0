"""Base models: what their names mean, where their bytes are and where these came from."""
