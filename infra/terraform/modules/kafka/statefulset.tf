resource "kubernetes_service_account_v1" "this" {
  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  automount_service_account_token = false
}

resource "kubernetes_stateful_set_v1" "this" {
  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    service_name = kubernetes_service_v1.nodes.metadata[0].name
    replicas     = var.replicas
    # One after another would wait for ever: the first is ready once a majority of voters is there.
    pod_management_policy = "Parallel"

    selector {
      match_labels = local.selector
    }

    persistent_volume_claim_retention_policy {
      when_deleted = "Retain"
      when_scaled  = "Retain"
    }

    template {
      metadata {
        labels = local.labels
      }

      spec {
        service_account_name            = kubernetes_service_account_v1.this.metadata[0].name
        automount_service_account_token = false
        # A service called kafka would put KAFKA_PORT=tcp://... into the pod, and the image makes a property of every
        # variable that begins with KAFKA_.
        enable_service_links = false
        priority_class_name  = var.priority_class == "" ? null : var.priority_class
        node_selector        = var.node_selector
        # It hands its partitions over before it goes.
        termination_grace_period_seconds = 90

        security_context {
          run_as_non_root        = true
          run_as_user            = tostring(local.uid)
          run_as_group           = tostring(local.uid)
          fs_group               = tostring(local.uid)
          fs_group_change_policy = "OnRootMismatch"
          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        topology_spread_constraint {
          max_skew           = 1
          topology_key       = "topology.kubernetes.io/zone"
          when_unsatisfiable = "ScheduleAnyway"
          label_selector {
            match_labels = local.selector
          }
        }
        topology_spread_constraint {
          max_skew           = 1
          topology_key       = "kubernetes.io/hostname"
          when_unsatisfiable = "ScheduleAnyway"
          label_selector {
            match_labels = local.selector
          }
        }

        container {
          name              = local.name
          image             = var.image
          image_pull_policy = "IfNotPresent"

          env {
            name = "POD_NAME"
            value_from {
              field_ref {
                field_path = "metadata.name"
              }
            }
          }
          env {
            name = "KAFKA_NODE_ID"
            value_from {
              field_ref {
                field_path = "metadata.labels['apps.kubernetes.io/pod-index']"
              }
            }
          }
          dynamic "env" {
            for_each = local.environment
            content {
              name  = env.key
              value = env.value
            }
          }

          port {
            name           = "client"
            container_port = local.client
          }
          port {
            name           = "quorum"
            container_port = local.quorum
          }

          resources {
            requests = { cpu = var.cpu, memory = "${var.memory_mib}Mi" }
            limits   = { cpu = var.cpu, memory = "${var.memory_mib}Mi" }
          }

          security_context {
            allow_privilege_escalation = false
            read_only_root_filesystem  = true
            capabilities {
              drop = ["ALL"]
            }
          }

          # The port opens when the broker has caught up and may serve. A look with Kafka's own tools would be a Java of
          # its own each time.
          startup_probe {
            tcp_socket {
              port = "client"
            }
            period_seconds    = 5
            timeout_seconds   = 2
            failure_threshold = 60
          }
          readiness_probe {
            tcp_socket {
              port = "client"
            }
            period_seconds    = 5
            timeout_seconds   = 2
            failure_threshold = 2
          }
          liveness_probe {
            tcp_socket {
              port = "client"
            }
            period_seconds    = 10
            timeout_seconds   = 2
            failure_threshold = 6
          }

          volume_mount {
            name       = "data"
            mount_path = "/var/lib/kafka/data"
          }
          # The image writes its configuration here at each start.
          volume_mount {
            name       = "config"
            mount_path = "/opt/kafka/config"
          }
          volume_mount {
            name       = "tmp"
            mount_path = "/tmp"
          }
        }

        volume {
          name = "config"
          empty_dir {
            size_limit = "16Mi"
          }
        }
        volume {
          name = "tmp"
          empty_dir {
            size_limit = "256Mi"
          }
        }
      }
    }

    volume_claim_template {
      metadata {
        name   = "data"
        labels = local.selector
      }
      spec {
        access_modes       = ["ReadWriteOnce"]
        storage_class_name = var.storage_class
        resources {
          requests = { storage = "${var.storage_gib}Gi" }
        }
      }
    }
  }

}
