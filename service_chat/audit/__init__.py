"""Who asked, about whom, when, and how it ended: rows in a file that only grows, each bound to the one before."""
