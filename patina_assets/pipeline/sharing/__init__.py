"""What a team shares: stages by what they are built from, and whole builds by the events that they stand for."""
