# The services in their namespace. Each is one call of the same module, so what is asserted of one holds for all.
locals {
  part_of = { "app.kubernetes.io/part-of" = "sluice" }
  # Of what a deploy changes.
  labels    = { for name, tag in local.tags : name => merge(local.part_of, { "app.kubernetes.io/version" = tag }) }
  namespace = module.namespace.name

  # HTTPS to the hub, to record servers and to S3, but never to the node's own metadata.
  https = { cidr = "0.0.0.0/0", port = 443, except = ["169.254.169.254/32"] }
  # The agent of Pod Identity, on the pod's own node.
  identity_agent = { cidr = "169.254.170.23/32", port = 80 }
  # MSK's brokers, over TLS. Those in the cluster are reached by a label.
  msk = local.in_cluster ? [] : [{ cidr = var.vpc_cidr, port = 9094 }]

  kafka_client = local.in_cluster ? module.kafka[0].client_labels : {}
  general      = { selector = { "sluice/role" = "general" } }
}

module "namespace" {
  source = "../../../modules/namespace"

  namespace = var.namespace
  labels    = local.part_of
}

module "storage" {
  source = "../../../modules/storage"

  labels = local.part_of
}

module "observability" {
  source = "../../../modules/observability"

  namespace = var.prometheus_namespace
  labels    = local.part_of
  sources   = "${path.module}/../../../../observability"
}

module "kafka" {
  source = "../../../modules/kafka"
  count  = local.in_cluster ? 1 : 0

  namespace      = local.namespace
  labels         = local.part_of
  replicas       = var.kafka_nodes
  storage_class  = module.storage.name
  priority_class = module.namespace.priority_classes["broker"]
  node_selector  = local.general.selector
}

module "topics" {
  source = "../../../modules/topics"

  namespace         = local.namespace
  labels            = local.part_of
  image             = local.images["inference"]
  bootstrap_servers = local.kafka_servers
  partitions        = var.kafka_partitions
  client_labels     = local.kafka_client
  networks          = local.msk
  environment = {
    for name in ["KAFKA_SECURITY_PROTOCOL", "CONSUMER_TOPIC_0"] : name => local.env["inference-claims"][name]
  }
}

resource "kubernetes_secret_v1" "this" {
  # The values are secret, the names of the Secrets are not.
  for_each = toset(["sluice-chat", "sluice-inference"])

  metadata {
    name      = each.value
    namespace = local.namespace
    labels    = local.part_of
  }
  # Write-only: it is in no state. A new value is seen by the revision.
  data_wo          = each.value == "sluice-chat" ? var.chat_secrets : var.inference_secrets
  data_wo_revision = var.secrets_revision
}

module "chat_api" {
  source = "../../../modules/app"

  name      = "chat-api"
  namespace = local.namespace
  labels    = local.labels["chat-api"]
  image     = local.images["chat-api"]
  port      = local.services["chat-api"].port
  env       = local.env["chat-api"]
  secrets   = merge(local.services["chat-api"].secret, { revision = var.secrets_revision })
  probes    = local.services["chat-api"].probes
  timeouts  = local.timeouts["chat-api"]
  threads   = var.chat.threads
  resources = { cpu = var.chat.cpu, memory = var.chat.memory } # requests = limits: the engine's cores are its own
  folders   = local.services["chat-api"].folders

  priority_class = module.namespace.priority_classes["serving"]

  service_account = { name = "chat-api" }

  replicas = { start = var.chat.replicas, min = var.chat.min_replicas, max = var.chat.max_replicas }
  scaling = {
    polling_seconds       = var.keda_polling_seconds
    cooldown_seconds      = var.keda_cooldown_seconds
    stabilization_seconds = var.keda_stabilization_seconds
    triggers = [{
      type = "prometheus"
      metadata = {
        serverAddress = var.prometheus_address
        query         = "sum(triage_queue_depth{job=\"chat\"})"
        threshold     = tostring(var.chat.waiting_per_replica)
      }
    }]
  }

  exposure = {
    mode                 = var.lb_mode
    service              = "chat-api-service"
    port                 = 80
    scheme               = var.load_balancer_scheme
    idle_timeout_seconds = local.idle
    source_ranges        = var.load_balancer_source_ranges
    certificate_arn      = var.certificate_arn
    host                 = var.host
  }

  model_cache = {
    mode          = var.model_cache_mode
    create_claim  = var.enable_model_cache_pvc
    claim         = "chat-api-model-cache"
    storage_class = module.storage.name
    size          = "15Gi"
    path          = local.services["chat-api"].env.MODEL_CACHE_DIR
    state_path    = local.services["chat-api"].state
    prefetch      = local.services["chat-api"].prefetch
  }

  node = {
    selector    = merge({ "sluice/role" = "llm" }, var.llm_zone == "" ? {} : { "topology.kubernetes.io/zone" = var.llm_zone })
    tolerations = [{ key = "sluice/role", value = "llm", effect = "NoSchedule" }]
  }

  network = {
    from_anywhere = true
    to_networks   = concat([local.https], var.chat.egress)
  }
}

module "inference" {
  source = "../../../modules/app"

  name      = "inference"
  namespace = local.namespace
  labels    = local.labels["inference"]
  image     = local.images["inference"]
  port      = local.services["inference"].port
  env       = local.env["inference"]
  secrets   = merge(local.services["inference"].secret, { revision = var.secrets_revision })
  probes    = local.services["inference"].probes
  timeouts  = local.timeouts["inference"]
  threads   = var.inference.threads
  resources = { for key in ["cpu", "memory", "cpu_request", "memory_request"] : key => var.inference[key] }
  folders   = local.services["inference"].folders

  priority_class = module.namespace.priority_classes["serving"]

  service_account = { name = "inference" }
  pod_labels      = local.kafka_client

  replicas = { start = var.inference.replicas, min = var.inference.min_replicas, max = var.inference.max_replicas }
  scaling = {
    polling_seconds       = var.keda_polling_seconds
    cooldown_seconds      = var.keda_cooldown_seconds
    stabilization_seconds = var.keda_stabilization_seconds
    triggers = [{
      type = "prometheus"
      metadata = {
        serverAddress = var.prometheus_address
        # Seconds waited per second: how many callers were in line on average, of all replicas. It adds up, as an HPA needs it.
        query     = "sum(rate(inference_queue_wait_seconds_sum{job=\"inference\",app=\"inference\",lane=\"callers\"}[1m]))"
        threshold = tostring(var.inference.waiting_per_replica)
      }
    }]
  }

  exposure = { mode = "cluster", service = "inference", port = 8000 }
  node     = local.general

  network = {
    from_pods       = [{ "app.kubernetes.io/part-of" = "sluice" }]
    from_namespaces = concat([var.prometheus_namespace], var.inference.from_namespaces)
    to_networks     = concat([local.https, local.identity_agent], local.msk, var.inference.egress)
  }
}

module "inference_claims" {
  source = "../../../modules/app"

  name      = "inference-claims"
  namespace = local.namespace
  labels    = local.labels["inference-claims"]
  image     = local.images["inference-claims"]
  port      = local.services["inference-claims"].port
  env       = local.env["inference-claims"]
  secrets   = merge(local.services["inference-claims"].secret, { revision = var.secrets_revision })
  probes    = local.services["inference-claims"].probes
  timeouts  = local.timeouts["inference-claims"]
  threads   = var.claims.threads
  resources = { for key in ["cpu", "memory", "cpu_request", "memory_request"] : key => var.claims[key] }
  folders   = local.services["inference-claims"].folders

  priority_class = module.namespace.priority_classes["claims"]

  service_account = { name = "inference", create = false }
  pod_labels      = local.kafka_client

  replicas = { start = var.claims.replicas, min = var.claims.min_replicas, max = var.claims.max_replicas }
  scaling = {
    polling_seconds       = var.keda_polling_seconds
    cooldown_seconds      = var.keda_cooldown_seconds
    stabilization_seconds = var.keda_stabilization_seconds
    triggers = [{
      type = "kafka"
      metadata = {
        bootstrapServers         = local.kafka_servers_outside
        consumerGroup            = var.claims_group
        topic                    = var.claims_topic
        lagThreshold             = tostring(var.claims_lag_threshold)
        offsetResetPolicy        = "earliest" # as the consumer begins
        limitToPartitionsWithLag = "true"     # a replica more than those would have nothing to do
        # A partition that stands still has lag too: claims that came while nobody consumed. Poison does not stay in one,
        # it is put aside after CLAIM_MAX_ATTEMPTS.
        excludePersistentLag = "false"
        tls                  = local.in_cluster ? "disable" : "enable"
      }
    }]
  }

  exposure = { mode = "none" }
  node     = local.general

  network = {
    from_namespaces = [var.prometheus_namespace]
    to_networks     = concat([local.https, local.identity_agent], local.msk, var.claims.egress)
  }

  # Of inference it has the ServiceAccount; and a consumer whose topics are not there has nothing to join.
  depends_on = [module.inference, module.topics]
}
