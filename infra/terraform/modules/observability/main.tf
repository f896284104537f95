# Rules and dashboards as ConfigMaps, byte for byte as promtool and the tests have seen them, and in the apply that brings
# the code whose metrics they ask for. Prometheus of 20-addons mounts the rules; a Grafana whose sidecar looks for the
# label below takes the dashboards.

locals {
  rules_folder      = "${var.sources}/prometheus/rules"
  dashboards_folder = "${var.sources}/grafana/dashboards"

  rules      = { for name in fileset(local.rules_folder, "*.yml") : name => file("${local.rules_folder}/${name}") }
  dashboards = { for name in fileset(local.dashboards_folder, "*.json") : name => file("${local.dashboards_folder}/${name}") }

  labels = merge(var.labels, { "app.kubernetes.io/component" = "observability" })
}

resource "kubernetes_config_map_v1" "rules" {
  metadata {
    name      = var.rules_name
    namespace = var.namespace
    labels    = local.labels
  }

  data = local.rules

  lifecycle {
    precondition {
      condition     = length(local.rules) > 0
      error_message = "There are no rules in ${local.rules_folder}."
    }
  }
}

# One each: a ConfigMap holds 1 MiB at the most, and a dashboard is replaced without the others.
resource "kubernetes_config_map_v1" "dashboard" {
  for_each = local.dashboards

  metadata {
    name      = "sluice-dashboard-${trimsuffix(each.key, ".json")}"
    namespace = var.namespace
    labels    = merge(local.labels, { (var.dashboard_label) = "1" })
  }

  data = { (each.key) = each.value }

  lifecycle {
    precondition {
      condition     = length(each.value) < 900000
      error_message = "${each.key} is too large for a ConfigMap."
    }
  }
}
