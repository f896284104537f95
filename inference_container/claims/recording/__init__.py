"""What became of claims and of forecasts over HTTP, written down: immutable parts of the log, and messages.

`recorder` and `forecast_log` gather, `part_writer` puts and sends, `parts` says what lies together under which key.
`compaction` makes tables of closed hours, for a command and never on a claim's way.
"""
