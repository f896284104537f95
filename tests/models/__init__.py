"""Models small enough to build inside a test."""
