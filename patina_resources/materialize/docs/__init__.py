"""What documents say, and where: Markdown and reStructuredText as blocks and sections."""
