# One service in the cluster: who it is and what it is told. The rest stands in deployment.tf, service.tf, scaling.tf and
# network.tf.
locals {
  selector = {
    "app.kubernetes.io/name"     = var.name
    "app.kubernetes.io/instance" = var.name
  }
  labels = merge(var.labels, local.selector)

  min_replicas = coalesce(var.replicas.min, var.replicas.start)
  max_replicas = coalesce(var.replicas.max, var.replicas.start)

  cache_mode = try(var.model_cache.mode, "none")
  # What lies on the claim, and what is a folder of the pod's own.
  has_claim = local.cache_mode == "pvc"

  grace_seconds = var.timeouts.pre_stop + var.timeouts.drain + var.timeouts.after_drain
}

resource "kubernetes_service_account_v1" "this" {
  count = var.service_account.create ? 1 : 0

  metadata {
    name      = var.service_account.name
    namespace = var.namespace
    labels    = var.labels
  }
  # Nothing here talks to the Kubernetes API. Pod Identity brings a token of its own.
  automount_service_account_token = false
}

resource "kubernetes_config_map_v1" "this" {
  metadata {
    name      = var.name
    namespace = var.namespace
    labels    = local.labels
  }
  data = var.env
}

resource "kubernetes_persistent_volume_claim_v1" "model_cache" {
  count = local.has_claim && try(var.model_cache.create_claim, false) ? 1 : 0

  metadata {
    name      = var.model_cache.claim
    namespace = var.namespace
    labels    = local.labels
  }
  spec {
    access_modes       = ["ReadWriteOnce"]
    storage_class_name = var.model_cache.storage_class
    resources {
      requests = { storage = var.model_cache.size }
    }
  }
  # It is bound when the first pod is placed, in that pod's zone.
  wait_until_bound = false
}
