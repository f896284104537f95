variable "name" {
  description = "Name of the cluster."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,38}[a-z0-9]$", var.name))
    error_message = "name must have 3 to 40 lower-case letters, digits and hyphens: names of roles are made from it."
  }
}

variable "kubernetes_version" {
  description = "Minor version of Kubernetes, one in EKS's standard support."
  type        = string
  default     = "1.35"

  validation {
    # Ends of standard support: 1.34 on 2026-12-02, 1.35 on 2027-03-27. With upgrade_policy STANDARD, EKS upgrades a
    # cluster by itself on that day. A new version is added here once the manifests were checked against it.
    condition     = contains(["1.34", "1.35", "1.36"], var.kubernetes_version)
    error_message = "kubernetes_version must be 1.34, 1.35 or 1.36: others are out of standard support or were not tried."
  }
}

variable "private_subnet_ids" {
  description = "Private subnet of each zone, by zone."
  type        = map(string)
}

variable "service_cidr" {
  description = "Addresses of Services; lies outside the network."
  type        = string
  default     = "172.20.0.0/16"
}

variable "endpoint_public_access" {
  description = "Let the API be reached from outside the network, from endpoint_public_cidrs only. Nodes always use the private one."
  type        = bool
  default     = false
}

variable "endpoint_public_cidrs" {
  description = "Ranges that reach the API from outside, as in an office's 203.0.113.7/32."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for cidr in var.endpoint_public_cidrs : can(cidrnetmask(cidr))])
    error_message = "endpoint_public_cidrs must be IPv4 ranges, as in 203.0.113.7/32."
  }

  validation {
    # A bound on the width, since the whole Internet can also be written as two halves.
    condition     = alltrue([for cidr in var.endpoint_public_cidrs : try(tonumber(split("/", cidr)[1]) >= 16, false)])
    error_message = "endpoint_public_cidrs must be /16 or narrower: 0.0.0.0/0 would offer the API to everybody."
  }

  validation {
    # Left empty, EKS itself puts 0.0.0.0/0 there.
    condition     = !var.endpoint_public_access || length(var.endpoint_public_cidrs) > 0
    error_message = "endpoint_public_cidrs must name a range where endpoint_public_access is true: EKS takes an empty list for 0.0.0.0/0."
  }
}

variable "kms_key_arn" {
  description = "Key for the cluster's secrets and logs; its policy must let CloudWatch Logs use it."
  type        = string
}

variable "log_retention_days" {
  description = "Days that logs of the control plane are kept."
  type        = number
  default     = 365
}

variable "creator_is_admin" {
  description = "Whoever creates the cluster is its administrator. Needed where access_entries name nobody; fixed at creation."
  type        = bool
  default     = true
}

variable "access_entries" {
  description = "Who else may use the cluster: IAM principal, EKS access policy, and namespaces it is for (none: all), by a word for each."
  type = map(object({
    principal_arn = string
    policy        = optional(string, "AmazonEKSViewPolicy")
    namespaces    = optional(list(string), [])
  }))
  default = {}

  validation {
    condition     = alltrue([for entry in values(var.access_entries) : can(regex("^arn:aws:iam::[0-9]{12}:(role|user)/", entry.principal_arn))])
    error_message = "access_entries: principal_arn must be the ARN of an IAM role or user."
  }

  validation {
    condition = alltrue([for entry in values(var.access_entries) : contains(
      ["AmazonEKSClusterAdminPolicy", "AmazonEKSAdminPolicy", "AmazonEKSEditPolicy", "AmazonEKSViewPolicy"], entry.policy
    )])
    error_message = "access_entries: policy must be AmazonEKSClusterAdminPolicy, AmazonEKSAdminPolicy, AmazonEKSEditPolicy or AmazonEKSViewPolicy."
  }
}

variable "node_groups" {
  description = "Groups of nodes, by name: machines, how many, zones, root disk, labels, taints; static_cpu gives pods with whole CPUs their own cores."
  type = map(object({
    instance_types = list(string)
    zones          = list(string)
    min_size       = number
    max_size       = number
    desired_size   = number
    root_disk_gib  = optional(number, 50)
    capacity_type  = optional(string, "ON_DEMAND")
    labels         = optional(map(string), {})
    static_cpu     = optional(bool, false)
    taints = optional(list(object({
      key    = string
      value  = string
      effect = optional(string, "NO_SCHEDULE")
    })), [])
  }))

  validation {
    condition     = alltrue([for group in values(var.node_groups) : group.root_disk_gib >= 50 && group.root_disk_gib <= 200])
    error_message = "node_groups: root_disk_gib must be 50 to 200. On 20, images and a model once filled a node until its pods were evicted."
  }

  validation {
    condition = alltrue([for group in values(var.node_groups) :
      group.min_size <= group.desired_size && group.desired_size <= group.max_size && group.max_size >= 1
    ])
    error_message = "node_groups: min_size <= desired_size <= max_size, and max_size at least 1."
  }

  validation {
    condition     = alltrue(flatten([for group in values(var.node_groups) : [for zone in group.zones : contains(keys(var.private_subnet_ids), zone)]]))
    error_message = "node_groups: zones must be zones that have a private subnet."
  }

  validation {
    condition     = alltrue([for group in values(var.node_groups) : contains(["ON_DEMAND", "SPOT"], group.capacity_type)])
    error_message = "node_groups: capacity_type must be ON_DEMAND or SPOT."
  }

  validation {
    condition     = anytrue([for group in values(var.node_groups) : length(group.taints) == 0])
    error_message = "node_groups: one group must be without a taint, or CoreDNS and metrics-server have nowhere to run."
  }
}

variable "tags" {
  description = "Tags for machines and their disks: a launch template does not pass the provider's own on to them."
  type        = map(string)
  default     = {}
}
