"""A fleet: many repositories that are kept and built together; which they are, and the clones of them."""
