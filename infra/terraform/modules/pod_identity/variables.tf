variable "name" {
  description = "Name of the role."
  type        = string

  validation {
    condition     = length(var.name) <= 64
    error_message = "name must have 64 characters or fewer: IAM allows no more."
  }
}

variable "description" {
  description = "Who uses the role, and for what."
  type        = string
}

variable "cluster_name" {
  description = "Cluster whose pods may take the role."
  type        = string
}

variable "service_account" {
  description = "ServiceAccount whose pods take the role."
  type = object({
    namespace = string
    name      = string
  })
}

variable "associate" {
  description = "Make the association here. False where a managed add-on makes it itself."
  type        = bool
  default     = true
}

variable "statements" {
  description = "Statements of the role's own policy, as IAM writes them."
  type        = any
  default     = []
}

variable "managed_policy_arns" {
  description = "Policies of AWS that the role has besides, by a word for each."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for arn in values(var.managed_policy_arns) : !endswith(arn, "/AdministratorAccess")])
    error_message = "managed_policy_arns must not make a pod an administrator of the account."
  }
}
