"""One file for each command of `patina`: it translates between the terminal and the rest, and computes nothing."""
