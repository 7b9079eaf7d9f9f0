"""One question over several projects of one machine, from their own indexes."""
