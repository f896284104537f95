"""The dashboard of claims: from the topic to the recorded result."""

from scripts.dashboards.panels import Dashboard, Panel, Query, Row
from scripts.dashboards.shared import mean, quantiles, rare, rates

CLAIMS = Dashboard(
    uid="sluice-claims",
    title="Sluice: claims",
    description="Forecasts by Kafka: lag, gate, desk, store, log, dead letters.",
    anchor="inference_claim_capacity",
    rows=[
        Row(
            "Is it up?",
            [
                Panel(
                    "Claims wait in the topic",
                    [
                        # Of a broker that is away nobody knows it: no number, and not the 0 of an empty topic.
                        Query(
                            "sum(max by (topic, partition) (inference_claim_lag{S}))"
                            " or 0 * max(inference_claim_broker_away{S} == 0)"
                        )
                    ],
                    kind="stat",
                    description="No data: the broker is away, or nobody reads claims.",
                ),
                Panel(
                    "Claims a second",
                    [Query('sum(rate(inference_claims_total{S,outcome=~"ok|expired|dead_letter"}[$__rate_interval]))')],
                    "short",
                    kind="stat",
                ),
                Panel(
                    "Held",
                    [Query("max(inference_claims_held{S})")],
                    kind="stat",
                    red_from=1,
                    words={"0": "no", "1": "held"},
                    description="Store, broker or model do not answer: no claim is worked, none is lost.",
                ),
                Panel(
                    "Broker",
                    [Query("max(inference_claim_broker_away{S})")],
                    kind="stat",
                    red_from=1,
                    words={"0": "answers", "1": "away"},
                ),
                Panel(
                    "Since the last poll",
                    [Query("max(inference_claim_poll_stall_seconds{S})")],
                    "s",
                    kind="stat",
                    red_from=60,
                ),
                Panel(
                    "Alerts that fire",
                    [Query('count(ALERTS{alertstate="firing",alertname=~"Claims.*"}) or vector(0)')],
                    kind="stat",
                    red_from=1,
                ),
            ],
        ),
        Row(
            "Is it slow?",
            [
                Panel("Claims by their end", rates("inference_claims_total", "outcome"), stacked=True),
                Panel(
                    "From delivery to the end",
                    quantiles("inference_claim_seconds", 0.5, 0.95),
                    "s",
                    description="Waiting and further tries included.",
                ),
                Panel(
                    "Time to work what waits",
                    [Query('job:inference_claim_backlog:seconds{job=~"$job"}', "{{job}}")],
                    "s",
                    red_from=600,
                    description="Lag over the rate at which claims end. Infinite: none ends.",
                ),
                Panel(
                    "Its forecast, from lane to answer",
                    quantiles("inference_latency_seconds", 0.5, 0.95, only='lane="claims"'),
                    "s",
                ),
                Panel("Reading an object", quantiles("inference_claim_fetch_seconds", 0.5, 0.95), "s"),
                Panel("Writing a part of the log", quantiles("inference_result_store_seconds", 0.5, 0.95), "s"),
                Panel("Oldest claim in hand", [Query("inference_claim_oldest_seconds{S}")], "s"),
            ],
        ),
        Row(
            "Is it full?",
            [
                Panel(
                    "Lag by partition",
                    [Query("sum by (topic, partition) (inference_claim_lag{S})", "{{topic}} {{partition}}")],
                    description="Messages that are not committed yet, as Kafka's own tools count. Gaps: no broker.",
                ),
                Panel(
                    "Claims in hand",
                    [
                        Query("inference_claim_depth{S}"),
                        Query("inference_claim_depth_max{S}", "{{instance}} most ever"),
                        Query("inference_claim_capacity{S}", "{{instance}} bound"),
                    ],
                ),
                Panel(
                    "Fetching is paused",
                    [Query("rate(inference_claim_paused_seconds_total{S}[$__rate_interval])")],
                    "percentunit",
                    description="Share of the time. The whole of it, while nothing ends, is ClaimsPausedForEver.",
                ),
                Panel("Pauses and resumes", [Query("rate(inference_claim_gate_flips_total{S}[$__rate_interval])")]),
                Panel(
                    "The claims' lane",
                    [
                        Query("inference_claims_queue_len{S}"),
                        Query("inference_claim_gate_closed{S}", "{{instance}} gate closed"),
                    ],
                ),
                Panel("Their bytes", [Query("inference_claims_queue_bytes{S}")], "bytes"),
            ],
        ),
        Row(
            "Why?",
            [
                Panel(
                    "Dead letters by reason",
                    [
                        Query(
                            "sum by (topic, reason) (rate(inference_claim_dead_letters_total{S}[$__rate_interval]))"
                            " or vector(0)",
                            "{{topic}} {{reason}}",
                        )
                    ],
                ),
                Panel(
                    "Further tries by code",
                    rare("inference_claim_retries_total", "code"),
                ),
                Panel(
                    "Holds by code",
                    [
                        Query(
                            "sum by (code) (increase(inference_claim_holds_total{S}[$__rate_interval])) or vector(0)",
                            "{{code}}",
                        )
                    ],
                ),
                Panel("Errors of the consumer", rates("inference_claim_faults_total", "code")),
                Panel("Commits", rates("inference_claim_commits_total", "outcome")),
                Panel("Partitions that moved", rates("inference_claim_rebalances_total", "event")),
                Panel(
                    "Records that came again", [Query("rate(inference_claims_redelivered_total{S}[$__rate_interval])")]
                ),
                Panel("Messages published", rates("inference_messages_published_total", "topic")),
                Panel("Rows in a part of the log, mean", mean("inference_result_part_rows")),
                Panel(
                    "Workers that compute",
                    [Query("avg_over_time(inference_worker_utilization{S}[$__rate_interval])")],
                    "percentunit",
                    description="Lag beside idle workers is ClaimsLagWhileIdle.",
                ),
            ],
        ),
    ],
)
