"""Safety: the least acuity that a text and a record call for, found by rules and without the model. Pure, no I/O.

`assess` is the way in. What the rules say stands in `data/`, each with its version and its public source.
"""
