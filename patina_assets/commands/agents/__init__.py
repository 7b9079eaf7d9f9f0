"""What an editor or agent needs to know to start `patina mcp`."""
