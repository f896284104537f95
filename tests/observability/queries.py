"""Queries of dashboards as Prometheus takes them: Grafana's variables replaced."""

from scripts.dashboards.panels import Query


def plain(query: Query, window: str = "1m") -> str:
    text = query.expression.replace("$__rate_interval", window)
    return text.replace('"$job"', '".+"').replace('"$instance"', '".+"')
