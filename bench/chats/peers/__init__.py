"""The servers that the chat service is measured beside. They run in an environment of their own; see `environment`."""
