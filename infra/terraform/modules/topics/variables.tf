variable "namespace" {
  description = "Namespace, which exists."
  type        = string
}

variable "labels" {
  description = "Labels of everything made here, beside its own."
  type        = map(string)
  default     = {}
}

variable "image" {
  description = "Image of the forecast service, by a tag that names one build or by its digest."
  type        = string

  validation {
    condition     = can(regex("(:[^:/@]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "The image has a tag or a digest, and not `latest`."
  }
}

variable "bootstrap_servers" {
  description = "KAFKA_BOOTSTRAP_SERVERS."
  type        = string

  validation {
    condition     = can(regex("^[^,:]+:[0-9]+(,[^,:]+:[0-9]+)*$", var.bootstrap_servers))
    error_message = "Brokers are host:port, separated by commas."
  }
}

variable "partitions" {
  description = "KAFKA_TOPIC_PARTITIONS of topics that are missing: no more replicas than these can share the claims out."
  type        = number

  validation {
    condition     = var.partitions >= 1 && var.partitions <= 1000
    error_message = "Between 1 and 1000 partitions."
  }
}

variable "environment" {
  description = "Further settings of the forecast service that name its topics or say how the broker is spoken to."
  type        = map(string)
  default     = {}
}

variable "secret_environment" {
  description = "Names of Secrets whose keys are settings too: a password of the broker."
  type        = list(string)
  default     = []
}

variable "client_labels" {
  description = "Labels that let the pod speak to the broker (output `client_labels` of modules/kafka)."
  type        = map(string)
  default     = {}
}

variable "networks" {
  description = "Address ranges and ports of brokers outside the cluster, which the pod may then reach."
  type        = list(object({ cidr = string, port = number }))
  default     = []
}

variable "deadline_seconds" {
  description = "After this many seconds the job has failed, and the apply with it."
  type        = number
  default     = 240

  validation {
    condition     = var.deadline_seconds >= 60
    error_message = "A broker that has only just come up needs a minute."
  }
}
