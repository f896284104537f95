# What is refused before anything is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  name            = "chat-api"
  namespace       = "sluice"
  image           = "registry.example:5000/sluice/chat-api:0123abc"
  port            = 8002
  resources       = { cpu = "2", memory = "5Gi" }
  threads         = 2
  probes          = { startup = "/ready", liveness = "/health", readiness = "/ready", startup_seconds = 600 }
  timeouts        = { request = 570, drain = 600, keep_alive = 620 }
  replicas        = { start = 1 }
  service_account = { name = "chat-api" }
}

run "an_image_that_moves" {
  command = plan
  variables {
    image = "registry.example:5000/sluice/chat-api:latest"
  }
  expect_failures = [var.image]
}

run "an_image_without_a_tag" {
  command = plan
  variables {
    image = "registry.example:5000/sluice/chat-api"
  }
  expect_failures = [var.image]
}

run "latest_beside_a_digest" {
  command = plan
  variables {
    image = "registry.example/chat-api:latest@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }
  expect_failures = [var.image]
}

run "a_digest_is_a_tag_that_never_moves" {
  command = plan
  variables {
    image = "registry.example/chat-api@sha256:0000000000000000000000000000000000000000000000000000000000000000"
  }
  assert {
    condition     = endswith(kubernetes_deployment_v1.this.spec[0].template[0].spec[0].container[0].image, "0000")
    error_message = "The image is the one that was named."
  }
}

run "four_threads_on_two_cores" {
  command = plan
  variables {
    threads = 4
  }
  expect_failures = [var.threads]
}

run "one_thread_on_half_a_core" {
  command = plan
  variables {
    resources = { cpu = "500m", memory = "5Gi" }
    threads   = 1
  }
  expect_failures = [var.threads]
}

run "liveness_of_forty_minutes" {
  command = plan
  variables {
    probes = { startup = "/ready", liveness = "/health", readiness = "/ready", startup_seconds = 600, liveness_period = 120, liveness_failures = 20, liveness_timeout = 60 }
  }
  expect_failures = [var.probes]
}

run "startup_that_asks_liveness" {
  command = plan
  variables {
    probes = { startup = "/health", liveness = "/health", readiness = "/ready", startup_seconds = 600 }
  }
  expect_failures = [var.probes]
}

run "readiness_every_two_minutes" {
  command = plan
  variables {
    probes = { startup = "/ready", liveness = "/health", readiness = "/ready", startup_seconds = 600, readiness_period = 120 }
  }
  expect_failures = [var.probes]
}

run "a_drain_shorter_than_a_request" {
  command = plan
  variables {
    timeouts = { request = 570, drain = 30, keep_alive = 620 }
  }
  expect_failures = [var.timeouts]
}

run "a_balancer_that_closes_before_the_answer" {
  command = plan
  variables {
    exposure = { mode = "classic", idle_timeout_seconds = 60 }
  }
  expect_failures = [var.exposure]
}

run "a_server_that_closes_before_the_balancer" {
  command = plan
  variables {
    timeouts = { request = 570, drain = 600, keep_alive = 65 }
    exposure = { mode = "alb" }
  }
  expect_failures = [var.exposure]
}

run "a_balancer_of_no_known_kind" {
  command = plan
  variables {
    exposure = { mode = "elb" }
  }
  expect_failures = [var.exposure]
}

run "one_disk_for_two_pods" {
  command = plan
  variables {
    replicas    = { start = 1, max = 2 }
    model_cache = { mode = "pvc", claim = "chat-api-model-cache", path = "/models", state_path = "/var/lib/sluice", prefetch = { command = ["true"] } }
  }
  expect_failures = [var.model_cache]
}

run "scaling_by_cpu" {
  command = plan
  variables {
    replicas = { start = 1, max = 3 }
    scaling  = { triggers = [{ type = "cpu", metadata = { value = "70" }, metric_type = "Utilization" }] }
  }
  expect_failures = [var.scaling]
}

run "no_replica_at_all" {
  command = plan
  variables {
    replicas = { start = 0 }
  }
  expect_failures = [var.replicas]
}

run "a_secret_in_a_config_map" {
  command = plan
  variables {
    env = { ADMIN_TOKEN = "x" }
  }
  expect_failures = [var.env]
}

run "a_user_that_a_node_may_have" {
  command = plan
  variables {
    user = 1000
  }
  expect_failures = [var.user]
}
