variable "name" {
  description = "Name of the network; its parts are named after it."
  type        = string
}

variable "cluster_name" {
  description = "EKS cluster whose balancers and nodes stand in the subnets; part of a tag that they are found by."
  type        = string
}

variable "region" {
  description = "Region of the network, as in `us-east-2`: part of the endpoints' names."
  type        = string
}

variable "cidr" {
  description = "Address range of the network, a /16: a private /20 and a public /24 per zone are cut from it."
  type        = string
  default     = "10.20.0.0/16"

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr must be an IPv4 range with /16, as in 10.20.0.0/16: each zone takes a /20 and a /24 of it."
  }
}

variable "availability_zones" {
  description = "Two or three zones. Add new ones at the end: a subnet's range follows from its zone's place in the list."
  type        = list(string)

  validation {
    condition     = length(var.availability_zones) >= 2 && length(var.availability_zones) <= 3
    error_message = "availability_zones must name two or three zones: EKS wants two, and a fourth would only cost."
  }

  validation {
    condition     = length(distinct(var.availability_zones)) == length(var.availability_zones)
    error_message = "availability_zones names a zone twice."
  }

  validation {
    condition     = alltrue([for zone in var.availability_zones : can(regex("^${var.region}[a-z]$", zone))])
    error_message = "availability_zones must lie in region, as in us-east-2a for us-east-2."
  }
}

variable "single_nat_gateway" {
  description = "One NAT gateway for all zones (33 USD a month, and its zone's fall cuts all off) instead of one per zone."
  type        = bool
  default     = true
}

variable "interface_endpoints" {
  description = "AWS services reached without NAT, as in `ecr.api`, `ecr.dkr`, `sts`, `logs`; each costs by zone and hour."
  type        = set(string)
  default     = []
}

variable "kms_key_arn" {
  description = "Key that the flow logs are encrypted with; its policy must let CloudWatch Logs use it."
  type        = string
}

variable "log_retention_days" {
  description = "Days that flow logs are kept."
  type        = number
  default     = 365
}
