variable "namespace" {
  description = "Name of the namespace, and the first part of the names of its priority classes."
  type        = string
  default     = "sluice"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,40}[a-z0-9])?$", var.namespace)) && !contains(["default", "kube-system", "kube-public", "kube-node-lease"], var.namespace)
    error_message = "The namespace is a name of its own: small letters, digits and dashes, none of Kubernetes' own names."
  }
}

variable "labels" {
  description = "Labels of everything made here."
  type        = map(string)
  default     = {}
}

variable "quota" {
  description = "What all pods together may ask for (cpu, memory) and use at most (limits_*); volumes, pods and balancers beside it."
  type = object({
    cpu            = optional(string, "24")
    limits_cpu     = optional(string, "32")
    memory         = optional(string, "48Gi")
    limits_memory  = optional(string, "64Gi")
    pods           = optional(number, 40)
    volume_claims  = optional(number, 12)
    storage        = optional(string, "200Gi")
    load_balancers = optional(number, 2)
  })
  default  = {}
  nullable = false

  validation {
    condition     = var.quota.pods >= 1 && var.quota.volume_claims >= 0 && var.quota.load_balancers >= 0
    error_message = "A quota of no pods, or of less than nothing, lets nothing run."
  }
}

variable "pod_max" {
  description = "The most that one pod may have as its limits. Nodes of c6i.xlarge have 3920m and about 6.5Gi to give."
  type = object({
    cpu    = optional(string, "4")
    memory = optional(string, "8Gi")
  })
  default  = {}
  nullable = false
}

variable "volume_claim_max" {
  description = "The most that one volume claim may ask for."
  type        = string
  default     = "100Gi"
}

variable "priorities" {
  description = "Priority classes: key -> value, whether it preempts lower ones, and a sentence. Higher goes first."
  type = map(object({
    value       = number
    preempts    = optional(bool, true)
    description = string
  }))
  default = {
    broker  = { value = 100000, description = "The broker: without it no claim is worked on." }
    serving = { value = 90000, description = "Answers that somebody waits for." }
    claims  = { value = 10000, preempts = false, description = "Work that waits in Kafka: it takes room that is free." }
  }

  validation {
    condition     = alltrue([for class in var.priorities : class.value > 0 && class.value <= 1000000])
    error_message = "Priorities lie between 1 and 1000000: above what has none, far below what the cluster itself needs."
  }
}
