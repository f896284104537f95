variable "cluster_name" {
  description = "Name of the EKS cluster, by which the load balancer controller finds its subnets."
  type        = string
}

variable "region" {
  description = "Region of the cluster."
  type        = string
}

variable "vpc_id" {
  description = "Id of the cluster's network. Needed where `lb_mode` is nlb or alb."
  type        = string
  default     = ""
}

variable "lb_mode" {
  description = "Which balancer the chat service gets: classic (made by the cluster itself), nlb or alb (by the load balancer controller)."
  type        = string
  default     = "classic"

  validation {
    condition     = contains(["classic", "nlb", "alb"], var.lb_mode)
    error_message = "lb_mode is classic, nlb or alb."
  }
}

variable "observability" {
  description = "The folder infra/observability."
  type        = string
}

variable "keda" {
  description = "KEDA: version of chart and program, namespace, replicas of each of its three parts."
  type = object({
    version   = optional(string, "2.21.0")
    namespace = optional(string, "keda")
    replicas  = optional(number, 1)
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^2\\.(2[1-9]|[3-9][0-9])\\.[0-9]+$", var.keda.version))
    error_message = "KEDA 2.21 or a later 2.x, in full: what scales here was tried with 2.21."
  }
}

variable "prometheus" {
  description = "Prometheus: chart, image, how long and how much it keeps, where its rules are; `alertmanager` is the host:port of one that exists, or empty."
  type = object({
    enabled          = optional(bool, true)
    version          = optional(string, "25.30.2")
    image_tag        = optional(string, "v2.55.1")
    namespace        = optional(string, "monitoring")
    retention        = optional(string, "15d")
    storage_class    = optional(string, "gp3")
    storage_gib      = optional(number, 20)
    rules_config_map = optional(string, "sluice-prometheus-rules")
    alertmanager     = optional(string, "")
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^[0-9]+\\.[0-9]+\\.[0-9]+$", var.prometheus.version)) && can(regex("^v[0-9]+\\.[0-9]+\\.[0-9]+$", var.prometheus.image_tag))
    error_message = "Chart and image of Prometheus are named in full: 25.30.2, v2.55.1."
  }

  validation {
    condition     = var.prometheus.storage_gib >= 5
    error_message = "Prometheus needs 5 GiB at the least."
  }

  validation {
    condition     = var.prometheus.alertmanager == "" || can(regex("^[^:/]+:[0-9]+$", var.prometheus.alertmanager))
    error_message = "alertmanager is host:port."
  }
}

variable "load_balancer_controller" {
  description = "The AWS load balancer controller, where `lb_mode` asks for it: chart, replicas, and the service account that 10-platform gives its role to."
  type = object({
    version         = optional(string, "3.5.0")
    replicas        = optional(number, 2)
    service_account = optional(string, "aws-load-balancer-controller")
  })
  default  = {}
  nullable = false

  validation {
    condition     = can(regex("^3\\.[0-9]+\\.[0-9]+$", var.load_balancer_controller.version))
    error_message = "A chart of the controller's third generation, in full: 3.5.0."
  }
}
