"""`patina fleet`: many repositories that are kept and built together, and questions to all of them."""
