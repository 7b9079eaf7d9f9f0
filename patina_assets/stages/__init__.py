"""Stages: arrays in, arrays out, no paths."""
