# Apache Kafka inside the cluster, for a demo and for installations without MSK: 1 or 3 nodes, each broker and controller
# (KRaft, voters fixed), each with a volume of its own. No TLS and no passwords: who may speak to it is said by network
# policies, which is enough for a namespace and not for a company.

locals {
  name     = "kafka"
  headless = "${local.name}-nodes"
  client   = 9092
  quorum   = 9093
  uid      = 10001

  selector = { "app.kubernetes.io/name" = local.name, "app.kubernetes.io/instance" = local.name }
  labels   = merge(var.labels, local.selector, { "app.kubernetes.io/component" = "broker" })
  # A pod with this label may speak to the brokers, and needs nothing else for it.
  clients = { "sluice/kafka-client" = "true" }

  domain = "${local.headless}.${var.namespace}.svc.cluster.local"
  voters = join(",", [for node in range(var.replicas) : "${node}@${local.name}-${node}.${local.domain}:${local.quorum}"])

  # As many copies as there are brokers; a write is there once all but one of them have it.
  copies     = tostring(var.replicas)
  min_copies = tostring(max(1, var.replicas - 1))

  # The image's own configuration is gone once one of these is set, so the set is whole.
  environment = {
    CLUSTER_ID                                             = var.cluster_id
    KAFKA_PROCESS_ROLES                                    = "broker,controller"
    KAFKA_LISTENERS                                        = "INTERNAL://:${local.client},CONTROLLER://:${local.quorum}"
    KAFKA_ADVERTISED_LISTENERS                             = "INTERNAL://$(POD_NAME).${local.domain}:${local.client}"
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP                   = "INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT"
    KAFKA_INTER_BROKER_LISTENER_NAME                       = "INTERNAL"
    KAFKA_CONTROLLER_LISTENER_NAMES                        = "CONTROLLER"
    KAFKA_CONTROLLER_QUORUM_VOTERS                         = local.voters
    KAFKA_LOG_DIRS                                         = "/var/lib/kafka/data/log" # a fresh volume has lost+found beside it
    KAFKA_AUTO_CREATE_TOPICS_ENABLE                        = "false"
    KAFKA_DEFAULT_REPLICATION_FACTOR                       = local.copies
    KAFKA_MIN_INSYNC_REPLICAS                              = local.min_copies
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR                 = local.copies
    KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR         = local.copies
    KAFKA_TRANSACTION_STATE_LOG_MIN_ISR                    = local.min_copies
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_REPLICATION_FACTOR = local.copies
    KAFKA_SHARE_COORDINATOR_STATE_TOPIC_MIN_ISR            = local.min_copies
    KAFKA_UNCLEAN_LEADER_ELECTION_ENABLE                   = "false"
    KAFKA_LOG_RETENTION_HOURS                              = tostring(var.retention_hours)
    KAFKA_HEAP_OPTS                                        = "-Xms${floor(var.memory_mib / 2)}m -Xmx${floor(var.memory_mib / 2)}m"
    LOG_DIR                                                = "/tmp/kafka" # what Java says of its collections; the log itself goes to stdout
  }
}

resource "kubernetes_service_v1" "nodes" {
  metadata {
    name      = local.headless
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    cluster_ip = "None"
    # Voters find each other by name before any of them is ready.
    publish_not_ready_addresses = true
    selector                    = local.selector

    port {
      name = "client"
      port = local.client
    }
    port {
      name = "quorum"
      port = local.quorum
    }
  }
}

resource "kubernetes_service_v1" "this" {
  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    selector = local.selector

    port {
      name        = "client"
      port        = local.client
      target_port = "client"
    }
  }
}

resource "kubernetes_pod_disruption_budget_v1" "this" {
  # With a single broker it would forbid every drain, and protect nothing.
  count = var.replicas > 1 ? 1 : 0

  metadata {
    name      = local.name
    namespace = var.namespace
    labels    = local.labels
  }

  spec {
    max_unavailable = "1"
    selector {
      match_labels = local.selector
    }
  }
}
