output "rules" {
  description = "Name of the ConfigMap of rules."
  value       = kubernetes_config_map_v1.rules.metadata[0].name
}

output "dashboards" {
  description = "Names of the ConfigMaps of dashboards."
  value       = sort([for dashboard in kubernetes_config_map_v1.dashboard : dashboard.metadata[0].name])
}
