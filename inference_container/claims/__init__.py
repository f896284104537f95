"""Claims: messages that point at a series in a store and ask for its forecast."""
