"""Grafana's dashboards as a description one can read, and what turns it into the JSON that Grafana loads.

`python -m scripts.dashboards` writes `infra/observability/grafana/dashboards/`; a contract test keeps both the same.
"""
