"""What people and the Makefile run from a checkout; no part of the installed packages."""
