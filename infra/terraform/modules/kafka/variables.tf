variable "namespace" {
  description = "Namespace, which exists."
  type        = string
}

variable "labels" {
  description = "Labels of everything made here, beside its own."
  type        = map(string)
  default     = {}
}

variable "replicas" {
  description = "Brokers: 1 for a demo, 3 to lose one without losing anything. Each is a voter too, and who votes is fixed when the volumes are made: going from 1 to 3 later means a new cluster."
  type        = number
  default     = 1
  nullable    = false

  validation {
    condition     = contains([1, 3], var.replicas)
    error_message = "1 or 3 brokers: two stop as soon as one of them is away, and are worse than one."
  }
}

variable "image" {
  description = "Image of Apache Kafka. The version that the tests and docker-compose.yaml run."
  type        = string
  default     = "apache/kafka:4.3.1"

  validation {
    condition     = can(regex("(:[^:/@]+|@sha256:[0-9a-f]{64})$", var.image)) && !endswith(var.image, ":latest")
    error_message = "The image has a version or a digest, and not `latest`."
  }
}

variable "cluster_id" {
  description = "Id of the Kafka cluster, 16 bytes in base64 without padding. Written into the volumes once; another one than theirs and no broker starts."
  type        = string
  default     = "c2x1aWNlLWluLWEtY2x1cw"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{22}$", var.cluster_id))
    error_message = "A cluster id has 22 characters of base64 (kafka-storage.sh random-uuid makes one)."
  }
}

variable "cpu" {
  description = "CPU of one broker, as request and limit."
  type        = string
  default     = "500m"
}

variable "memory_mib" {
  description = "MiB of one broker, as request and limit. Half of it is Java's heap; the other half reads and writes the log."
  type        = number
  default     = 1536

  validation {
    condition     = var.memory_mib >= 1024
    error_message = "Below 1024 MiB the broker's heap is too small for its own topics."
  }
}

variable "storage_class" {
  description = "Class of the brokers' volumes."
  type        = string
  default     = "gp3"
}

variable "storage_gib" {
  description = "GiB of each broker's volume."
  type        = number
  default     = 20

  validation {
    condition     = var.storage_gib >= 5
    error_message = "A broker needs 5 GiB at the least: a full volume stops it."
  }
}

variable "retention_hours" {
  description = "How long a message stays, read or not."
  type        = number
  default     = 168

  validation {
    condition     = var.retention_hours >= 24
    error_message = "Claims that wait for less than a day would be lost over a night in which nobody consumes."
  }
}

variable "priority_class" {
  description = "Priority class of the brokers. Empty: none."
  type        = string
  default     = ""
}

variable "node_selector" {
  description = "Labels of the nodes that brokers run on."
  type        = map(string)
  default     = {}
}

variable "keda_namespace" {
  description = "Namespace of KEDA's operator, which asks the brokers for the lag."
  type        = string
  default     = "keda"
}
