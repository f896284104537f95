"""Panels that more than one dashboard shows: what every service says of its doors, its loop and its process."""

from collections.abc import Sequence

from scripts.dashboards.panels import Panel, Query

#: Probes and scrapes are no traffic.
TRAFFIC = 'endpoint!~"/health|/healthz|/ready|/metrics|/prometheus|/predict_ping"'


def quantiles(metric: str, *shares: float, only: str = "") -> Sequence[Query]:
    """Of a histogram, over all chosen replicas; `only`: a matcher of its labels."""
    rate = f"sum by (le) (rate({metric}_bucket{_chosen(only)}[$__rate_interval]))"
    return [Query(f"histogram_quantile({share}, {rate})", f"p{share * 100:g}") for share in shares]


def rates(metric: str, label: str, only: str = "") -> Sequence[Query]:
    return [Query(f"sum by ({label}) (rate({metric}{_chosen(only)}[$__rate_interval]))", f"{{{{{label}}}}}")]


def rare(metric: str, label: str) -> Sequence[Query]:
    """As `rates`, of what is counted from its first time on: 0 until then."""
    return [Query(f"{query.written} or vector(0)", query.legend) for query in rates(metric, label)]


def mean(metric: str, label: str = "") -> Sequence[Query]:
    by, legend = (f"sum by ({label})", f"{{{{{label}}}}}") if label else ("sum", "mean")
    total, count = (f"{by} (rate({metric}_{part}{{S}}[$__rate_interval]))" for part in ("sum", "count"))
    return [Query(f"{total} / {count}", legend)]


def _chosen(only: str) -> str:
    return f"{{S,{only}}}" if only else "{S}"


def up() -> Sequence[Panel]:
    """The first things asked: how many answer, is something wrong, how much comes and how much of it fails."""
    errors = "sum(rate(http_request_errors_total{S}[$__rate_interval])) or vector(0)"
    requests = f"sum(rate(http_requests_total{{S,{TRAFFIC}}}[$__rate_interval]))"
    return [
        Panel("Replicas that answer", [Query("sum(up{S})")], kind="stat"),
        Panel(
            "Alerts that fire",
            [Query('count(ALERTS{alertstate="firing",job=~"$job"}) or vector(0)')],
            kind="stat",
            red_from=1,
            description="Each leads to its part of docs/operations.md.",
        ),
        Panel("Requests a second", [Query(requests)], "reqps", kind="stat"),
        Panel("Requests that fail", [Query(f"({errors}) / {requests}")], "percentunit", kind="stat", red_from=0.01),
    ]


def doors() -> Sequence[Panel]:
    """Rates, refusals, errors and durations by route."""
    by_route = "sum by (endpoint, le) (rate(http_request_duration_seconds_bucket{S}[$__rate_interval]))"
    return [
        Panel(
            "Answers by status",
            [Query(f"sum by (status) (rate(http_requests_total{{S,{TRAFFIC}}}[$__rate_interval]))", "{{status}}")],
            "reqps",
            stacked=True,
        ),
        Panel(
            "Errors by route",
            rare("http_request_errors_total", "endpoint"),
            "reqps",
            description="Answers of 500 and above; a /ready that says no is none.",
        ),
        Panel("Time by route, p95", [Query(f"histogram_quantile(0.95, {by_route})", "{{endpoint}}")], "s"),
    ]


def loop() -> Panel:
    by_replica = "sum by (instance, le) (rate(event_loop_delay_seconds_bucket{S}[$__rate_interval]))"
    return Panel(
        "Event loop lag",
        [
            Query(f"histogram_quantile(0.99, {by_replica})", "{{instance}} p99"),
            Query("event_loop_lag_max_seconds{S}", "{{instance}} worst since the start"),
        ],
        "s",
        description="How late the loop is. Held, it answers no probe.",
        red_from=0.25,
    )


def in_flight() -> Panel:
    return Panel("Requests being answered", [Query("http_requests_in_flight{S}")])


def process() -> Sequence[Panel]:
    """CPU, memory and descriptors, of the process, its children and the container."""
    return [
        Panel(
            "CPU",
            [
                Query("rate(process_cpu_seconds_total{S}[$__rate_interval])", "{{instance}} API process"),
                Query(
                    "sum by (instance, child) (rate(child_cpu_seconds_total{S}[$__rate_interval]))",
                    "{{instance}} {{child}}",
                ),
            ],
            description="Cores in use.",
            stacked=True,
        ),
        Panel(
            "Periods stopped by the CPU quota",
            [
                Query(
                    "rate(cgroup_cpu_throttled_periods_total{S}[$__rate_interval])"
                    " / rate(cgroup_cpu_periods_total{S}[$__rate_interval])"
                )
            ],
            "percentunit",
            red_from=0.25,
            description="More threads than the quota has cores, most often. No data: there is no quota.",
        ),
        Panel(
            "Memory",
            [
                Query("process_resident_memory_bytes{S}", "{{instance}} API process"),
                Query("sum by (instance, child) (child_resident_memory_bytes{S})", "{{instance}} {{child}}"),
                Query("cgroup_memory_bytes{S}", "{{instance}} container"),
                Query("cgroup_memory_limit_bytes{S}", "{{instance}} limit"),
            ],
            "bytes",
        ),
        Panel(
            "File descriptors",
            [Query("process_open_fds{S}"), Query("process_max_fds{S}", "{{instance}} limit")],
        ),
        Panel(
            "Disk space left",
            [Query("job_instance_folder:disk_free:ratio{S}", "{{instance}} {{folder}}")],
            "percentunit",
            description="Of the file systems that it writes to. A gap: one that does not answer.",
        ),
        Panel(
            "Starts of the process",
            [Query("changes(process_start_time_seconds{S}[1h])", "{{instance}} in an hour")],
            red_from=2,
        ),
    ]
