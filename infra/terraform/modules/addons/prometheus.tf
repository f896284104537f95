# What is told to the Prometheus chart.

locals {
  has_controller = contains(["nlb", "alb"], var.lb_mode)

  keda_resources = {
    requests = { cpu = "100m", memory = "128Mi" }
    limits   = { cpu = "1", memory = "512Mi" }
  }

  rules_folder = "/etc/sluice/rules"
  scrapes      = yamldecode(file("${var.observability}/prometheus/kubernetes.yml"))

  unprivileged = {
    allowPrivilegeEscalation = false
    readOnlyRootFilesystem   = true
    capabilities             = { drop = ["ALL"] }
  }
  # The ConfigMap of modules/observability. Prometheus starts without it and takes it up when 30-apps has made it; its
  # sidecar reloads when it changes.
  rules_volume = { name = "sluice-rules", configMap = { name = var.prometheus.rules_config_map, optional = true } }
  rules_mount  = { name = "sluice-rules", mountPath = local.rules_folder, readOnly = true }

  prometheus_values = {
    server = {
      # As in docker-compose.yaml: the last that reads rules as the one in the tests does.
      image     = { tag = var.prometheus.image_tag }
      global    = { scrape_interval = "15s", scrape_timeout = "5s", evaluation_interval = "15s" }
      retention = var.prometheus.retention
      # Short of the volume, so that it ends by forgetting and not by failing.
      retentionSize = "${floor(var.prometheus.storage_gib * 0.8)}GB"
      persistentVolume = {
        enabled      = true
        storageClass = var.prometheus.storage_class
        size         = "${var.prometheus.storage_gib}Gi"
      }
      # The volume goes with one pod at a time.
      strategy = { type = "Recreate" }

      alertmanagers = var.prometheus.alertmanager == "" ? [] : [{ static_configs = [{ targets = [var.prometheus.alertmanager] }] }]

      securityContext = {
        runAsNonRoot   = true
        runAsUser      = 65534
        runAsGroup     = 65534
        fsGroup        = 65534
        seccompProfile = { type = "RuntimeDefault" }
      }
      containerSecurityContext = local.unprivileged
      resources = {
        requests = { cpu = "200m", memory = "1Gi" }
        limits   = { cpu = "1", memory = "1Gi" }
      }

      extraVolumes      = [local.rules_volume]
      extraVolumeMounts = [local.rules_mount]
    }

    configmapReload = {
      prometheus = {
        extraVolumeDirs          = [local.rules_folder]
        extraVolumeMounts        = [local.rules_mount]
        containerSecurityContext = local.unprivileged
        resources = {
          requests = { cpu = "10m", memory = "32Mi" }
          limits   = { cpu = "100m", memory = "64Mi" }
        }
      }
    }

    # The chart's own scrapes of the whole cluster are left out: lists are replaced, not merged.
    serverFiles = {
      "prometheus.yml" = {
        rule_files     = ["${local.rules_folder}/*.yml"]
        scrape_configs = local.scrapes.scrape_configs
      }
    }

    alertmanager               = { enabled = false }
    "kube-state-metrics"       = { enabled = false }
    "prometheus-node-exporter" = { enabled = false }
    "prometheus-pushgateway"   = { enabled = false }
  }
}
