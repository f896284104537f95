"""The command line: a room for each group of commands, `app`, which lists them, and what they share."""
