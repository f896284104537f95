# A service with a model: fetched by the init container, read by the service, on a disk of one of three kinds.
mock_provider "kubernetes" {}

variables {
  name            = "chat-api"
  namespace       = "sluice"
  image           = "registry.example/sluice/chat-api:0123abc"
  port            = 8002
  env             = { MODEL_CACHE_DIR = "/models", HF_HUB_OFFLINE = "1" }
  resources       = { cpu = "3", memory = "5Gi" }
  threads         = 3
  probes          = { startup = "/ready", liveness = "/health", readiness = "/ready", startup_seconds = 600 }
  timeouts        = { request = 570, drain = 600, keep_alive = 620 }
  replicas        = { start = 1 }
  folders         = { "/tmp" = "256Mi", "/var/lib/sluice" = "1Gi" }
  secrets         = { name = "sluice-chat", env = ["ADMIN_TOKEN", "HF_TOKEN"] }
  service_account = { name = "chat-api" }
  model_cache     = { claim = "chat-api-model-cache", path = "/models", state_path = "/var/lib/sluice", prefetch = { command = ["python", "-m", "service_chat", "models", "fetch"], secrets = ["HF_TOKEN"] } }
}

run "pvc" {
  command = plan

  assert {
    condition = (
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].command == tolist(["python", "-m", "service_chat", "models", "fetch"]) &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].image == kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].image
    )
    error_message = "The same image fetches."
  }
  assert {
    condition     = one([for mount in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].volume_mount : mount if mount.mount_path == "/models"]).read_only == false && one([for mount in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].volume_mount : mount if mount.mount_path == "/models"]).read_only == true
    error_message = "Where the init container writes the service only reads."
  }
  assert {
    condition     = toset([for variable in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].env : variable.name]) == toset(["HF_HUB_OFFLINE", "HF_TOKEN"]) && kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].env[0].value == "0"
    error_message = "It may fetch, and has the one secret that this takes."
  }
  assert {
    condition = (
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].security_context[0].read_only_root_filesystem &&
      !kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].security_context[0].allow_privilege_escalation &&
      kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].resources[0].requests == kubernetes_deployment_v1.this.spec[0].template[0].spec[0].init_container[0].resources[0].limits
    )
    error_message = "It is held as tightly as the service, or the pod is not Guaranteed."
  }
  assert {
    condition = (
      kubernetes_persistent_volume_claim_v1.model_cache[0].metadata[0].name == "chat-api-model-cache" &&
      kubernetes_persistent_volume_claim_v1.model_cache[0].spec[0].storage_class_name == "gp3" &&
      kubernetes_persistent_volume_claim_v1.model_cache[0].spec[0].access_modes == toset(["ReadWriteOnce"]) &&
      kubernetes_persistent_volume_claim_v1.model_cache[0].spec[0].resources[0].requests["storage"] == "15Gi" &&
      !kubernetes_persistent_volume_claim_v1.model_cache[0].wait_until_bound
    )
    error_message = "15 GiB on gp3, bound when the first pod has a node."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].strategy[0].type == "Recreate"
    error_message = "A disk is in one place: the old pod goes before the new one comes."
  }
  assert {
    condition     = one([for volume in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume : volume if volume.name == "model-cache"]).persistent_volume_claim[0].claim_name == "chat-api-model-cache"
    error_message = "The pod uses the claim."
  }
  assert {
    condition     = one([for mount in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].volume_mount : mount if mount.mount_path == "/var/lib/sluice"]).sub_path == "state"
    error_message = "Records and audit stay on the claim when the pod goes."
  }
  assert {
    condition     = length(kubernetes_deployment_v1.this.spec[0].template[0].spec[0].topology_spread_constraint) == 0 && length(kubernetes_pod_disruption_budget_v1.this) == 0
    error_message = "There is nothing to spread."
  }
}

run "pvc_that_exists" {
  command = plan
  variables {
    model_cache = { create_claim = false, claim = "chat-api-model-cache", path = "/models", state_path = "/var/lib/sluice", prefetch = { command = ["true"] } }
  }
  assert {
    condition     = length(kubernetes_persistent_volume_claim_v1.model_cache) == 0 && one([for volume in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume : volume if volume.name == "model-cache"]).persistent_volume_claim[0].claim_name == "chat-api-model-cache"
    error_message = "A claim that is there is used and not made."
  }
}

run "ephemeral" {
  command = plan
  variables {
    replicas    = { start = 1, max = 3 }
    model_cache = { mode = "ephemeral", claim = "chat-api-model-cache", path = "/models", state_path = "/var/lib/sluice", prefetch = { command = ["true"] } }
  }

  assert {
    condition = (
      length(kubernetes_persistent_volume_claim_v1.model_cache) == 0 &&
      one([for volume in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume : volume if volume.name == "model-cache"]).ephemeral[0].volume_claim_template[0].spec[0].storage_class_name == "gp3"
    )
    error_message = "Each pod has a disk of its own."
  }
  assert {
    condition     = kubernetes_deployment_v1.this.spec[0].strategy[0].type == "RollingUpdate"
    error_message = "Disks of their own let pods come before others go."
  }
  assert {
    condition     = one([for volume in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume : volume if volume.name == "var-lib-sluice"]).empty_dir[0].size_limit == "1Gi"
    error_message = "What the service writes is the pod's own."
  }
}

run "emptydir" {
  command = plan
  variables {
    model_cache = { mode = "emptydir", size = "4Gi", claim = "", path = "/models", state_path = "/var/lib/sluice", prefetch = { command = ["true"] } }
  }
  assert {
    condition     = one([for volume in kubernetes_deployment_v1.this.spec[0].template[0].spec[0].volume : volume if volume.name == "model-cache"]).empty_dir[0].size_limit == "4Gi" && kubernetes_deployment_v1.this.spec[0].strategy[0].type == "RollingUpdate"
    error_message = "On the node's disk, with a bound."
  }
}

run "a_kind_that_is_none" {
  command = plan
  variables {
    model_cache = { mode = "efs", claim = "x", path = "/models", state_path = "/var/lib/sluice", prefetch = { command = ["true"] } }
  }
  expect_failures = [var.model_cache]
}
