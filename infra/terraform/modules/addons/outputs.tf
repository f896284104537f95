output "keda_namespace" {
  description = "Namespace of KEDA. Its operator asks Kafka and Prometheus, so their network policies name it."
  value       = helm_release.keda.namespace
}

output "monitoring_namespace" {
  description = "Namespace of Prometheus, which scrapes the services and mounts the rules; empty where it is left out."
  value       = var.prometheus.enabled ? helm_release.prometheus[0].namespace : ""
}

output "prometheus_url" {
  description = "Where KEDA asks Prometheus; empty where it is left out."
  value       = var.prometheus.enabled ? "http://prometheus-server.${helm_release.prometheus[0].namespace}.svc.cluster.local:80" : ""
}

output "load_balancer_controller" {
  description = "Whether there is one."
  value       = local.has_controller
}
