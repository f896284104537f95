output "bootstrap_servers" {
  description = "KAFKA_BOOTSTRAP_SERVERS of a pod in the namespace. Known once the brokers are there: what uses it waits for them."
  value       = "${kubernetes_service_v1.this.metadata[0].name}:${local.client}"
  depends_on  = [kubernetes_stateful_set_v1.this]
}

output "bootstrap_servers_outside" {
  description = "The same for pods in other namespaces, such as KEDA's operator."
  value       = "${kubernetes_service_v1.this.metadata[0].name}.${var.namespace}.svc.cluster.local:${local.client}"
}

output "client_labels" {
  description = "A pod with these labels may speak to the brokers."
  value       = local.clients
}
