output "cluster_name" {
  description = "Name of the cluster."
  value       = module.eks.cluster_name
}

output "region" {
  description = "Region of all of it."
  value       = var.region
}

output "kubeconfig_command" {
  description = "What makes kubectl speak to the cluster."
  value       = "aws eks update-kubeconfig --region ${var.region} --name ${module.eks.cluster_name}"
}

output "node_groups" {
  description = "Names of the node groups."
  value       = module.eks.node_groups
}

output "repository_urls" {
  description = "Where images are pushed to: chat and inference."
  value = {
    chat      = module.ecr.repository_urls["chat-api"]
    inference = module.ecr.repository_urls["inference"]
  }
}

output "registry" {
  description = "Host and first part of the repositories' names: 30-apps puts the image's name and tag behind it."
  value       = trimsuffix(module.ecr.repository_urls["inference"], "/inference")
}

output "bucket" {
  description = "Bucket that claims point into."
  value       = module.object_store.bucket
}

output "llm_zone" {
  description = "Zone of the model's node: the zone of its cache's volume."
  value       = local.llm_zone
}

output "pod_identity_roles" {
  description = "Roles that pods have, by who has them."
  value = merge(
    { inference = module.inference_identity.role_arn, ebs_csi = module.eks.ebs_csi_role_arn },
    { for module in module.balancer_identity : "load_balancer_controller" => module.role_arn },
  )
}

output "msk_bootstrap_servers" {
  description = "Addresses of the brokers, over TLS; empty where Kafka is in the cluster."
  value       = one(module.msk[*].bootstrap_servers) == null ? "" : module.msk[0].bootstrap_servers
}

output "vpc_id" {
  description = "Network of the cluster: 20-addons gives it to the load balancer controller, which can not ask the node for it."
  value       = module.network.vpc_id
}

# Said once, here: `make deploy` hands these to the other roots.
output "lb_mode" {
  description = "Balancer of the chat service, for 20-addons and 30-apps."
  value       = var.lb_mode
}

output "kafka_mode" {
  description = "Where Kafka is, for 30-apps."
  value       = var.kafka_mode
}
