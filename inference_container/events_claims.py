"""Log events of claims, results and promotions. Names are the predecessor's where it had one for the same fact."""

from functools import partial

from serving.events import DEBUG, ERROR, WARNING
from serving.events import declare as _declare

_event = partial(_declare, logger="inference_container.claims")

consumer_loop_start = _event("consumer_loop_start", "Claims are consumed from now on.", "topics", "group", "bound")
consumer_loop_end = _event("consumer_loop_end", "The consumer has left its group.", "committed", "unfinished")
consumer_loop_error = _event(
    "consumer_loop_error",
    "The consumer failed and goes on after `after_s`; nothing is committed by it.",
    *("code", "reason", "after_s"),
    level=ERROR,
)
buckets_not_made = _event(
    "buckets_not_made", "Buckets could not be made; tried again.", *("code", "reason", "after_s"), level=WARNING
)
consumer_paused = _event("consumer_paused", "Fetching stops: the lane is full enough, or held.", "depth", "pct", "why")
consumer_resumed = _event("consumer_resumed", "Fetching goes on.", "depth", "pct")
partitions_assigned = _event("partitions_assigned", "Partitions are ours from now on.", "partitions", "positions")
partitions_revoked = _event("partitions_revoked", "Partitions go elsewhere.", "partitions", "committed", "in_flight")
partitions_lost = _event(
    "partitions_lost", "Partitions went elsewhere before we knew.", "partitions", "in_flight", level=WARNING
)
queue_enqueued = _event("queue_enqueued", "Claims were taken from the topic.", "claims", "depth", level=DEBUG)
commits_applied = _event("commits_applied", "Finished offsets were committed.", "offsets", level=DEBUG)
commit_offsets_fail = _event(
    "commit_offsets_fail", "A commit was not taken; it is tried again or left.", "code", "offsets", level=WARNING
)
ttl_expired = _event("ttl_expired", "A claim's deadline passed before its result was published.", "source", level=DEBUG)
claim_retried = _event(
    "claim_retried", "A claim is tried again.", "source", "code", "attempts", "after_s", level=WARNING
)
claims_held = _event(
    "claims_held", "No claim is worked until what they all need answers again.", "code", "reason", level=ERROR
)
claims_released = _event("claims_released", "Claims are worked again.", "held_s")
dead_letter = _event("dead_letter", "A message was put aside.", "topic", "reason", "source", "attempts", level=WARNING)
inference_log_write = _event(
    "inference_log_write", "A part of the log was stored.", "bucket", "object_key", "lines", "bytes", level=DEBUG
)
inference_log_dropped = _event(
    "inference_log_dropped",
    "Forecasts over HTTP were answered but not recorded: at most one line a second, `dropped` counts all so far.",
    *("reason", "dropped"),
    level=WARNING,
)
publish_claims_ok = _event("publish_claims_ok", "A burst of claims was published.", "topic", "count")
publish_claim_error = _event(
    "publish_claim_error", "A burst of claims stopped half way.", "topic", "published", "code", level=ERROR
)
promotion_pointer_fetch_fail = _event(
    "promotion_pointer_fetch_fail",
    "The pointer or its bundle could not be read; the present bundle goes on.",
    *("code", "reason"),
    level=WARNING,
)
promotion_refused = _event(
    "promotion_refused",
    "A pointer or an event is not followed; the present bundle goes on.",
    *("reason", "error", "bundle_id"),
    level=ERROR,
)
promotion_cache_fail = _event(
    "promotion_cache_fail",
    "The disk can not keep a promoted bundle: it can not be brought, or a restart would miss it.",
    "reason",
    level=ERROR,
)
promotion_listener_error = _event(
    "promotion_listener_error",
    "A promotion's events can not be read, or their letters not sent; tried again after `after_s`, the pointer is "
    "polled all the while.",
    *("code", "reason", "after_s"),
    level=WARNING,
)
promotion_active = _event("promotion_active", "The promoted bundle is served.", "bundle_id", "source")
promotion_already_active = _event(
    "promotion_already_active", "A hint named what is served already.", "bundle_id", level=DEBUG
)
training_claim_skipped = _event(
    "training_claim_skipped", "A training event asks nothing of this service.", "reason", "run_id", level=DEBUG
)
