"""The forecast service's dashboard: its HTTP door, lanes, workers and bundle. Claims have one of their own."""

from scripts.dashboards.panels import Dashboard, Panel, Query, Row
from scripts.dashboards.shared import doors, in_flight, loop, mean, process, quantiles, rare, rates, up

CALLERS = 'lane="callers"'

FORECAST = Dashboard(
    uid="sluice-forecast",
    title="Sluice: forecasts",
    description="POST /predict and its other protocols: callers, batches, workers, bundles.",
    anchor="inference_model_ready",
    rows=[
        Row(
            "Is it up?",
            [
                Panel("Replicas that are ready", [Query("sum(inference_model_ready{S})")], kind="stat"),
                *up(),
                Panel(
                    "Bundle", [Query('inference_model_info{S,role="serving"}', "{{name}} {{bundle_id}}")], kind="stat"
                ),
            ],
        ),
        Row(
            "Is it slow?",
            [
                Panel(
                    "Forecasts by what became of them",
                    rates("inference_jobs_outcome_total", "outcome", CALLERS),
                    "reqps",
                    stacked=True,
                ),
                Panel(
                    "From admission to the answer",
                    quantiles("inference_latency_seconds", 0.5, 0.95, 0.99, only=CALLERS),
                    "s",
                    description="Of callers, failures included.",
                ),
                Panel("Waiting for a batch", quantiles("inference_queue_wait_seconds", 0.5, 0.95, only=CALLERS), "s"),
                *doors(),
                Panel(
                    "Stages of a batch, mean",
                    mean("inference_stage_seconds", "stage"),
                    "s",
                    description="`overall` is the sum of the others.",
                ),
                Panel(
                    "The last forecast",
                    [
                        Query("inference_latency_latest_seconds{S}", "{{instance}} in all"),
                        Query("inference_queue_wait_latest_seconds{S}", "{{instance}} waiting"),
                    ],
                    "s",
                ),
                loop(),
            ],
        ),
        Row(
            "Is it full?",
            [
                Panel(
                    "Requests that wait",
                    [Query("inference_queue_len{S}"), Query("inference_queue_capacity{S}", "{{instance}} places")],
                ),
                Panel(
                    "First in line has waited",
                    [
                        Query("inference_queue_oldest_wait_seconds{S}"),
                        Query("inference_deadline_seconds{S}", "{{instance}} deadline"),
                    ],
                    "s",
                ),
                Panel(
                    "Workers",
                    [
                        Query("inference_workers_busy{S}", "{{instance}} compute"),
                        Query("inference_workers_idle{S}", "{{instance}} wait"),
                    ],
                    stacked=True,
                ),
                Panel(
                    "Workers that compute",
                    [Query("avg_over_time(inference_worker_utilization{S}[$__rate_interval])")],
                    "percentunit",
                ),
                Panel("Refusals by reason", rates("inference_rejected_total", "reason"), "reqps", stacked=True),
                Panel("Requests in a batch, mean", mean("inference_batch_size")),
                Panel("Bodies held", [Query("inference_queue_bytes{S}")], "bytes"),
                in_flight(),
            ],
        ),
        Row(
            "Why: workers and bundle",
            [
                Panel("Worker restarts", [Query("increase(inference_worker_restarts_total{S}[15m])")], red_from=1),
                Panel(
                    "Deadlines that passed",
                    [Query("sum by (lane) (rate(inference_expired_total{S}[$__rate_interval]))", "{{lane}}")],
                    "reqps",
                    description="After they were admitted.",
                ),
                Panel(
                    "Bundles served, by replica",
                    [Query('count by (bundle_id) (inference_model_info{S,role="serving"})', "{{bundle_id}}")],
                    description="More than one line for long: replicas differ.",
                ),
                Panel("Promotions", rates("inference_promotions_total", "outcome")),
                Panel(
                    "Shadow",
                    rates("inference_shadow_batches_total", "outcome"),
                    description="0: there is none.",
                ),
                Panel(
                    "The shadow differs by, p95",
                    quantiles("inference_shadow_relative_difference", 0.95),
                    "percentunit",
                    description="First value of one forecast of each batch. No data: there is no shadow.",
                ),
                Panel(
                    "Answers from memory",
                    rates("inference_cache_total", "outcome"),
                    "reqps",
                    description="With ENABLE_PREDICT_CACHE.",
                ),
                Panel("Rows that were not recorded", rare("inference_log_dropped_total", "reason")),
            ],
        ),
        Row("Why: the process", process()),
    ],
)
