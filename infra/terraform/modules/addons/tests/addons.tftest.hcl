# No chart is fetched and nothing is asked of a cluster.
mock_provider "helm" {}

variables {
  cluster_name  = "sluice-demo"
  region        = "us-east-2"
  observability = "../../../observability"
  vpc_id        = "vpc-0123456789abcdef0"
}

run "classic_needs_no_controller" {
  command = plan
  variables { vpc_id = "vpc-0123456789abcdef0" }

  assert {
    condition     = length(helm_release.load_balancer_controller) == 0 && !output.load_balancer_controller
    error_message = "A Classic balancer is made by the cluster itself; a controller beside it would take new ones over."
  }

  assert {
    condition     = helm_release.keda.version == "2.21.0" && helm_release.keda.namespace == "keda" && helm_release.keda.atomic
    error_message = "KEDA is pinned, and an install that fails is undone."
  }
}

run "alb_has_a_controller_that_leaves_services_alone" {
  command = plan
  variables { lb_mode = "alb" }

  assert {
    condition     = !yamldecode(helm_release.load_balancer_controller[0].values[0]).enableServiceMutatorWebhook
    error_message = "With its webhook every new service becomes an NLB, whatever its annotations say."
  }

  assert {
    condition = alltrue([
      yamldecode(helm_release.load_balancer_controller[0].values[0]).clusterName == "sluice-demo",
      yamldecode(helm_release.load_balancer_controller[0].values[0]).region == "us-east-2",
      yamldecode(helm_release.load_balancer_controller[0].values[0]).vpcId == "vpc-0123456789abcdef0",
    ])
    error_message = "A pod can not ask the node's metadata, so the controller is told where it is."
  }

  assert {
    condition = alltrue([
      helm_release.load_balancer_controller[0].namespace == "kube-system",
      yamldecode(helm_release.load_balancer_controller[0].values[0]).serviceAccount.name == "aws-load-balancer-controller",
    ])
    error_message = "10-platform gives the role to kube-system/aws-load-balancer-controller."
  }
}

run "nlb_has_one_too" {
  command = plan
  variables { lb_mode = "nlb" }

  assert {
    condition     = length(helm_release.load_balancer_controller) == 1
    error_message = "An NLB whose idle timeout can be set is made by the controller."
  }
}

run "prometheus_has_our_rules_and_our_pods" {
  command = plan

  assert {
    condition = alltrue([
      yamldecode(helm_release.prometheus[0].values[0]).serverFiles["prometheus.yml"].rule_files == ["${yamldecode(helm_release.prometheus[0].values[0]).server.extraVolumeMounts[0].mountPath}/*.yml"],
      yamldecode(helm_release.prometheus[0].values[0]).configmapReload.prometheus.extraVolumeDirs == [yamldecode(helm_release.prometheus[0].values[0]).server.extraVolumeMounts[0].mountPath],
      yamldecode(helm_release.prometheus[0].values[0]).configmapReload.prometheus.extraVolumeMounts == yamldecode(helm_release.prometheus[0].values[0]).server.extraVolumeMounts,
    ])
    error_message = "Rules are read from where they are mounted, and watched there."
  }

  assert {
    condition = alltrue([
      yamldecode(helm_release.prometheus[0].values[0]).server.extraVolumes[0].configMap.name == "sluice-prometheus-rules",
      yamldecode(helm_release.prometheus[0].values[0]).server.extraVolumes[0].configMap.optional,
    ])
    error_message = "30-apps makes the rules later: until then Prometheus must start without them."
  }

  assert {
    condition     = yamldecode(helm_release.prometheus[0].values[0]).serverFiles["prometheus.yml"].scrape_configs == yamldecode(file("${var.observability}/prometheus/kubernetes.yml")).scrape_configs
    error_message = "What is scraped is what promtool and the tests have seen."
  }

  assert {
    condition     = helm_release.prometheus[0].wait == false && yamldecode(helm_release.prometheus[0].values[0]).server.persistentVolume.storageClass == "gp3"
    error_message = "Its volume waits for a class that 30-apps makes: an apply that waits for it never ends."
  }

  assert {
    condition     = tonumber(trimsuffix(yamldecode(helm_release.prometheus[0].values[0]).server.retentionSize, "GB")) < tonumber(trimsuffix(yamldecode(helm_release.prometheus[0].values[0]).server.persistentVolume.size, "Gi"))
    error_message = "It must forget before its volume is full."
  }

  assert {
    condition     = output.prometheus_url == "http://prometheus-server.monitoring.svc.cluster.local:80" && output.monitoring_namespace == "monitoring"
    error_message = "KEDA asks Prometheus by this address."
  }
}

run "prometheus_runs_without_privileges" {
  command = plan

  assert {
    condition = alltrue([
      yamldecode(helm_release.prometheus[0].values[0]).server.securityContext.runAsNonRoot,
      yamldecode(helm_release.prometheus[0].values[0]).server.securityContext.seccompProfile.type == "RuntimeDefault",
      yamldecode(helm_release.prometheus[0].values[0]).server.containerSecurityContext.readOnlyRootFilesystem,
      yamldecode(helm_release.prometheus[0].values[0]).configmapReload.prometheus.containerSecurityContext.capabilities.drop == ["ALL"],
    ])
    error_message = "Prometheus must pass the `restricted` standard."
  }
}

run "alerts_go_where_somebody_says" {
  command = plan
  variables { prometheus = { alertmanager = "alertmanager.monitoring.svc:9093" } }

  assert {
    condition     = yamldecode(helm_release.prometheus[0].values[0]).server.alertmanagers[0].static_configs[0].targets == ["alertmanager.monitoring.svc:9093"]
    error_message = "The Alertmanager that is named must get the alerts."
  }
}

run "without_prometheus" {
  command = plan
  variables { prometheus = { enabled = false } }

  assert {
    condition     = length(helm_release.prometheus) == 0 && output.prometheus_url == ""
    error_message = "Where another Prometheus is, ours can be left out."
  }
}
