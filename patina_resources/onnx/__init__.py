"""ONNX files: their inspection, and the sessions that run them. `write/` makes them from weights."""
