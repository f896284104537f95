# Nothing is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  namespace = "sluice"
}

run "one_broker" {
  command = plan

  assert {
    condition     = kubernetes_stateful_set_v1.this.spec[0].replicas == "1" && length(kubernetes_pod_disruption_budget_v1.this) == 0
    error_message = "A single broker has no disruption budget: it would forbid every drain."
  }

  assert {
    condition = alltrue([
      local.environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "0@kafka-0.kafka-nodes.sluice.svc.cluster.local:9093",
      local.environment["KAFKA_DEFAULT_REPLICATION_FACTOR"] == "1",
      local.environment["KAFKA_MIN_INSYNC_REPLICAS"] == "1",
      local.environment["KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR"] == "1",
      local.environment["KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR"] == "1",
      local.environment["KAFKA_TRANSACTION_STATE_LOG_MIN_ISR"] == "1",
    ])
    error_message = "One broker votes alone and keeps one copy; asking for more would leave its own topics unmade."
  }

  assert {
    condition     = output.bootstrap_servers_outside == "kafka.sluice.svc.cluster.local:9092" && kubernetes_service_v1.this.metadata[0].name == "kafka"
    error_message = "Clients find it as kafka:9092."
  }
}

run "three_brokers_lose_one_and_nothing_else" {
  command = plan
  variables { replicas = 3 }

  assert {
    condition     = local.environment["KAFKA_CONTROLLER_QUORUM_VOTERS"] == "0@kafka-0.kafka-nodes.sluice.svc.cluster.local:9093,1@kafka-1.kafka-nodes.sluice.svc.cluster.local:9093,2@kafka-2.kafka-nodes.sluice.svc.cluster.local:9093"
    error_message = "Each of the three votes, by its own name."
  }

  assert {
    condition = alltrue([
      for what in ["DEFAULT", "OFFSETS_TOPIC", "TRANSACTION_STATE_LOG", "SHARE_COORDINATOR_STATE_TOPIC"] :
      local.environment["KAFKA_${what}_REPLICATION_FACTOR"] == "3"
    ])
    error_message = "Three brokers keep three copies, of Kafka's own topics too."
  }

  assert {
    condition = alltrue([
      for what in ["MIN_INSYNC_REPLICAS", "TRANSACTION_STATE_LOG_MIN_ISR", "SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR"] :
      local.environment["KAFKA_${what}"] == "2"
    ])
    error_message = "A write is there once two have it: with all three, one that restarts would stop all writing; with one, it could be lost."
  }

  assert {
    condition     = kubernetes_pod_disruption_budget_v1.this[0].spec[0].max_unavailable == "1"
    error_message = "A drain may take one broker, not two."
  }

  assert {
    condition     = toset([for each in kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].topology_spread_constraint : each.topology_key]) == toset(["topology.kubernetes.io/zone", "kubernetes.io/hostname"])
    error_message = "Brokers spread over zones and nodes."
  }
}

run "voters_find_each_other_before_they_are_ready" {
  command = plan

  assert {
    condition     = kubernetes_service_v1.nodes.spec[0].publish_not_ready_addresses && kubernetes_service_v1.nodes.spec[0].cluster_ip == "None"
    error_message = "Without names for pods that are not ready yet, no quorum ever comes about."
  }

  assert {
    condition     = kubernetes_stateful_set_v1.this.spec[0].pod_management_policy == "Parallel"
    error_message = "One after another, the first broker waits for a majority that is never started."
  }

  assert {
    condition     = kubernetes_stateful_set_v1.this.spec[0].service_name == "kafka-nodes"
    error_message = "The names that the voters are told are those of this service."
  }
}

run "it_runs_without_privileges" {
  command = plan

  assert {
    condition = alltrue([
      kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].security_context[0].run_as_non_root,
      tonumber(kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].security_context[0].run_as_user) >= 10000,
      kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].security_context[0].seccomp_profile[0].type == "RuntimeDefault",
      kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].security_context[0].read_only_root_filesystem,
      !kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].security_context[0].allow_privilege_escalation,
      contains(kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].security_context[0].capabilities[0].drop, "ALL"),
      !kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].automount_service_account_token,
      !kubernetes_service_account_v1.this.automount_service_account_token,
    ])
    error_message = "The broker must pass the `restricted` standard, with a root that nobody writes to and no token."
  }

  assert {
    condition = toset([for mount in kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].volume_mount : mount.mount_path]) == toset([
      "/var/lib/kafka/data", "/opt/kafka/config", "/tmp",
    ])
    error_message = "Where the image writes at its start, and nowhere else, there is a volume."
  }

  assert {
    condition     = local.environment["KAFKA_LOG_DIRS"] != "/var/lib/kafka/data" && startswith(local.environment["KAFKA_LOG_DIRS"], "/var/lib/kafka/data/")
    error_message = "The log lies below the volume's root, where ext4 has its lost+found."
  }

  assert {
    condition     = !kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].enable_service_links
    error_message = "KAFKA_PORT=tcp://… of the service named kafka would become a property of the broker."
  }
}

run "it_is_given_what_it_uses" {
  command = plan
  variables { memory_mib = 2048 }

  assert {
    condition     = kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].resources[0].requests == kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].resources[0].limits
    error_message = "Requests equal limits: a broker is not what a node evicts."
  }

  assert {
    condition     = local.environment["KAFKA_HEAP_OPTS"] == "-Xms1024m -Xmx1024m"
    error_message = "Java's heap is half of the memory: the other half holds the log's pages."
  }

  assert {
    condition = alltrue([
      kubernetes_stateful_set_v1.this.spec[0].volume_claim_template[0].spec[0].storage_class_name == "gp3",
      kubernetes_stateful_set_v1.this.spec[0].persistent_volume_claim_retention_policy[0].when_deleted == "Retain",
      kubernetes_stateful_set_v1.this.spec[0].persistent_volume_claim_retention_policy[0].when_scaled == "Retain",
    ])
    error_message = "Volumes are of the class that is asked for, and stay when the set goes."
  }
}

run "probes_look_at_the_door_alone" {
  command = plan

  assert {
    condition = alltrue([
      for probe in [
        kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].startup_probe[0],
        kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].liveness_probe[0],
        kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].readiness_probe[0],
      ] : length(probe.exec) == 0 && probe.tcp_socket[0].port == "client"
    ])
    error_message = "A probe that starts a Java of its own takes more CPU than the broker."
  }

  assert {
    condition     = kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].startup_probe[0].period_seconds * kubernetes_stateful_set_v1.this.spec[0].template[0].spec[0].container[0].startup_probe[0].failure_threshold >= 300
    error_message = "After a hard stop a broker reads its log before it answers: five minutes."
  }
}

run "who_may_speak_to_it" {
  command = plan

  assert {
    condition     = [for port in kubernetes_network_policy_v1.brokers.spec[0].ingress[0].ports : port.port] == ["9092"]
    error_message = "Clients reach the door of clients, not the controllers' own."
  }

  assert {
    condition = alltrue([
      kubernetes_network_policy_v1.brokers.spec[0].ingress[0].from[0].pod_selector[0].match_labels == tomap({ "sluice/kafka-client" = "true" }),
      kubernetes_network_policy_v1.brokers.spec[0].ingress[0].from[1].namespace_selector[0].match_labels["kubernetes.io/metadata.name"] == "keda",
      kubernetes_network_policy_v1.brokers.spec[0].ingress[0].from[1].pod_selector[0].match_labels["app.kubernetes.io/name"] == "keda-operator",
    ])
    error_message = "Pods with the label may, and KEDA's operator, which asks for the lag."
  }

  assert {
    condition     = kubernetes_network_policy_v1.clients.spec[0].pod_selector[0].match_labels == tomap(output.client_labels)
    error_message = "The label that lets a pod in lets it out too."
  }
}
