"""What happens without being asked for: rebuilding, and telling of failed runs."""
