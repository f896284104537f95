variable "name" {
  description = "Name of the Kafka cluster."
  type        = string
}

variable "vpc_id" {
  description = "Network that the brokers stand in."
  type        = string
}

variable "subnet_ids" {
  description = "Private subnets, one per zone; the first `brokers` of them get a broker each."
  type        = list(string)
}

variable "client_security_group_id" {
  description = "Security group of those who may connect: the EKS cluster's."
  type        = string
}

variable "kms_key_arn" {
  description = "Key for what brokers store and log; its policy must let CloudWatch Logs use it."
  type        = string
}

variable "kafka_version" {
  description = "Version of Kafka, as MSK names it."
  type        = string
  default     = "3.9.x"
}

variable "instance_type" {
  description = "Machine of each broker."
  type        = string
  default     = "kafka.t3.small"
}

variable "brokers" {
  description = "Brokers, one per zone."
  type        = number
  default     = 3

  validation {
    condition     = contains([2, 3], var.brokers) && var.brokers <= length(var.subnet_ids)
    error_message = "brokers must be 2 or 3, and there must be a subnet for each."
  }
}

variable "volume_gib" {
  description = "Disk of each broker, in GiB."
  type        = number
  default     = 50
}

variable "log_retention_days" {
  description = "Days that logs of the brokers are kept."
  type        = number
  default     = 365
}
