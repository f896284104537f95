"""Side-by-side measurements. Each module prints a table of ratios; none of them is a test."""
