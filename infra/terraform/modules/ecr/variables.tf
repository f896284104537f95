variable "prefix" {
  description = "First part of every repository's name, before the slash."
  type        = string
}

variable "repositories" {
  description = "Images that get a repository, as in `chat-api`."
  type        = set(string)

  validation {
    condition     = alltrue([for name in var.repositories : can(regex("^[a-z0-9]+(-[a-z0-9]+)*$", name))])
    error_message = "repositories may hold lower-case letters, digits and single hyphens only."
  }
}

variable "kms_key_arn" {
  description = "Key that layers are encrypted with."
  type        = string
}

variable "keep_images" {
  description = "Images kept per repository, the newest: a rollback further back needs a build."
  type        = number
  default     = 30

  validation {
    condition     = var.keep_images >= 5
    error_message = "keep_images must be 5 or more: the images that run and a way back must survive a few pushes."
  }
}

variable "force_delete" {
  description = "Delete repositories with the images in them. For a demo that is torn down; never where somebody deploys from."
  type        = bool
  default     = false
}
