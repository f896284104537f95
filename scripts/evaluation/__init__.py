"""Judges the triage by vignettes: made-up messages with bounds on how urgent they are. `make eval` runs it.

`vignettes` reads them, `floor` and `service` answer them, `figures` counts and judges, `report` prints, `semigran` does
the same for a published set that is not ours to ship. docs/safety.md tells what the figures mean and what they do not.
"""
