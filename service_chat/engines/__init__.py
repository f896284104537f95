"""Engines: what turns a chat into text. `protocol` is the port, the other modules are its adapters."""
