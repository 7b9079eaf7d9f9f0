"""Training of a projection: network, losses, optimizer, fitting, ranking. Arrays in, arrays out."""
