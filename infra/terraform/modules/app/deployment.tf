locals {
  cpu_request    = coalesce(var.resources.cpu_request, var.resources.cpu)
  memory_request = coalesce(var.resources.memory_request, var.resources.memory)

  # A claim keeps what the service writes, too. Elsewhere that is a folder of the pod's, and goes with it.
  state_path = local.has_claim ? var.model_cache.state_path : ""
  folders    = { for path in keys(var.folders) : path => trim(replace(path, "/", "-"), "-") if path != local.state_path }

  secret_files = try(length(var.secrets.files), 0) > 0 ? [var.secrets] : []
}

resource "kubernetes_deployment_v1" "this" {
  metadata {
    name      = var.name
    namespace = var.namespace
    labels    = local.labels
  }

  # `make deploy` waits for the rollout itself, and tells why it stands still.
  wait_for_rollout = false

  spec {
    replicas                  = var.replicas.start
    revision_history_limit    = 5
    progress_deadline_seconds = max(600, var.probes.startup_seconds + local.grace_seconds)

    selector {
      match_labels = local.selector
    }

    # One disk can not be in two places: the old pod lets go of it before the new one takes it.
    strategy {
      type = local.has_claim ? "Recreate" : "RollingUpdate"
      dynamic "rolling_update" {
        for_each = local.has_claim ? [] : [1]
        content {
          max_surge       = "1"
          max_unavailable = "0"
        }
      }
    }

    template {
      metadata {
        labels = merge(local.labels, var.pod_labels)
        annotations = merge(
          {
            # Pods read ConfigMap and Secret at their start: another content is another pod.
            "sluice/config" = sha256(jsonencode(var.env))
            "sluice/secret" = tostring(try(var.secrets.revision, 0))
          },
          var.scrape ? {
            "prometheus.io/scrape" = "true"
            "prometheus.io/port"   = tostring(var.port)
            "prometheus.io/path"   = "/metrics"
          } : {},
        )
      }

      spec {
        service_account_name             = var.service_account.name
        automount_service_account_token  = false
        enable_service_links             = false # one variable per Service of the namespace, which nobody asked for
        termination_grace_period_seconds = local.grace_seconds
        priority_class_name              = var.priority_class == "" ? null : var.priority_class
        node_selector                    = length(var.node.selector) == 0 ? null : var.node.selector

        security_context {
          run_as_non_root        = true
          run_as_user            = tostring(var.user)
          run_as_group           = tostring(var.user)
          fs_group               = tostring(var.user)
          fs_group_change_policy = "OnRootMismatch" # a gigabyte of model is not walked through at each start
          seccomp_profile {
            type = "RuntimeDefault"
          }
        }

        dynamic "toleration" {
          for_each = var.node.tolerations
          content {
            key      = toleration.value.key
            operator = "Equal"
            value    = toleration.value.value
            effect   = toleration.value.effect
          }
        }

        dynamic "topology_spread_constraint" {
          for_each = local.max_replicas > 1 ? ["topology.kubernetes.io/zone", "kubernetes.io/hostname"] : []
          content {
            max_skew           = 1
            topology_key       = topology_spread_constraint.value
            when_unsatisfiable = "ScheduleAnyway"
            label_selector {
              match_labels = local.selector
            }
          }
        }

        dynamic "init_container" {
          for_each = var.model_cache == null ? [] : [var.model_cache]
          content {
            name              = "prefetch"
            image             = var.image
            image_pull_policy = "IfNotPresent"
            command           = init_container.value.prefetch.command

            env_from {
              config_map_ref {
                name = kubernetes_config_map_v1.this.metadata[0].name
              }
            }
            # Here the model may be fetched, and nowhere else.
            env {
              name  = "HF_HUB_OFFLINE"
              value = "0"
            }
            dynamic "env" {
              for_each = init_container.value.prefetch.secrets
              content {
                name = env.value
                value_from {
                  secret_key_ref {
                    name     = var.secrets.name
                    key      = env.value
                    optional = true
                  }
                }
              }
            }

            resources {
              requests = { cpu = local.cpu_request, memory = local.memory_request }
              limits   = { cpu = var.resources.cpu, memory = var.resources.memory }
            }
            security_context {
              allow_privilege_escalation = false
              privileged                 = false
              read_only_root_filesystem  = true
              run_as_non_root            = true
              capabilities {
                drop = ["ALL"]
              }
            }

            volume_mount {
              name       = "model-cache"
              mount_path = init_container.value.path
              read_only  = false
              sub_path   = local.has_claim ? "models" : null
            }
            dynamic "volume_mount" {
              for_each = local.folders
              content {
                name       = volume_mount.value
                mount_path = volume_mount.key
                read_only  = false
              }
            }
          }
        }

        container {
          name              = var.name
          image             = var.image
          image_pull_policy = "IfNotPresent"
          command           = length(var.command) == 0 ? null : var.command

          port {
            name           = "http"
            container_port = var.port
          }

          env_from {
            config_map_ref {
              name = kubernetes_config_map_v1.this.metadata[0].name
            }
          }
          dynamic "env" {
            for_each = try(var.secrets.env, [])
            content {
              name = env.value
              value_from {
                secret_key_ref {
                  name     = var.secrets.name
                  key      = env.value
                  optional = true
                }
              }
            }
          }

          resources {
            requests = { cpu = local.cpu_request, memory = local.memory_request }
            limits   = { cpu = var.resources.cpu, memory = var.resources.memory }
          }
          security_context {
            allow_privilege_escalation = false
            privileged                 = false
            read_only_root_filesystem  = true
            run_as_non_root            = true
            capabilities {
              drop = ["ALL"]
            }
          }

          startup_probe {
            http_get {
              path = var.probes.startup
              port = "http"
            }
            period_seconds    = 5
            timeout_seconds   = 2
            failure_threshold = ceil(var.probes.startup_seconds / 5)
          }
          liveness_probe {
            http_get {
              path = var.probes.liveness
              port = "http"
            }
            period_seconds    = var.probes.liveness_period
            timeout_seconds   = var.probes.liveness_timeout
            failure_threshold = var.probes.liveness_failures
          }
          readiness_probe {
            http_get {
              path = var.probes.readiness
              port = "http"
            }
            period_seconds    = var.probes.readiness_period
            timeout_seconds   = 2
            failure_threshold = 2
          }
          lifecycle {
            pre_stop {
              exec {
                command = ["sleep", tostring(var.timeouts.pre_stop)]
              }
            }
          }

          dynamic "volume_mount" {
            for_each = local.folders
            content {
              name       = volume_mount.value
              mount_path = volume_mount.key
              read_only  = false
            }
          }
          dynamic "volume_mount" {
            for_each = var.model_cache == null ? [] : [var.model_cache]
            content {
              name       = "model-cache"
              mount_path = volume_mount.value.path
              sub_path   = local.has_claim ? "models" : null
              read_only  = true
            }
          }
          dynamic "volume_mount" {
            for_each = compact([local.state_path])
            content {
              name       = "model-cache"
              mount_path = volume_mount.value
              sub_path   = "state"
              read_only  = false
            }
          }
          dynamic "volume_mount" {
            for_each = local.secret_files
            content {
              name       = "secret-files"
              mount_path = volume_mount.value.folder
              read_only  = true
            }
          }
        }

        dynamic "volume" {
          for_each = local.folders
          content {
            name = volume.value
            empty_dir {
              size_limit = var.folders[volume.key]
            }
          }
        }
        dynamic "volume" {
          for_each = local.secret_files
          content {
            name = "secret-files"
            secret {
              secret_name  = volume.value.name
              default_mode = "0440"
              # Without it the service ends with a sentence, and starts once it is there. The kubelet would only wait.
              optional = true
              dynamic "items" {
                for_each = volume.value.files
                content {
                  key  = items.value
                  path = items.value
                }
              }
            }
          }
        }
        dynamic "volume" {
          for_each = local.cache_mode == "none" ? [] : [var.model_cache]
          content {
            name = "model-cache"
            dynamic "persistent_volume_claim" {
              for_each = local.cache_mode == "pvc" ? [volume.value.claim] : []
              content {
                claim_name = persistent_volume_claim.value
              }
            }
            dynamic "empty_dir" {
              for_each = local.cache_mode == "emptydir" ? [volume.value.size] : []
              content {
                size_limit = empty_dir.value
              }
            }
            dynamic "ephemeral" {
              for_each = local.cache_mode == "ephemeral" ? [volume.value] : []
              content {
                volume_claim_template {
                  spec {
                    access_modes       = ["ReadWriteOnce"]
                    storage_class_name = ephemeral.value.storage_class
                    resources {
                      requests = { storage = ephemeral.value.size }
                    }
                  }
                }
              }
            }
          }
        }
      }
    }
  }

  lifecycle {
    # KEDA owns the number, or `make k8s-scale`.
    ignore_changes = [spec[0].replicas]
  }

  depends_on = [kubernetes_service_account_v1.this, kubernetes_persistent_volume_claim_v1.model_cache]
}
