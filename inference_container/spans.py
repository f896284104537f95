"""The spans of the forecast service beside those of the ground floor: a batch on a worker, a message, a claim's stages.

None of them names an object, a message's key or what a claim says: those may be about a patient.
"""

from serving.spans import Kind, declare

FORECAST = declare(
    "forecast",
    "A request's forecast: from the hand-over of its batch to a worker until its reply is here. Linked to the batch "
    "where it shares one.",
    batch_size="sluice.batch.size",
)
BATCH = declare(
    "forecast batch",
    "Several requests' forecasts on one worker, in a trace of its own, linked to each of theirs.",
    batch_size="sluice.batch.size",
)
FORWARD = declare(
    "forward pass",
    "The model's own part of a batch; its length is the worker's, its place is reckoned back from the reply.",
    batch_size="sluice.batch.size",
    calls="sluice.forward.calls",
)

_KAFKA = {"messaging.system": "kafka"}

PUBLISH = declare(
    "publish",
    "A message, or a burst of them that bear this span: from the sending until the broker has acknowledged it.",
    kind=Kind.PRODUCER,
    named_by=("topic",),
    fixed={**_KAFKA, "messaging.operation.name": "publish", "messaging.operation.type": "send"},
    topic="messaging.destination.name",
    count="messaging.batch.message_count",
)
PROCESS = declare(
    "process",
    "A message at the desk, from its arrival there until what became of it is recorded; part of the trace that the "
    "message bears.",
    kind=Kind.CONSUMER,
    named_by=("topic",),
    fixed={**_KAFKA, "messaging.operation.name": "process", "messaging.operation.type": "process"},
    topic="messaging.destination.name",
    partition="messaging.destination.partition.id",
    offset="messaging.kafka.offset",
    outcome="sluice.claim.outcome",
)
FETCH = declare("fetch object", "A claim's object is read from the store, once; a try that failed is one too.")
PUT = declare(
    "put log part",
    "The part of the log that holds a claim's row is put into the store, with the rows of others.",
    rows="sluice.log.rows",
)
