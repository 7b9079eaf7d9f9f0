"""Writes graphs from weights: BERT encoders in fp32 and int8."""
