output "prometheus_url" {
  description = "Where KEDA asks Prometheus: `prometheus_address` of 30-apps; empty where it is left out."
  value       = module.addons.prometheus_url
}

output "monitoring_namespace" {
  description = "Namespace of Prometheus: `prometheus_namespace` of 30-apps."
  value       = module.addons.monitoring_namespace
}

output "keda_namespace" {
  description = "Namespace of KEDA."
  value       = module.addons.keda_namespace
}
