"""Kafka, or something that behaves like it: the ports and what stands behind them.

The claim consumer and the publishers call `ports` only; `wiring` picks Kafka or the broker in memory.
"""
