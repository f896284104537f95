# Nothing is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  namespace         = "sluice"
  image             = "registry.example/sluice/inference:0123abc"
  bootstrap_servers = "kafka:9092"
  partitions        = 8
  client_labels     = { "sluice/kafka-client" = "true" }
}

run "the_command_of_compose" {
  command = plan

  assert {
    condition     = kubernetes_job_v1.this.spec[0].template[0].spec[0].container[0].command == tolist(["python", "-m", "inference_container", "prepare", "topics"])
    error_message = "Topics are made by the program that uses them."
  }

  assert {
    condition = { for each in kubernetes_job_v1.this.spec[0].template[0].spec[0].container[0].env : each.name => each.value } == {
      KAFKA_BOOTSTRAP_SERVERS = "kafka:9092"
      KAFKA_TOPIC_PARTITIONS  = "8"
    }
    error_message = "It is told where Kafka is and how many partitions there are."
  }

  assert {
    condition     = kubernetes_job_v1.this.spec[0].template[0].metadata[0].labels == tomap({ "app.kubernetes.io/component" = "job", "app.kubernetes.io/name" = "topics", "sluice/kafka-client" = "true" })
    error_message = "Without the label the broker does not let it in."
  }

  assert {
    condition     = kubernetes_job_v1.this.wait_for_completion
    error_message = "An apply waits for it: what consumes claims needs their topics."
  }
}

run "it_runs_without_privileges" {
  command = plan

  assert {
    condition = alltrue([
      kubernetes_job_v1.this.spec[0].template[0].spec[0].security_context[0].run_as_non_root,
      kubernetes_job_v1.this.spec[0].template[0].spec[0].security_context[0].seccomp_profile[0].type == "RuntimeDefault",
      kubernetes_job_v1.this.spec[0].template[0].spec[0].container[0].security_context[0].read_only_root_filesystem,
      !kubernetes_job_v1.this.spec[0].template[0].spec[0].container[0].security_context[0].allow_privilege_escalation,
      contains(kubernetes_job_v1.this.spec[0].template[0].spec[0].container[0].security_context[0].capabilities[0].drop, "ALL"),
      !kubernetes_job_v1.this.spec[0].template[0].spec[0].automount_service_account_token,
      length(kubernetes_job_v1.this.spec[0].template[0].spec[0].container[0].resources[0].limits) == 2,
    ])
    error_message = "The job must pass the `restricted` standard and the quota."
  }
}

run "brokers_outside_are_reached_by_address" {
  command = plan
  variables {
    client_labels = {}
    networks      = [{ cidr = "10.20.0.0/16", port = 9094 }]
  }

  assert {
    condition = alltrue([
      kubernetes_network_policy_v1.this[0].spec[0].egress[0].to[0].ip_block[0].cidr == "10.20.0.0/16",
      kubernetes_network_policy_v1.this[0].spec[0].egress[0].ports[0].port == "9094",
      kubernetes_network_policy_v1.this[0].spec[0].pod_selector[0].match_labels["app.kubernetes.io/name"] == "topics",
    ])
    error_message = "The namespace denies all else: without this the job never reaches MSK."
  }
}

# A job can not be changed: what changes it must give it another name.
run "another_image_is_another_job" {
  command = plan
  variables { image = "registry.example/sluice/inference:4567def" }

  assert {
    condition     = output.job != run.the_command_of_compose.job
    error_message = "A new image must make a new job."
  }
}

run "other_partitions_are_another_job" {
  command = plan
  variables { partitions = 12 }

  assert {
    condition     = output.job != run.the_command_of_compose.job
    error_message = "Another number of partitions must make a new job."
  }
}

run "no_image_that_moves" {
  command = plan
  variables { image = "registry.example/sluice/inference:latest" }

  expect_failures = [var.image]
}

run "no_topic_without_partitions" {
  command = plan
  variables { partitions = 0 }

  expect_failures = [var.partitions]
}

run "brokers_have_ports" {
  command = plan
  variables { bootstrap_servers = "kafka" }

  expect_failures = [var.bootstrap_servers]
}
