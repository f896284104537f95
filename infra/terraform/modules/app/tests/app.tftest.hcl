# One service as most of them are: HTTP behind a Service of the cluster, scaled, without a model.
mock_provider "kubernetes" {}

variables {
  name            = "inference"
  namespace       = "sluice"
  labels          = { "app.kubernetes.io/part-of" = "sluice", "app.kubernetes.io/version" = "0123abc" }
  image           = "registry.example/sluice/inference:0123abc"
  port            = 8000
  env             = { HOST = "0.0.0.0", QUEUE_WORKERS = "1" }
  resources       = { cpu = "2", memory = "1Gi", cpu_request = "500m" }
  threads         = 1
  probes          = { startup = "/ready", liveness = "/healthz", readiness = "/ready", startup_seconds = 180 }
  timeouts        = { request = 15, drain = 30, keep_alive = 65 }
  replicas        = { start = 2, min = 2, max = 4 }
  service_account = { name = "inference" }
  secrets         = { name = "sluice-inference", env = ["ADMIN_TOKEN"], files = ["api-keys"], revision = 3 }
  network         = { from_pods = [{ "app.kubernetes.io/part-of" = "sluice" }], to_networks = [{ cidr = "0.0.0.0/0", port = 443, except = ["169.254.169.254/32"] }] }
  scaling = {
    triggers = [{ type = "kafka", metadata = { lagThreshold = "200" } }]
  }
}

# One plan for all of them: each plan asks for the providers' schemas anew.
run "as_most_services_are" {
  command = plan

  assert {
    condition = (
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].startup_probe[0].http_get[0].path == "/ready" &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].startup_probe[0].period_seconds * kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].startup_probe[0].failure_threshold == 180
    )
    error_message = "Startup asks /ready, for as long as a start may take."
  }
  assert {
    condition = (
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].liveness_probe[0].http_get[0].path == "/healthz" &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].liveness_probe[0].period_seconds * kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].liveness_probe[0].failure_threshold <= 30 &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].liveness_probe[0].timeout_seconds <= 2
    )
    error_message = "Liveness ends a pod that hangs within 30 s."
  }
  assert {
    condition = (
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].readiness_probe[0].http_get[0].path == "/ready" &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].readiness_probe[0].period_seconds <= 5
    )
    error_message = "Readiness asks /ready every 5 s."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].lifecycle[0].pre_stop[0].exec[0].command == tolist(["sleep", "15"])
    error_message = "A balancer still sends for seconds after a pod was told to go: it sleeps first."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].termination_grace_period_seconds > 15 + 30
    error_message = "The grace covers the sleep and the drain, and something more."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].progress_deadline_seconds >= 180 + output.grace_seconds
    error_message = "A rollout is not called stuck while pods may still start and end."
  }
  assert {
    condition = (
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].security_context[0].run_as_non_root &&
      tonumber(kubernetes_deployment_v1.this.spec[0].template[0].spec[0].security_context[0].run_as_user) == 10001 &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].security_context[0].seccomp_profile[0].type == "RuntimeDefault" &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].security_context[0].fs_group_change_policy == "OnRootMismatch"
    )
    error_message = "The pod runs as 10001, under the runtime's seccomp profile."
  }
  assert {
    condition = alltrue([
      for container in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container :
      container.security_context[0].read_only_root_filesystem && !container.security_context[0].allow_privilege_escalation && container.security_context[0].capabilities[0].drop == tolist(["ALL"])
    ])
    error_message = "The root is read-only and no capability is left."
  }
  assert {
    condition     = toset([for mount in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].volume_mount : mount.mount_path if !mount.read_only]) == toset(["/tmp"])
    error_message = "Only the folders that are named can be written."
  }
  assert {
    condition = (
      !kubernetes_service_account_v1.this[0].automount_service_account_token &&
      !kubernetes_deployment_v1.this.spec[0].template[0].spec[0].automount_service_account_token &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].service_account_name == "inference"
    )
    error_message = "The pod has a ServiceAccount of its own and no token for the Kubernetes API."
  }
  assert {
    condition     = kubernetes_config_map_v1.this.data == tomap({ HOST = "0.0.0.0", QUEUE_WORKERS = "1" }) && kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].env_from[0].config_map_ref[0].name == "inference"
    error_message = "The environment is a ConfigMap."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].template[0].metadata[0].annotations["sluice/config"] == sha256(jsonencode(var.env)) && kubernetes_deployment_v1.this.spec[0].template[0].metadata[0].annotations["sluice/secret"] == "3"
    error_message = "Another ConfigMap or Secret is another pod."
  }
  assert {
    condition     = one([for variable in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].env : variable if variable.name == "ADMIN_TOKEN"]).value_from[0].secret_key_ref[0].name == "sluice-inference"
    error_message = "A secret comes from the Secret, by name."
  }
  assert {
    condition     = one([for volume in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume : volume if volume.name == "secret-files"]).secret[0].items[0].key == "api-keys"
    error_message = "What must be a file is a file."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].template[0].metadata[0].annotations["prometheus.io/port"] == "8000"
    error_message = "Prometheus finds the pod."
  }
  assert {
    condition     = toset([for constraint in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].topology_spread_constraint : constraint.topology_key]) == toset(["topology.kubernetes.io/zone", "kubernetes.io/hostname"])
    error_message = "Replicas are spread over zones and nodes."
  }
  assert {
    condition     = kubernetes_pod_disruption_budget_v1.this[0].spec[0].max_unavailable == "1"
    error_message = "A drain takes one replica at a time."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].strategy[0].type == "RollingUpdate" && kubernetes_deployment_v1.this.spec[0].strategy[0].rolling_update[0].max_unavailable == "0"
    error_message = "A rollout takes nobody away before the next one is ready."
  }
  assert {
    condition = (
      kubernetes_manifest.scaled_object[0].manifest.spec.minReplicaCount == 2 &&
      kubernetes_manifest.scaled_object[0].manifest.spec.maxReplicaCount == 4 &&
      kubernetes_manifest.scaled_object[0].manifest.spec.scaleTargetRef.name == "inference" &&
      kubernetes_manifest.scaled_object[0].manifest.spec.triggers[0].type == "kafka" &&
      kubernetes_manifest.scaled_object[0].manifest.spec.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds == 300
    )
    error_message = "A ScaledObject with what scaling says."
  }
  assert {
    condition = (
      toset(kubernetes_network_policy_v1.this.spec[0].policy_types) == toset(["Ingress", "Egress"]) &&
      kubernetes_network_policy_v1.this.spec[0].pod_selector[0].match_labels == tomap({ "app.kubernetes.io/name" = "inference", "app.kubernetes.io/instance" = "inference" })
    )
    error_message = "The policy is about both ways of these pods."
  }
  assert {
    condition = (
      length(kubernetes_network_policy_v1.this.spec[0].ingress) == 1 &&
      kubernetes_network_policy_v1.this.spec[0].ingress[0].ports[0].port == "8000" &&
      length(kubernetes_network_policy_v1.this.spec[0].ingress[0].from) == 1
    )
    error_message = "Those come in who are named, to the one port."
  }
  assert {
    condition     = alltrue([for rule in kubernetes_network_policy_v1.this.spec[0].egress : length(rule.ports) == 1 && length(rule.to) == 1 && contains(rule.to[0].ip_block[0].except, "169.254.169.254/32")])
    error_message = "Outwards there is the one port, and never the node's own metadata."
  }
}

run "requests_are_limits_where_none_are_named" {
  command = plan

  variables {
    resources = { cpu = "3", memory = "5Gi" }
    threads   = 3
  }

  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].resources[0].requests == kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].resources[0].limits
    error_message = "Guaranteed: cores that nobody else is promised."
  }
}

run "a_single_replica_does_not_hold_up_a_drain" {
  command = plan

  variables {
    replicas = { start = 1, max = 4 }
  }

  assert {
    condition     = length(kubernetes_pod_disruption_budget_v1.this) == 0
    error_message = "A budget of one replica would keep its node from being drained."
  }
}

run "a_fixed_number_has_no_scaled_object" {
  command = plan

  variables {
    replicas = { start = 1 }
  }

  assert {
    condition     = length(kubernetes_manifest.scaled_object) == 0
    error_message = "Nothing scales what may not move."
  }
}

run "a_service_account_that_exists_is_not_made_again" {
  command = plan

  variables {
    service_account = { name = "inference", create = false }
  }

  assert {
    condition     = length(kubernetes_service_account_v1.this) == 0
    error_message = "Two makers of one ServiceAccount fight."
  }
}
