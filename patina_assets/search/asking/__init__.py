"""What asks a project: the searcher of what is built now, and what a person limits results to."""
