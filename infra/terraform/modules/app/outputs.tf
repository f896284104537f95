output "name" {
  description = "Name of the Deployment."
  value       = kubernetes_deployment_v1.this.metadata[0].name
}

output "service" {
  description = "Name of the Service; empty where there is none."
  value       = local.mode == "none" ? "" : local.service
}

output "grace_seconds" {
  description = "How long a pod may take to end."
  value       = local.grace_seconds
}
