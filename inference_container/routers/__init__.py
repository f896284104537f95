"""The HTTP door of the forecast service."""
