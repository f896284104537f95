"""Properties without a time limit per example: it times the machine, and pytest's own limit stops what hangs."""

from hypothesis import settings

settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
