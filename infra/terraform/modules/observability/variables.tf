variable "namespace" {
  description = "Namespace of Prometheus and Grafana, which exists (20-addons makes it)."
  type        = string
  default     = "monitoring"
}

variable "labels" {
  description = "Labels of everything made here, beside its own."
  type        = map(string)
  default     = {}
}

variable "sources" {
  description = "The folder infra/observability."
  type        = string
}

variable "rules_name" {
  description = "Name of the ConfigMap of rules. Prometheus of 20-addons mounts the one of this name."
  type        = string
  default     = "sluice-prometheus-rules"
}

variable "dashboard_label" {
  description = "Label by which Grafana's sidecar finds dashboards."
  type        = string
  default     = "grafana_dashboard"
}
