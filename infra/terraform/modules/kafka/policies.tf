# Who may speak to whom. The namespace denies all else.

resource "kubernetes_network_policy_v1" "brokers" {
  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    pod_selector {
      match_labels = local.selector
    }
    policy_types = ["Ingress", "Egress"]

    ingress {
      from {
        pod_selector {
          match_labels = local.clients
        }
      }
      from {
        namespace_selector {
          match_labels = { "kubernetes.io/metadata.name" = var.keda_namespace }
        }
        pod_selector {
          match_labels = { "app.kubernetes.io/name" = "keda-operator" }
        }
      }
      ports {
        port     = tostring(local.client)
        protocol = "TCP"
      }
    }

    ingress {
      from {
        pod_selector {
          match_labels = local.selector
        }
      }
      ports {
        port     = tostring(local.client)
        protocol = "TCP"
      }
      ports {
        port     = tostring(local.quorum)
        protocol = "TCP"
      }
    }

    egress {
      to {
        pod_selector {
          match_labels = local.selector
        }
      }
      ports {
        port     = tostring(local.client)
        protocol = "TCP"
      }
      ports {
        port     = tostring(local.quorum)
        protocol = "TCP"
      }
    }
  }
}

resource "kubernetes_network_policy_v1" "clients" {
  metadata {
    name      = "${local.name}-clients"
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    pod_selector {
      match_labels = local.clients
    }
    policy_types = ["Egress"]

    egress {
      to {
        pod_selector {
          match_labels = local.selector
        }
      }
      ports {
        port     = tostring(local.client)
        protocol = "TCP"
      }
    }
  }
}
