# Nothing is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  sources = "../../../observability"
}

run "every_rule_and_every_dashboard" {
  command = plan

  assert {
    condition     = toset(keys(kubernetes_config_map_v1.rules.data)) == fileset("${var.sources}/prometheus/rules", "*.yml") && length(kubernetes_config_map_v1.rules.data) >= 4
    error_message = "Each file of rules must be in the ConfigMap."
  }

  assert {
    condition     = kubernetes_config_map_v1.rules.data["claims.yml"] == file("${var.sources}/prometheus/rules/claims.yml")
    error_message = "Rules arrive byte for byte: Prometheus' own templates look like those of others."
  }

  assert {
    condition     = toset(flatten([for each in kubernetes_config_map_v1.dashboard : keys(each.data)])) == fileset("${var.sources}/grafana/dashboards", "*.json") && length(kubernetes_config_map_v1.dashboard) >= 3
    error_message = "Each dashboard must have a ConfigMap."
  }

  assert {
    condition     = alltrue([for each in kubernetes_config_map_v1.dashboard : lookup(each.metadata[0].labels, "grafana_dashboard", "") == "1"])
    error_message = "Without the label Grafana's sidecar does not see a dashboard."
  }

  assert {
    condition     = kubernetes_config_map_v1.rules.metadata[0].name == "sluice-prometheus-rules" && kubernetes_config_map_v1.rules.metadata[0].namespace == "monitoring"
    error_message = "Prometheus of 20-addons mounts the ConfigMap of this name."
  }
}

run "a_folder_without_rules_is_a_mistake" {
  command = plan
  variables { sources = "./tests" }

  expect_failures = [kubernetes_config_map_v1.rules]
}
