output "namespace" {
  description = "Namespace of all objects."
  value       = var.namespace
}

output "chat_service" {
  description = "Service that the balancer stands before; with lb_mode = alb, the Ingress of the same name."
  value       = module.chat_api.service
}

output "inference_service" {
  description = "Service of the forecasts, inside the cluster: http://inference:8000 in this namespace."
  value       = module.inference.service
}

output "deployments" {
  description = "Deployments whose rollout a deploy waits for."
  value       = [module.chat_api.name, module.inference.name, module.inference_claims.name]
}
