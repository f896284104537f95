# The deployment as its defaults make it.
mock_provider "kubernetes" {}

variables {
  registry  = "123456789012.dkr.ecr.us-east-2.amazonaws.com/sluice-demo"
  image_tag = "0123abc"
  s3_bucket = "sluice-demo-123456789012"
  llm_zone  = "us-east-2a"
}

# One plan for all of them: each plan asks for the providers' schemas anew.
run "the_defaults" {
  command = plan

  assert {
    condition     = output.deployments == ["chat-api", "inference", "inference-claims"] && output.chat_service == "chat-api-service" && output.inference_service == "inference" && output.namespace == "sluice"
    error_message = "Scripts and people ask for these names."
  }
  assert {
    condition     = module.chat_api.summary.image == "123456789012.dkr.ecr.us-east-2.amazonaws.com/sluice-demo/chat-api:0123abc" && module.inference.summary.image == module.inference_claims.summary.image && endswith(module.inference.summary.image, "/inference:0123abc")
    error_message = "Images are those that were pushed by the commit."
  }
  assert {
    condition     = module.chat_api.summary.resources.requests == module.chat_api.summary.resources.limits && module.chat_api.summary.resources.limits.cpu == "3" && module.chat_api.summary.resources.limits.memory == "5Gi"
    error_message = "Guaranteed, and it fits a c6i.xlarge."
  }
  assert {
    condition     = tonumber(module.chat_api.summary.env["GGUF_N_THREADS"]) <= tonumber(module.chat_api.summary.resources.limits.cpu)
    error_message = "No more threads than cores: one more slows every token down."
  }
  assert {
    condition     = module.chat_api.summary.node_selector == tomap({ "sluice/role" = "llm", "topology.kubernetes.io/zone" = "us-east-2a" }) && module.chat_api.summary.tolerations[0].value == "llm" && module.chat_api.summary.tolerations[0].effect == "NoSchedule"
    error_message = "It runs on the model's node, in the zone of its disk."
  }
  assert {
    condition     = module.inference.summary.node_selector == tomap({ "sluice/role" = "general" }) && length(module.inference.summary.tolerations) == 0
    error_message = "Nothing else runs there."
  }
  assert {
    condition = (
      tonumber(module.chat_api.summary.env["TRIAGE_DEADLINE_SECONDS"]) < tonumber(module.chat_api.summary.annotations["service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout"]) &&
      tonumber(module.chat_api.summary.annotations["service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout"]) == 600 &&
      600 < tonumber(module.chat_api.summary.env["UVICORN_TIMEOUT_KEEP_ALIVE"])
    )
    error_message = "A request's deadline < the balancer's idle timeout < the server's own."
  }
  assert {
    condition     = module.chat_api.grace_seconds == 630 && tonumber(module.chat_api.summary.env["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]) >= tonumber(module.chat_api.summary.env["TRIAGE_DEADLINE_SECONDS"])
    error_message = "A pod that goes finishes the longest answer: 15 + 600 + 15 s."
  }
  assert {
    condition     = module.inference.grace_seconds > 15 + tonumber(module.inference.summary.env["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]) && tonumber(module.inference.summary.env["UVICORN_TIMEOUT_GRACEFUL_SHUTDOWN"]) >= tonumber(module.inference.summary.env["INFERENCE_TIMEOUT"])
    error_message = "So does a forecast."
  }
  assert {
    condition     = module.inference_claims.grace_seconds > 15 + tonumber(module.inference_claims.summary.env["CLAIM_TIMEOUT"])
    error_message = "And a claim."
  }
  assert {
    condition     = module.inference.summary.env["USE_KAFKA"] == "0" && module.inference_claims.summary.env["USE_KAFKA"] == "1" && module.inference_claims.service == ""
    error_message = "One Deployment answers callers, the other works claims and has no door."
  }
  assert {
    condition     = module.inference.summary.priority == "sluice-serving" && module.inference_claims.summary.priority == "sluice-claims" && module.chat_api.summary.priority == "sluice-serving"
    error_message = "Who is waited for goes before who is not."
  }
  assert {
    condition     = module.inference_claims.summary.pod_labels["sluice/kafka-client"] == "true" && !contains(keys(module.chat_api.summary.pod_labels), "sluice/kafka-client")
    error_message = "Who needs the broker may speak to it, and nobody else."
  }
  assert {
    condition     = module.inference.summary.env["S3_CREDENTIALS"] == "identity" && module.inference.summary.env["S3_ENDPOINT"] == "s3.us-east-2.amazonaws.com" && contains(flatten([for rule in module.inference.summary.egress : [for to in rule.to : [for block in to.ip_block : block.cidr]]]), "169.254.170.23/32")
    error_message = "By the ServiceAccount's role, whose agent is within reach."
  }
  assert {
    condition = (
      module.inference_claims.summary.scaling.triggers[0].type == "kafka" &&
      module.inference_claims.summary.scaling.triggers[0].metadata.consumerGroup == module.inference_claims.summary.env["CONSUMER_GROUP_ID"] &&
      module.inference_claims.summary.scaling.triggers[0].metadata.topic == module.inference_claims.summary.env["CONSUMER_TOPIC_0"] &&
      module.inference_claims.summary.scaling.triggers[0].metadata.offsetResetPolicy == "earliest"
    )
    error_message = "By the lag of the group and topic that the consumer has."
  }
  assert {
    condition     = module.inference_claims.summary.scaling.minReplicaCount >= 1 && tonumber(module.inference_claims.summary.env["KAFKA_TOPIC_PARTITIONS"]) >= module.inference_claims.summary.scaling.maxReplicaCount
    error_message = "One stays, and each has a partition."
  }
  assert {
    condition     = module.inference_claims.summary.scaling.pollingInterval == 15 && module.inference_claims.summary.scaling.cooldownPeriod == 300 && module.inference_claims.summary.scaling.advanced.horizontalPodAutoscalerConfig.behavior.scaleDown.stabilizationWindowSeconds == 300
    error_message = "KEDA looks every 15 s and takes away after 5 min."
  }
  assert {
    condition     = startswith(module.inference_claims.summary.scaling.triggers[0].metadata.bootstrapServers, "kafka.sluice.svc")
    error_message = "KEDA asks from another namespace, where kafka alone is no name."
  }
  assert {
    condition     = module.inference.summary.scaling.triggers[0].type == "prometheus" && strcontains(module.inference.summary.scaling.triggers[0].metadata.query, "inference_queue_wait_seconds_sum")
    error_message = "By how long callers wait, not by CPU."
  }
  assert {
    condition     = module.chat_api.summary.scaling == null
    error_message = "One disk, one replica: nothing scales it."
  }
  assert {
    condition     = module.chat_api.summary.strategy == "Recreate" && one([for volume in module.chat_api.summary.volumes : volume if volume.name == "model-cache"]).persistent_volume_claim[0].claim_name == "chat-api-model-cache"
    error_message = "The old pod lets go of the disk before the new one takes it."
  }
}

run "chat_scales_by_its_queue_once_it_may" {
  command = plan
  variables {
    model_cache_mode = "ephemeral"
    chat             = { max_replicas = 3 }
  }

  assert {
    condition     = strcontains(module.chat_api.summary.scaling.triggers[0].metadata.query, "triage_queue_depth") && module.chat_api.summary.scaling.maxReplicaCount == 3 && module.chat_api.summary.strategy == "RollingUpdate"
    error_message = "By the chats that wait."
  }
}

run "the_claim_may_be_there_already" {
  command = plan
  variables {
    enable_model_cache_pvc = false
  }
  assert {
    condition     = one([for volume in module.chat_api.summary.volumes : volume if volume.name == "model-cache"]).persistent_volume_claim[0].claim_name == "chat-api-model-cache"
    error_message = "It is used all the same."
  }
}

run "secrets_are_in_no_state" {
  command = plan
  variables {
    chat_secrets     = { ADMIN_TOKEN = "not-in-the-state" }
    secrets_revision = 2
  }

  assert {
    condition     = toset(keys(kubernetes_secret_v1.this)) == toset(["sluice-chat", "sluice-inference"]) && kubernetes_secret_v1.this["sluice-chat"].data_wo_revision == 2
    error_message = "Write-only, and a revision says that there is a new value."
  }
  assert {
    condition     = nonsensitive(kubernetes_secret_v1.this["sluice-chat"].data_wo["ADMIN_TOKEN"]) == "not-in-the-state"
    error_message = "They go into the write-only argument."
  }
}

run "everything_else_wins_over_the_file" {
  command = plan
  variables {
    chat = { env = { LOG_LEVEL = "DEBUG", DB_API_BASE_URL = "https://carepath.example" }, egress = [{ cidr = "10.0.0.0/8", port = 4318 }] }
  }
  assert {
    condition     = module.chat_api.summary.env["LOG_LEVEL"] == "DEBUG" && module.chat_api.summary.env["HOST"] == "0.0.0.0" && contains([for rule in module.chat_api.summary.egress : rule.ports[0].port], "4318")
    error_message = "Variables of one's own are added, and ways out for them."
  }
}

run "kafka_of_aws" {
  command = plan
  variables {
    kafka_mode              = "msk"
    kafka_bootstrap_servers = "b-1.example:9094,b-2.example:9094"
  }

  assert {
    condition     = module.inference_claims.summary.env["KAFKA_BOOTSTRAP_SERVERS"] == "b-1.example:9094,b-2.example:9094" && module.inference_claims.summary.env["KAFKA_SECURITY_PROTOCOL"] == "SSL" && module.inference_claims.summary.scaling.triggers[0].metadata.tls == "enable"
    error_message = "MSK is spoken to over TLS, by the service and by KEDA."
  }
  assert {
    condition     = contains([for rule in module.inference_claims.summary.egress : rule.ports[0].port], "9094") && length(module.kafka) == 0
    error_message = "The way there is open, and no other broker is made."
  }
}

run "digests_hold_the_tag" {
  command = plan
  variables {
    image_digest = { inference = "sha256:0000000000000000000000000000000000000000000000000000000000000000" }
  }
  assert {
    condition     = endswith(module.inference.summary.image, ":0123abc@sha256:0000000000000000000000000000000000000000000000000000000000000000") && endswith(module.chat_api.summary.image, ":0123abc")
    error_message = "What has a digest is held to it."
  }
}
