variable "cluster_name" {
  description = "Name of the cluster: 10-platform's output `cluster_name`."
  type        = string
  default     = "sluice-demo"
}

variable "region" {
  description = "AWS region of the cluster."
  type        = string
  default     = "us-east-2"
}

variable "vpc_id" {
  description = "Network of the cluster: 10-platform's output `vpc_id`. Needed where `lb_mode` is nlb or alb."
  type        = string
  default     = ""

  validation {
    condition     = var.lb_mode == "classic" || can(regex("^vpc-[0-9a-f]+$", var.vpc_id))
    error_message = "lb_mode nlb and alb need vpc_id, as 10-platform's output says it: vpc-…"
  }
}

variable "lb_mode" {
  description = "Who stands before chat-api, as in 10-platform and 30-apps: classic, nlb or alb. The last two need the load balancer controller, which is installed for them."
  type        = string
  default     = "classic"

  validation {
    condition     = contains(["classic", "nlb", "alb"], var.lb_mode)
    error_message = "lb_mode is classic, nlb or alb."
  }
}

variable "keda" {
  description = "KEDA: version (of chart and program), namespace, replicas of each of its parts."
  type = object({
    version   = optional(string)
    namespace = optional(string)
    replicas  = optional(number)
  })
  default = {}
}

variable "prometheus" {
  description = "Prometheus: enabled, version (of the chart), image_tag, namespace, retention, storage_class, storage_gib, rules_config_map, alertmanager (host:port of one that exists)."
  type = object({
    enabled          = optional(bool)
    version          = optional(string)
    image_tag        = optional(string)
    namespace        = optional(string)
    retention        = optional(string)
    storage_class    = optional(string)
    storage_gib      = optional(number)
    rules_config_map = optional(string)
    alertmanager     = optional(string)
  })
  default = {}
}

variable "load_balancer_controller" {
  description = "The load balancer controller, where lb_mode asks for it: version (of the chart), replicas, service_account."
  type = object({
    version         = optional(string)
    replicas        = optional(number)
    service_account = optional(string)
  })
  default = {}
}

# --- the cluster

variable "kubeconfig" {
  description = "File that says how the cluster is reached."
  type        = string
  default     = "~/.kube/config"
}

variable "kubeconfig_context" {
  description = "Context in that file. Empty: its current one."
  type        = string
  default     = ""
}
