"""What session notes and decision records say."""
