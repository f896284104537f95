"""The HTTP door of the chat service."""
