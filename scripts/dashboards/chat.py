"""The chat service's dashboard, from top to bottom as an operator asks: is it up, is it slow, is it full, why."""

from scripts.dashboards.panels import Dashboard, Panel, Query, Row
from scripts.dashboards.shared import doors, in_flight, loop, process, quantiles, rates, up

CHAT = Dashboard(
    uid="sluice-chat",
    title="Sluice: chat",
    description="POST /triage and POST /v1/chat/completions: questions, the lane, the engine, the audit.",
    anchor="triage_model_ready",
    rows=[
        Row(
            "Is it up?",
            [
                Panel(
                    "Replicas that are ready",
                    [Query("sum(triage_model_ready{S})")],
                    kind="stat",
                    description="A replica is ready once its model has answered for the first time.",
                ),
                *up(),
                Panel("Model", [Query("triage_model_info{S}", "{{model}} ({{llm_mode}})")], kind="stat"),
            ],
        ),
        Row(
            "Is it slow?",
            [
                Panel(
                    "Questions by what became of them", rates("triage_requests_total", "outcome"), "reqps", stacked=True
                ),
                Panel(
                    "Until the first word",
                    quantiles("triage_ttft_seconds", 0.5, 0.95),
                    "s",
                    description="From admission, waiting included.",
                ),
                Panel("From word to word", quantiles("triage_inter_token_seconds", 0.5, 0.95), "s", red_from=0.4),
                Panel("Whole answer", quantiles("triage_inference_seconds", 0.5, 0.95), "s"),
                Panel("Waiting for a slot", quantiles("triage_queue_wait_seconds", 0.5, 0.95), "s"),
                *doors(),
                loop(),
            ],
        ),
        Row(
            "Is it full?",
            [
                Panel(
                    "Chats that wait",
                    [Query("triage_queue_depth{S}"), Query("triage_queue_capacity{S}", "{{instance}} places")],
                ),
                Panel("Chats in work", [Query("triage_slots_busy{S}"), Query("triage_slots{S}", "{{instance}} slots")]),
                Panel(
                    "First in line has waited",
                    [
                        Query("triage_queue_oldest_wait_seconds{S}"),
                        Query("triage_deadline_seconds{S}", "{{instance}} deadline"),
                    ],
                    "s",
                ),
                Panel("Refusals by reason", rates("triage_rejected_total", "reason"), "reqps", stacked=True),
                Panel(
                    "Tokens in the cache",
                    [Query("triage_kv_tokens{S}"), Query("triage_kv_capacity{S}", "{{instance}} room")],
                ),
                in_flight(),
            ],
        ),
        Row(
            "Why: the engine",
            [
                Panel(
                    "Tokens a second",
                    [
                        Query("triage_prefill_rate{S}", "{{instance}} read"),
                        Query("triage_decode_rate{S}", "{{instance}} written"),
                    ],
                    description="Moving averages over the last work: they stand still while nobody asks.",
                ),
                Panel("Tokens by kind", rates("triage_tokens_total", "kind"), stacked=False),
                Panel("Chats by how they ended", rates("triage_chats_total", "outcome"), "reqps", stacked=True),
                Panel("Cancelled, by how far they were", rates("triage_cancelled_total", "stage"), "reqps"),
                Panel("Engine restarts", [Query("increase(triage_engine_restarts_total{S}[15m])")], red_from=1),
                Panel("Last load", [Query("triage_model_load_seconds{S}")], "s"),
            ],
        ),
        Row("Why: the process", process()),
        Row(
            "What is kept",
            [
                Panel(
                    "Audit entries that wait",
                    [Query("triage_audit_queue{S}")],
                    red_from=1,
                    description="Above 0 for minutes: the file can not be written.",
                ),
                Panel(
                    "Audit rows",
                    [
                        Query("rate(triage_audit_rows_total{S}[$__rate_interval])", "{{instance}} written"),
                        Query("rate(triage_audit_failures_total{S}[$__rate_interval])", "{{instance}} failed tries"),
                        Query("rate(triage_audit_lost_total{S}[$__rate_interval])", "{{instance}} lost"),
                    ],
                ),
                Panel("Conversations", rates("triage_chat_log_total", "outcome"), stacked=True),
                Panel("What people said of answers", rates("triage_feedback_total", "verdict")),
                Panel(
                    "Questions as jobs",
                    [
                        Query("triage_jobs_running{S}", "{{instance}} without an answer"),
                        Query("triage_jobs_kept{S}", "{{instance}} kept"),
                    ],
                ),
            ],
        ),
    ],
)
