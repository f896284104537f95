variable "name" {
  description = "Name of the cluster; whatever belongs to it is named after it."
  type        = string
  default     = "sluice-demo"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,35}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 37 lower-case letters, digits and hyphens: names of roles and of the bucket are made from it."
  }
}

variable "region" {
  description = "AWS region."
  type        = string
  default     = "us-east-2"

  validation {
    condition     = can(regex("^(af|ap|ca|eu|il|me|mx|sa|us)-[a-z]+-[0-9]$", var.region))
    error_message = "region must be one of AWS's commercial regions, as in us-east-2: ARNs here are of the partition aws."
  }
}

variable "availability_zones" {
  description = "Two or three zones of the region. Add new ones at the end, for a subnet's range follows from its place."
  type        = list(string)
  default     = ["us-east-2a", "us-east-2b", "us-east-2c"]
}

variable "llm_zone" {
  description = "Zone of the model's node and of its cache's volume. Null: the first of availability_zones."
  type        = string
  default     = null

  validation {
    condition     = var.llm_zone == null ? true : contains(var.availability_zones, var.llm_zone)
    error_message = "llm_zone must be one of availability_zones."
  }
}

variable "namespace" {
  description = "Namespace of the services in the cluster; the same as in 30-apps."
  type        = string
  default     = "sluice"
}

variable "vpc_cidr" {
  description = "Address range of the network, a /16 that overlaps with none it is to be joined with."
  type        = string
  default     = "10.20.0.0/16"
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones instead of one per zone: cheaper, and its zone's fall cuts all off."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "AWS services reached without NAT, as in `ecr.api`, `ecr.dkr`, `sts`, `logs`; each costs by zone and hour."
  type        = set(string)
  default     = []
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes; modules/eks names those that may be chosen."
  type        = string
  default     = "1.35"
}

variable "endpoint_public_access" {
  description = "Let the cluster's API be reached from outside the network, from endpoint_public_cidrs only."
  type        = bool
  default     = false
}

variable "endpoint_public_cidrs" {
  description = "Ranges that reach the API from outside, /16 or narrower, as in an office's 203.0.113.7/32."
  type        = list(string)
  default     = []
}

variable "creator_is_admin" {
  description = "Whoever creates the cluster is its administrator; fixed at creation."
  type        = bool
  default     = true
}

variable "access_entries" {
  description = "Who else may use the cluster: IAM principal, EKS access policy, namespaces (none: all), by a word for each."
  type = map(object({
    principal_arn = string
    policy        = optional(string, "AmazonEKSViewPolicy")
    namespaces    = optional(list(string), [])
  }))
  default = {}
}

variable "general_nodes" {
  description = "Nodes for all but the model. Zones: null means the model's zone where Kafka is in the cluster, else all."
  type = object({
    instance_types = optional(list(string), ["c6i.xlarge"])
    min_size       = optional(number, 1)
    max_size       = optional(number, 4)
    desired_size   = optional(number, 2)
    root_disk_gib  = optional(number, 50)
    capacity_type  = optional(string, "ON_DEMAND")
    zones          = optional(list(string), [])
  })
  default = {}
}

variable "llm_nodes" {
  description = "Nodes for the model: 4 CPUs of which its pod owns 3, in one zone, tainted, on demand."
  type = object({
    instance_types = optional(list(string), ["c6i.xlarge"])
    min_size       = optional(number, 1)
    max_size       = optional(number, 2)
    desired_size   = optional(number, 1)
    root_disk_gib  = optional(number, 80)
  })
  default = {}
}

variable "kafka_mode" {
  description = "Where Kafka is: `incluster`, made by 30-apps, or `msk`, made here; the same as in 30-apps."
  type        = string
  default     = "incluster"

  validation {
    condition     = contains(["incluster", "msk"], var.kafka_mode)
    error_message = "kafka_mode must be incluster or msk."
  }
}

variable "lb_mode" {
  description = "Balancer of the chat service: `classic`, `nlb` or `alb`; the last two get the controller a role. The same as in 30-apps."
  type        = string
  default     = "classic"

  validation {
    condition     = contains(["classic", "nlb", "alb"], var.lb_mode)
    error_message = "lb_mode must be classic, nlb or alb."
  }
}

variable "bucket" {
  description = "Name of the bucket. Null: made from the name, the account and the region, so that it is nobody else's."
  type        = string
  default     = null
}

variable "log_retention_days" {
  description = "Days that logs of the network, the control plane and the brokers are kept."
  type        = number
  default     = 365
}

variable "budget" {
  description = "Mail when the month's costs pass four fifths of a sum, or are about to pass it. Null: none."
  type = object({
    monthly_usd = number
    emails      = list(string)
  })
  default = null

  validation {
    condition     = var.budget == null ? true : var.budget.monthly_usd > 0 && length(var.budget.emails) > 0
    error_message = "budget must name a sum above 0 and at least one address."
  }
}

variable "force_destroy" {
  description = "A destroy takes images and objects along. False: it stops at a registry or bucket that holds something."
  type        = bool
  default     = false
}

variable "tags" {
  description = "More tags for everything, beside Project, Environment, Cluster and ManagedBy."
  type        = map(string)
  default     = {}
}
