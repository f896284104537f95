# How many there are, and how many must stay. KEDA makes the HorizontalPodAutoscaler; a second one would fight with it.
locals {
  scales = var.scaling != null && local.max_replicas > local.min_replicas
}

resource "kubernetes_manifest" "scaled_object" {
  count = local.scales ? 1 : 0

  manifest = {
    apiVersion = "keda.sh/v1alpha1"
    kind       = "ScaledObject"
    metadata = {
      name      = var.name
      namespace = var.namespace
      labels    = local.labels
    }
    spec = {
      scaleTargetRef  = { name = var.name }
      pollingInterval = var.scaling.polling_seconds
      cooldownPeriod  = var.scaling.cooldown_seconds
      minReplicaCount = local.min_replicas
      maxReplicaCount = local.max_replicas
      advanced = {
        horizontalPodAutoscalerConfig = {
          behavior = {
            scaleDown = { stabilizationWindowSeconds = var.scaling.stabilization_seconds }
          }
        }
      }
      triggers = [for trigger in var.scaling.triggers : {
        type       = trigger.type
        metadata   = trigger.metadata
        metricType = trigger.metric_type
      }]
    }
  }

  depends_on = [kubernetes_deployment_v1.this]
}

resource "kubernetes_pod_disruption_budget_v1" "this" {
  # With a single replica it would only keep its node from being drained.
  count = local.min_replicas > 1 ? 1 : 0

  metadata {
    name      = var.name
    namespace = var.namespace
    labels    = local.labels
  }
  spec {
    max_unavailable = "1"
    selector {
      match_labels = local.selector
    }
  }
}
