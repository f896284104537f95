variable "bucket" {
  description = "Name of the bucket, unique among all buckets of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.bucket))
    error_message = "bucket must have 3 to 63 lower-case letters, digits and hyphens; a dot would break TLS names."
  }
}

variable "kms_key_arn" {
  description = "Key that objects are encrypted with. Who reads or writes objects needs rights on it, too."
  type        = string
}

variable "noncurrent_days" {
  description = "Days that an overwritten or removed object can be had back."
  type        = number
  default     = 30
}

variable "expire_prefixes" {
  description = "Days after which objects under a prefix go, by prefix: as in `{ \"inputs/\" = 90 }`. Empty: nothing goes by itself."
  type        = map(number)
  default     = {}
}

variable "force_destroy" {
  description = "Delete the bucket with the objects in it. For a demo that is torn down."
  type        = bool
  default     = false
}
