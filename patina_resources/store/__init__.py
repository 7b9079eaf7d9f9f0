"""Files of this program: where they may lie, how they change, and whether this installation made them."""
