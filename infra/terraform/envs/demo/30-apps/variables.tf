# --- what runs

variable "registry" {
  description = "Where the images lie, as 10-platform's output `registry` says: 123456789012.dkr.ecr.us-east-2.amazonaws.com/sluice-demo."
  type        = string
}

variable "image_tag" {
  description = "Tag of both images: the git commit that they were built from. `make deploy` sets it."
  type        = string

  validation {
    condition     = can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", var.image_tag)) && var.image_tag != "latest"
    error_message = "image_tag must be set and must not be latest: with a tag that moves, an apply deploys nothing new."
  }
}

variable "image_tags" {
  description = "Tags of single images (chat-api, inference), where one is deployed alone: the other keeps the tag it runs with."
  type        = map(string)
  default     = {}

  validation {
    condition = alltrue([for name, tag in var.image_tags :
    contains(["chat-api", "inference"], name) && can(regex("^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$", tag)) && tag != "latest"])
    error_message = "image_tags has the keys chat-api and inference, and tags that do not move: never latest."
  }
}

variable "image_digest" {
  description = "Digests that the tag is held to, by image (chat-api, inference), as sha256:…; empty: the tag alone, which the registry keeps immutable."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for name, digest in var.image_digest : contains(["chat-api", "inference"], name) && can(regex("^sha256:[0-9a-f]{64}$", digest))])
    error_message = "image_digest has the keys chat-api and inference, and values sha256: with 64 hexadecimal digits."
  }
}

variable "namespace" {
  description = "Namespace of all objects."
  type        = string
  default     = "sluice"
}

variable "region" {
  description = "AWS region, for the object store's address."
  type        = string
  default     = "us-east-2"
}

# --- the services

variable "chat" {
  description = "chat-api: resources (requests = limits), threads of llama.cpp, replicas, further environment variables, and networks that may be asked beside HTTPS (a record server, a collector of spans). Scales when max_replicas is above min_replicas, on chats that wait."
  type = object({
    cpu                 = optional(string, "3")
    memory              = optional(string, "5Gi")
    threads             = optional(number, 3)
    replicas            = optional(number, 1)
    min_replicas        = optional(number, 1)
    max_replicas        = optional(number, 1)
    request_seconds     = optional(number, 570)
    waiting_per_replica = optional(number, 4)
    env                 = optional(map(string), {})
    egress              = optional(list(object({ cidr = string, port = number })), [])
  })
  default = {}
}

variable "inference" {
  description = "inference: forecasts over HTTP. Scales on how long callers wait in line. from_namespaces: who may call from elsewhere in the cluster."
  type = object({
    cpu                 = optional(string, "2")
    cpu_request         = optional(string, "500m")
    memory              = optional(string, "1536Mi")
    memory_request      = optional(string, "1Gi")
    threads             = optional(number, 1)
    replicas            = optional(number, 1)
    min_replicas        = optional(number, 1)
    max_replicas        = optional(number, 3)
    request_seconds     = optional(number, 15)
    waiting_per_replica = optional(number, 4)
    env                 = optional(map(string), {})
    egress              = optional(list(object({ cidr = string, port = number })), [])
    from_namespaces     = optional(list(string), [])
  })
  default = {}
}

variable "claims" {
  description = "inference-claims: forecasts that Kafka asks for. Scales on the lag of its consumer group."
  type = object({
    cpu             = optional(string, "2")
    cpu_request     = optional(string, "500m")
    memory          = optional(string, "1536Mi")
    memory_request  = optional(string, "1Gi")
    threads         = optional(number, 1)
    replicas        = optional(number, 1)
    min_replicas    = optional(number, 1)
    max_replicas    = optional(number, 4)
    request_seconds = optional(number, 60)
    env             = optional(map(string), {})
    egress          = optional(list(object({ cidr = string, port = number })), [])
  })
  default = {}
}

# --- the model

variable "enable_model_cache_pvc" {
  description = "Make the claim chat-api-model-cache here. false: it is there already, or another mode is used."
  type        = bool
  default     = true
}

variable "model_cache_mode" {
  description = "Where the chat's model lies. pvc: one disk, kept across pods, for one replica. ephemeral: a disk of each pod's own. emptydir: the node's disk. What chat-api writes (records, audit) lives as long as the model does there."
  type        = string
  default     = "pvc"

  validation {
    condition     = contains(["pvc", "ephemeral", "emptydir"], var.model_cache_mode)
    error_message = "model_cache_mode is pvc, ephemeral or emptydir."
  }

  validation {
    condition     = var.model_cache_mode != "pvc" || max(var.chat.replicas, var.chat.max_replicas) == 1
    error_message = "model_cache_mode = pvc is one disk on one node (ReadWriteOnce): chat must have one replica. Take ephemeral for more."
  }
}

variable "llm_zone" {
  description = "Availability zone of the model's nodes, as 10-platform's output says. Empty: any zone that has such a node."
  type        = string
  default     = ""
}

# --- the door

variable "lb_mode" {
  description = "Who stands before chat-api. classic: the Classic balancer, which needs no controller. nlb, alb: by the AWS Load Balancer Controller of 20-addons; alb for HTTPS."
  type        = string
  default     = "classic"

  validation {
    condition     = contains(["classic", "nlb", "alb"], var.lb_mode)
    error_message = "lb_mode is classic, nlb or alb."
  }
}

variable "load_balancer_scheme" {
  description = "internet-facing or internal."
  type        = string
  default     = "internet-facing"
}

variable "load_balancer_source_ranges" {
  description = "Networks that may ask the balancer. Empty: all."
  type        = list(string)
  default     = []
}

variable "load_balancer_idle_seconds" {
  description = "After so many seconds without a byte the balancer closes a connection: above the longest answer, below the server's own."
  type        = number
  default     = 600

  validation {
    condition     = var.load_balancer_idle_seconds > var.chat.request_seconds && var.load_balancer_idle_seconds <= 3500
    error_message = "load_balancer_idle_seconds must be above chat.request_seconds, or answers are cut off; and 3500 at the most."
  }
}

variable "certificate_arn" {
  description = "ACM certificate for lb_mode = alb. Empty: HTTP alone."
  type        = string
  default     = ""
}

variable "host" {
  description = "Host name that the ALB answers for. Empty: any."
  type        = string
  default     = ""
}

# --- Kafka and the store

variable "kafka_mode" {
  description = "incluster: Kafka in this namespace. msk: the brokers that kafka_bootstrap_servers names."
  type        = string
  default     = "incluster"

  validation {
    condition     = contains(["incluster", "msk"], var.kafka_mode)
    error_message = "kafka_mode is incluster or msk."
  }
}

variable "kafka_bootstrap_servers" {
  description = "Brokers as host:port, separated by commas, for kafka_mode = msk: 10-platform's output msk_bootstrap_servers."
  type        = string
  default     = ""

  validation {
    condition     = var.kafka_mode != "msk" || var.kafka_bootstrap_servers != ""
    error_message = "kafka_mode = msk needs kafka_bootstrap_servers."
  }
}

variable "vpc_cidr" {
  description = "Network that MSK's brokers are in, as in 10-platform; pods may reach port 9094 there."
  type        = string
  default     = "10.20.0.0/16"
}

variable "kafka_nodes" {
  description = "Nodes of the Kafka in the cluster: 1, or 3 so that one may fail."
  type        = number
  default     = 1
}

variable "kafka_partitions" {
  description = "Partitions of the claims' topics: so many replicas can share them out."
  type        = number
  default     = 8

  validation {
    condition     = var.kafka_partitions >= max(var.claims.replicas, var.claims.max_replicas)
    error_message = "kafka_partitions must not be below claims.max_replicas: a replica without a partition works nothing."
  }
}

variable "claims_topic" {
  description = "Topic of the claims."
  type        = string
  default     = "inference-data"
}

variable "claims_group" {
  description = "Consumer group of the claims; its lag is what scales them."
  type        = string
  default     = "inference_group"
}

variable "s3_bucket" {
  description = "Bucket of objects, results, bundles and pointers: 10-platform's output `bucket`."
  type        = string
}

variable "s3_credentials" {
  description = "identity: the role that 10-platform gives the ServiceAccount inference (Pod Identity). keys: S3_ACCESS_KEY and S3_SECRET_KEY of inference_secrets."
  type        = string
  default     = "identity"

  validation {
    condition     = contains(["identity", "keys"], var.s3_credentials)
    error_message = "s3_credentials is identity or keys."
  }
}

# --- scaling

variable "claims_lag_threshold" {
  description = "Claims that one replica works off in 10 s: KEDA asks for lag / threshold replicas. The default is what its guaranteed half core does at 3 ms of CPU for each claim (docs/performance.md); `make load PROFILE=capacity` prints it for other objects and models."
  type        = number
  default     = 1500

  validation {
    condition     = var.claims_lag_threshold >= 1
    error_message = "claims_lag_threshold is 1 or more."
  }
}

variable "keda_polling_seconds" {
  description = "Seconds between two looks of KEDA's."
  type        = number
  default     = 15
}

variable "keda_cooldown_seconds" {
  description = "Seconds of quiet before KEDA goes to 0; no Deployment here does."
  type        = number
  default     = 300
}

variable "keda_stabilization_seconds" {
  description = "Seconds that fewer replicas must have been enough before some are taken away."
  type        = number
  default     = 300
}

variable "prometheus_address" {
  description = "Prometheus that KEDA asks, as 20-addons installs it."
  type        = string
  default     = "http://prometheus-server.monitoring.svc:80"
}

variable "prometheus_namespace" {
  description = "Namespace of that Prometheus: it may ask the pods for metrics."
  type        = string
  default     = "monitoring"
}

# --- secrets

variable "chat_secrets" {
  description = "Content of the Secret sluice-chat: api-keys (a file of `python -m service_chat keys new`), ADMIN_TOKEN, AUDIT_KEY and others that services.yaml.tftpl names. Set it as TF_VAR_chat_secrets. Never in the state (data_wo); a plan file that is kept would hold it."
  type        = map(string)
  default     = {}
  sensitive   = true
}

variable "inference_secrets" {
  description = "Content of the Secret sluice-inference: ADMIN_TOKEN, KAFKA_SASL_PASSWORD and others; as chat_secrets."
  type        = map(string)
  default     = {}
  sensitive   = true
}

variable "secrets_revision" {
  description = "Count it up when a secret changes: what is not stored can not be compared."
  type        = number
  default     = 1
}

# --- the cluster

variable "kubeconfig" {
  description = "File that says how the cluster is reached."
  type        = string
  default     = "~/.kube/config"
}

variable "kubeconfig_context" {
  description = "Context in that file. Empty: its current one."
  type        = string
  default     = ""
}
