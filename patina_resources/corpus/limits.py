"""How far the frozen model may be from the project's texts."""

# Above this `unknown_share` it has lost touch with the project's words: a rebuild is due.
REBUILD_ABOVE = 0.03
# The same of the share of texts that it was not built from: its words age slowly, what is said by them does not.
REBUILD_ABOVE_NEW_TEXTS = 0.45
