variable "name" {
  description = "Name of the StorageClass."
  type        = string
  default     = "gp3"
}

variable "labels" {
  description = "Labels of the StorageClass."
  type        = map(string)
  default     = {}
}

variable "reclaim_policy" {
  description = "What becomes of a disk whose claim is deleted: Delete, or Retain to keep (and pay) it."
  type        = string
  default     = "Delete"

  validation {
    condition     = contains(["Delete", "Retain"], var.reclaim_policy)
    error_message = "reclaim_policy is Delete or Retain."
  }
}

variable "kms_key_arn" {
  description = "KMS key of the disks. Empty: the account's own key for EBS; encrypted they are in any case."
  type        = string
  default     = ""
}
