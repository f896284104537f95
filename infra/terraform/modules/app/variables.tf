variable "name" {
  description = "Name of the Deployment, and of all that belongs to it."
  type        = string
}

variable "namespace" {
  description = "Namespace of all objects."
  type        = string
}

variable "labels" {
  description = "Labels of all objects, beside app.kubernetes.io/name and instance."
  type        = map(string)
  default     = {}
}

variable "pod_labels" {
  description = "Further labels of the pods alone, such as the one that lets them speak to a broker."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "The image, with its registry and a tag that never moves, a digest, or both."
  type        = string

  validation {
    # The predecessor deployed `:latest`: Terraform saw no change, so nothing new was rolled out.
    condition     = can(regex("(:[\\w.-]+|@sha256:[0-9a-f]{64})$", var.image)) && !can(regex(":latest(@|$)", var.image))
    error_message = "image must have a tag or a digest, and the tag must not be latest: a tag that moves rolls out nothing."
  }
}

variable "command" {
  description = "What the container runs; empty: what its image says."
  type        = list(string)
  default     = []
}

variable "port" {
  description = "Port of the HTTP door."
  type        = number
}

variable "env" {
  description = "Environment, by variable. Nothing secret: it becomes a ConfigMap."
  type        = map(string)
  default     = {}

  validation {
    condition     = length([for name in keys(var.env) : name if can(regex("(TOKEN|SECRET|PASSWORD|(API|ACCESS|SECRET|PRIVATE|AUDIT|CHAT|REF)_KEYS?)$", name))]) == 0
    error_message = "env becomes a ConfigMap, which is no place for a secret: put it into the Secret that `secrets` names."
  }
}

variable "secrets" {
  description = "What the pods take from which Secret: keys that become environment variables of the same name, keys that become files in a folder. All may be missing. Another revision rolls the pods."
  type = object({
    name     = string
    env      = optional(list(string), [])
    files    = optional(list(string), [])
    folder   = optional(string, "/etc/sluice")
    revision = optional(number, 1)
  })
  default = null
}

variable "resources" {
  description = "CPU (whole or in thousandths, as 500m) and memory that the container may use. Requests are the same where none are named."
  type = object({
    cpu            = string
    memory         = string
    cpu_request    = optional(string)
    memory_request = optional(string)
  })
}

variable "threads" {
  description = "Threads or worker processes that compute at once; 0: what the service finds out from its quota."
  type        = number
  default     = 0

  validation {
    # Threads above the quota spin at barriers while the kernel holds the others back: up to 45 times slower.
    condition = var.threads <= (
      endswith(var.resources.cpu, "m") ? floor(tonumber(trimsuffix(var.resources.cpu, "m")) / 1000) : floor(tonumber(var.resources.cpu))
    )
    error_message = "threads must not exceed the CPU limit in whole cores: more than that slow each other down."
  }
}

variable "probes" {
  description = "Paths of the probes, and how long a start may take: startup_seconds is period times failures of the startup probe."
  type = object({
    startup         = string
    liveness        = string
    readiness       = string
    startup_seconds = number
    # Liveness that fails for 30 s ends a pod. One that may fail for 40 minutes guards nothing.
    liveness_period   = optional(number, 10)
    liveness_failures = optional(number, 3)
    liveness_timeout  = optional(number, 2)
    readiness_period  = optional(number, 5)
  })

  validation {
    condition     = var.probes.liveness_period * var.probes.liveness_failures <= 30 && var.probes.liveness_timeout < var.probes.liveness_period
    error_message = "liveness must end a pod that hangs within 30 s (period x failures), and answer before it is asked again."
  }

  validation {
    condition     = var.probes.startup == var.probes.readiness && var.probes.startup != var.probes.liveness
    error_message = "startup must ask what readiness asks: the liveness path succeeds while the model still loads."
  }

  validation {
    condition     = var.probes.readiness_period <= 5
    error_message = "readiness must be asked every 5 s at least, or a ready pod waits for its callers."
  }
}

variable "timeouts" {
  description = "The ladder in seconds: what a request may take, what the service gives running requests at its end, how long it keeps an idle connection, and what comes around them."
  type = object({
    request    = number
    drain      = number
    keep_alive = number
    # A balancer sends for seconds after a pod was told to go.
    pre_stop = optional(number, 15)
    # After the drain: connections close, children end, a broker may not answer.
    after_drain = optional(number, 15)
  })

  validation {
    condition     = var.timeouts.drain >= var.timeouts.request
    error_message = "drain must not be shorter than request: a request that was admitted is given its deadline."
  }
}

variable "replicas" {
  description = "Replicas to begin with, the least and the most that scaling goes to. Scaling owns the number when it may move."
  type = object({
    start = number
    min   = optional(number)
    max   = optional(number)
  })

  validation {
    condition     = coalesce(var.replicas.min, var.replicas.start) <= var.replicas.start && var.replicas.start <= coalesce(var.replicas.max, var.replicas.start)
    error_message = "replicas: min <= start <= max."
  }

  validation {
    # KEDA that has never seen a committed offset may stay at 0 for good.
    condition     = coalesce(var.replicas.min, var.replicas.start) >= 1
    error_message = "replicas: min is at least 1, or a group that never committed stays without a consumer."
  }
}

variable "scaling" {
  description = "KEDA: when it looks, and what makes it add a replica. Null: the number of replicas stays."
  type = object({
    polling_seconds       = optional(number, 15)
    cooldown_seconds      = optional(number, 300)
    stabilization_seconds = optional(number, 300)
    triggers = list(object({
      type        = string
      metadata    = map(string)
      metric_type = optional(string, "AverageValue")
    }))
  })
  default = null

  validation {
    # metrics-server may be absent, and one generation takes all the CPU there is: CPU says nothing here.
    condition     = var.scaling == null || alltrue([for trigger in try(var.scaling.triggers, []) : contains(["kafka", "prometheus"], trigger.type)])
    error_message = "scaling goes by Kafka's lag or by a query of Prometheus: CPU is full with a single answer, and needs a metrics-server."
  }
}

variable "exposure" {
  description = "The Service: its name and port, and who stands before it: nobody (none, cluster) or a balancer (classic, nlb, alb)."
  type = object({
    mode                 = optional(string, "cluster")
    service              = optional(string)
    port                 = optional(number)
    scheme               = optional(string, "internet-facing")
    idle_timeout_seconds = optional(number, 600)
    source_ranges        = optional(list(string), [])
    host                 = optional(string, "")
    certificate_arn      = optional(string, "")
  })
  default = {}

  validation {
    condition     = contains(["none", "cluster", "classic", "nlb", "alb"], var.exposure.mode)
    error_message = "exposure.mode is none, cluster, classic, nlb or alb."
  }

  validation {
    condition     = contains(["internet-facing", "internal"], var.exposure.scheme)
    error_message = "exposure.scheme is internet-facing or internal."
  }

  validation {
    # A balancer that closes first cuts answers off; a server that closes first is answered for with 502.
    condition = !contains(["classic", "nlb", "alb"], var.exposure.mode) || (
      var.timeouts.request < var.exposure.idle_timeout_seconds && var.exposure.idle_timeout_seconds < var.timeouts.keep_alive
    )
    error_message = "The ladder is broken: timeouts.request < exposure.idle_timeout_seconds < timeouts.keep_alive."
  }

  validation {
    condition     = var.exposure.idle_timeout_seconds >= 60 && var.exposure.idle_timeout_seconds <= 4000
    error_message = "exposure.idle_timeout_seconds must be 60 to 4000: what all three kinds of balancer take."
  }
}

variable "folders" {
  description = "Writable folders: path and size of each. The root is read-only."
  type        = map(string)
  default     = { "/tmp" = "256Mi" }
}

variable "model_cache" {
  description = "Where the model lies: on a claim that one pod can have (pvc), on a disk of each pod's own (ephemeral) or on its node's (emptydir). The init container fetches and checks it by `prefetch`, with those keys of the Secret; the service may only read it. With pvc the claim keeps `state_path` too. Null: no model."
  type = object({
    mode          = optional(string, "pvc")
    create_claim  = optional(bool, true)
    claim         = string
    storage_class = optional(string, "gp3")
    size          = optional(string, "15Gi")
    path          = string
    state_path    = string
    prefetch      = object({ command = list(string), secrets = optional(list(string), []) })
  })
  default = null

  validation {
    condition     = contains(["none", "pvc", "ephemeral", "emptydir"], try(var.model_cache.mode, "none"))
    error_message = "model_cache.mode is pvc, ephemeral or emptydir."
  }

  validation {
    # A ReadWriteOnce disk is on one node: a second replica elsewhere waits for ever (Multi-Attach).
    condition     = try(var.model_cache.mode, "none") != "pvc" || coalesce(var.replicas.max, var.replicas.start) == 1
    error_message = "model_cache.mode = pvc is one disk on one node, so there can be one replica: take ephemeral for more."
  }
}

variable "node" {
  description = "Which nodes: labels they must have, taints that do not hinder."
  type = object({
    selector    = optional(map(string), {})
    tolerations = optional(list(object({ key = string, value = string, effect = string })), [])
  })
  default = {}
}

variable "priority_class" {
  description = "PriorityClass of the pods. Empty: the cluster's default."
  type        = string
  default     = ""
}

variable "service_account" {
  description = "ServiceAccount of the pods, and whether it is made here."
  type = object({
    name   = string
    create = optional(bool, true)
  })
}

variable "network" {
  description = "Who may ask and who may be asked, beside DNS: pods by label, namespaces by name, networks."
  type = object({
    from_anywhere   = optional(bool, false)
    from_pods       = optional(list(map(string)), [])
    from_namespaces = optional(list(string), [])
    to_pods         = optional(list(object({ labels = map(string), port = number })), [])
    to_networks     = optional(list(object({ cidr = string, port = number, except = optional(list(string), []) })), [])
  })
  default = {}
}

variable "scrape" {
  description = "Have Prometheus ask these pods for metrics."
  type        = bool
  default     = true
}

variable "user" {
  description = "Number of the user and group that the image runs as."
  type        = number
  default     = 10001

  validation {
    condition     = var.user >= 10000
    error_message = "user must be 10000 or above: the numbers below may be somebody's on the node."
  }
}
