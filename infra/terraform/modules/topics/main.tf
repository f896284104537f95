# A job that makes the topics of the claims, in whichever Kafka: the same command as in docker-compose.yaml. What is there
# stays as it is, so that running it again changes nothing.

locals {
  environment = merge(var.environment, {
    KAFKA_BOOTSTRAP_SERVERS = var.bootstrap_servers
    KAFKA_TOPIC_PARTITIONS  = tostring(var.partitions)
  })
  # A job can not be changed, so what it is made of is part of its name; another image is another job.
  name   = "topics-${substr(sha256(jsonencode([var.image, local.environment, var.secret_environment])), 0, 8)}"
  labels = merge(var.labels, { "app.kubernetes.io/name" = "topics", "app.kubernetes.io/component" = "job" })
}

resource "kubernetes_job_v1" "this" {
  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    # A broker that has only just come up refuses at first.
    backoff_limit           = 6
    active_deadline_seconds = var.deadline_seconds
    # No time to live: a job that is gone would be made again by every apply.

    template {
      metadata {
        labels = merge(local.labels, var.client_labels)
      }

      spec {
        restart_policy                  = "Never"
        automount_service_account_token = false
        enable_service_links            = false

        security_context {
          run_as_non_root = true
          run_as_user     = "10001"
          run_as_group    = "10001"
          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        container {
          name              = "topics"
          image             = var.image
          image_pull_policy = "IfNotPresent"
          command           = ["python", "-m", "inference_container", "prepare", "topics"]

          dynamic "env" {
            for_each = local.environment
            content {
              name  = env.key
              value = env.value
            }
          }

          dynamic "env_from" {
            for_each = var.secret_environment
            content {
              secret_ref {
                name = env_from.value
              }
            }
          }

          resources {
            requests = { cpu = "250m", memory = "256Mi" }
            limits   = { cpu = "500m", memory = "256Mi" }
          }

          security_context {
            allow_privilege_escalation = false
            read_only_root_filesystem  = true
            capabilities {
              drop = ["ALL"]
            }
          }

          volume_mount {
            name       = "tmp"
            mount_path = "/tmp"
          }
        }

        volume {
          name = "tmp"
          empty_dir {
            size_limit = "64Mi"
          }
        }
      }
    }
  }

  wait_for_completion = true
  depends_on          = [kubernetes_network_policy_v1.this]

  timeouts {
    create = "${var.deadline_seconds + 30}s"
  }
}

# Brokers outside the cluster are reached by their addresses; those inside let the pod in by its labels.
resource "kubernetes_network_policy_v1" "this" {
  count = length(var.networks) > 0 ? 1 : 0

  metadata {
    name      = "topics"
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    pod_selector {
      match_labels = { "app.kubernetes.io/name" = local.labels["app.kubernetes.io/name"] }
    }
    policy_types = ["Egress"]

    dynamic "egress" {
      for_each = var.networks
      content {
        to {
          ip_block {
            cidr = egress.value.cidr
          }
        }
        ports {
          port     = tostring(egress.value.port)
          protocol = "TCP"
        }
      }
    }
  }
}
