"""The use cases of the forecast service, and the ports through which they reach what does the work."""
