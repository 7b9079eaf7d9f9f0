"""What a user may type: commands, arguments and options, as click declares them. What they do is in `commands`."""
