# Where the services live, and what holds for every pod in it: no privileges, no traffic that nobody allowed, no more
# than a share of the cluster. Each service adds the traffic that it needs itself.

resource "kubernetes_namespace_v1" "this" {
  metadata {
    name = var.namespace
    labels = merge(var.labels, {
      "pod-security.kubernetes.io/enforce"         = "restricted"
      "pod-security.kubernetes.io/enforce-version" = "latest"
      "pod-security.kubernetes.io/audit"           = "restricted"
      "pod-security.kubernetes.io/warn"            = "restricted"
    })
  }
}

locals {
  # Known before the namespace is made, and still after it: what stands in it waits for it.
  namespace = kubernetes_namespace_v1.this.metadata[0].name
}

resource "kubernetes_resource_quota_v1" "this" {
  metadata {
    name      = "share"
    namespace = local.namespace
    labels    = var.labels
  }

  spec {
    hard = {
      "requests.cpu"           = var.quota.cpu
      "limits.cpu"             = var.quota.limits_cpu
      "requests.memory"        = var.quota.memory
      "limits.memory"          = var.quota.limits_memory
      "pods"                   = tostring(var.quota.pods)
      "persistentvolumeclaims" = tostring(var.quota.volume_claims)
      "requests.storage"       = var.quota.storage
      "services.loadbalancers" = tostring(var.quota.load_balancers)
    }
  }
}

# Bounds, and no defaults: a container that forgets its limits is refused by the quota rather than given some. (A `max`
# of type Container would be such a default.)
resource "kubernetes_limit_range_v1" "this" {
  metadata {
    name      = "bounds"
    namespace = local.namespace
    labels    = var.labels
  }

  spec {
    limit {
      type = "Pod"
      max = {
        cpu    = var.pod_max.cpu
        memory = var.pod_max.memory
      }
    }

    limit {
      type = "PersistentVolumeClaim"
      min  = { storage = "1Gi" }
      max  = { storage = var.volume_claim_max }
    }
  }
}

resource "kubernetes_network_policy_v1" "default_deny" {
  metadata {
    name      = "default-deny"
    namespace = local.namespace
    labels    = var.labels
  }

  spec {
    pod_selector {}
    policy_types = ["Ingress", "Egress"]
  }
}

resource "kubernetes_network_policy_v1" "dns" {
  metadata {
    name      = "allow-dns"
    namespace = local.namespace
    labels    = var.labels
  }

  spec {
    pod_selector {}
    policy_types = ["Egress"]

    egress {
      to {
        namespace_selector {
          match_labels = { "kubernetes.io/metadata.name" = "kube-system" }
        }
        pod_selector {
          match_labels = { "k8s-app" = "kube-dns" }
        }
      }
      ports {
        port     = "53"
        protocol = "UDP"
      }
      ports {
        port     = "53"
        protocol = "TCP"
      }
    }
  }
}

# Who goes first when a node is full. None preempts anything of the cluster itself (those have 2000000000).
resource "kubernetes_priority_class_v1" "this" {
  for_each = var.priorities

  metadata {
    name   = "${var.namespace}-${each.key}"
    labels = var.labels
  }

  value             = each.value.value
  description       = each.value.description
  preemption_policy = each.value.preempts ? "PreemptLowerPriority" : "Never"
}
