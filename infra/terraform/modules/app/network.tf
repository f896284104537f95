# Who may ask these pods and whom they may ask. The namespace denies all else; probes come from the node and pass.
resource "kubernetes_network_policy_v1" "this" {
  metadata {
    name      = var.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    pod_selector {
      match_labels = local.selector
    }
    policy_types = ["Ingress", "Egress"]

    # A balancer's addresses are not known beforehand. Who may ask it is `exposure.source_ranges`.
    dynamic "ingress" {
      for_each = var.network.from_anywhere ? [1] : []
      content {
        ports {
          port     = tostring(var.port)
          protocol = "TCP"
        }
      }
    }
    dynamic "ingress" {
      for_each = length(var.network.from_pods) + length(var.network.from_namespaces) > 0 ? [1] : []
      content {
        ports {
          port     = tostring(var.port)
          protocol = "TCP"
        }
        dynamic "from" {
          for_each = var.network.from_pods
          content {
            pod_selector {
              match_labels = from.value
            }
          }
        }
        dynamic "from" {
          for_each = var.network.from_namespaces
          content {
            namespace_selector {
              match_labels = { "kubernetes.io/metadata.name" = from.value }
            }
          }
        }
      }
    }

    dynamic "egress" {
      for_each = var.network.to_pods
      content {
        ports {
          port     = tostring(egress.value.port)
          protocol = "TCP"
        }
        to {
          pod_selector {
            match_labels = egress.value.labels
          }
        }
      }
    }
    dynamic "egress" {
      for_each = var.network.to_networks
      content {
        ports {
          port     = tostring(egress.value.port)
          protocol = "TCP"
        }
        to {
          ip_block {
            cidr   = egress.value.cidr
            except = egress.value.except
          }
        }
      }
    }
  }
}
