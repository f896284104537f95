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

output "summary" {
  description = "What will stand in the cluster, in short: for the tests of the root, which cannot look into a module."
  value = {
    image         = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].image
    env           = kubernetes_config_map_v1.this.data
    resources     = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].resources[0]
    strategy      = kubernetes_deployment_v1.this.spec[0].strategy[0].type
    node_selector = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].node_selector
    tolerations   = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].toleration
    priority      = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].priority_class_name
    pod_labels    = kubernetes_deployment_v1.this.spec[0].template[0].metadata[0].labels
    volumes       = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume
    ingress       = kubernetes_network_policy_v1.this.spec[0].ingress
    egress        = kubernetes_network_policy_v1.this.spec[0].egress
    annotations   = try(kubernetes_service_v1.this[0].metadata[0].annotations, {})
    scaling       = try(kubernetes_manifest.scaled_object[0].manifest.spec, null)
  }
}
