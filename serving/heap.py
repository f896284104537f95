"""What lives as long as the process leaves the garbage collector's sight.

A full collection walks every object. Over a heap with torch or a web framework in it that is a stall of 10 to 100 ms,
on the event loop or in the middle of a batch; measured at 50 callers it was most of the tail latency.
"""

import gc


def defer_collections() -> None:
    """From here to `settle_heap` nobody looks for garbage: a start makes little, and each look walks all there is."""
    gc.disable()


def settle_heap() -> None:
    """Call it once, when everything long-lived is loaded."""
    gc.enable()
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
