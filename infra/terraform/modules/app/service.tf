# The Service, and the balancer before it. Each kind has a knob of its own for the idle timeout, and ignores the others'.
locals {
  mode     = var.exposure.mode
  service  = coalesce(var.exposure.service, var.name)
  balanced = contains(["classic", "nlb", "alb"], local.mode)
  idle     = tostring(var.exposure.idle_timeout_seconds)
  drain    = tostring(var.timeouts.drain)
  aws      = "service.beta.kubernetes.io/aws-load-balancer"

  # Made by the cluster's own cloud provider, without a controller. It knows no scheme: there is "internal", or nothing.
  classic_annotations = merge(
    {
      "${local.aws}-connection-idle-timeout"         = local.idle
      "${local.aws}-connection-draining-enabled"     = "true"
      "${local.aws}-connection-draining-timeout"     = local.drain
      "${local.aws}-healthcheck-interval"            = "10"
      "${local.aws}-healthcheck-timeout"             = "5"
      "${local.aws}-healthcheck-healthy-threshold"   = "2"
      "${local.aws}-healthcheck-unhealthy-threshold" = "2"
    },
    var.exposure.scheme == "internal" ? { "${local.aws}-internal" = "true" } : {},
  )

  # Made by the AWS Load Balancer Controller, which makes internal ones unless it is told otherwise. A TLS listener has
  # 350 s and no knob, so there is none here. (Nodes of Nitro v6 forget idle flows after 350 s by themselves; c6i do not.)
  nlb_annotations = {
    "${local.aws}-scheme"                                        = var.exposure.scheme
    "${local.aws}-nlb-target-type"                               = "ip"
    "${local.aws}-listener-attributes.TCP-${local.service_port}" = "tcp.idle_timeout.seconds=${local.idle}"
    "${local.aws}-target-group-attributes"                       = "deregistration_delay.timeout_seconds=${local.drain}"
    "${local.aws}-healthcheck-protocol"                          = "http"
    "${local.aws}-healthcheck-path"                              = var.probes.readiness
  }

  alb_annotations = merge(
    {
      "alb.ingress.kubernetes.io/scheme"                   = var.exposure.scheme
      "alb.ingress.kubernetes.io/target-type"              = "ip"
      "alb.ingress.kubernetes.io/load-balancer-attributes" = "idle_timeout.timeout_seconds=${local.idle}"
      "alb.ingress.kubernetes.io/target-group-attributes"  = "deregistration_delay.timeout_seconds=${local.drain}"
      "alb.ingress.kubernetes.io/healthcheck-path"         = var.probes.readiness
      "alb.ingress.kubernetes.io/listen-ports"             = var.exposure.certificate_arn == "" ? jsonencode([{ HTTP = 80 }]) : jsonencode([{ HTTP = 80 }, { HTTPS = 443 }])
    },
    var.exposure.certificate_arn == "" ? {} : {
      "alb.ingress.kubernetes.io/certificate-arn" = var.exposure.certificate_arn
      "alb.ingress.kubernetes.io/ssl-redirect"    = "443"
    },
    length(var.exposure.source_ranges) == 0 ? {} : {
      "alb.ingress.kubernetes.io/inbound-cidrs" = join(",", var.exposure.source_ranges)
    },
  )

  service_port = coalesce(var.exposure.port, var.port)
}

resource "kubernetes_service_v1" "this" {
  count = local.mode == "none" ? 0 : 1

  metadata {
    name        = local.service
    namespace   = var.namespace
    labels      = local.labels
    annotations = lookup({ classic = local.classic_annotations, nlb = local.nlb_annotations }, local.mode, {})
  }

  # `make k8s-get-urls` waits for the balancer, with a deadline of its own.
  wait_for_load_balancer = false

  spec {
    type                        = contains(["classic", "nlb"], local.mode) ? "LoadBalancer" : "ClusterIP"
    load_balancer_class         = local.mode == "nlb" ? "service.k8s.aws/nlb" : null
    load_balancer_source_ranges = contains(["classic", "nlb"], local.mode) && length(var.exposure.source_ranges) > 0 ? var.exposure.source_ranges : null
    selector                    = local.selector

    port {
      name        = "http"
      port        = local.service_port
      target_port = "http"
    }
  }
}

resource "kubernetes_ingress_v1" "this" {
  count = local.mode == "alb" ? 1 : 0

  metadata {
    name        = local.service
    namespace   = var.namespace
    labels      = local.labels
    annotations = local.alb_annotations
  }

  spec {
    ingress_class_name = "alb"
    rule {
      host = var.exposure.host == "" ? null : var.exposure.host
      http {
        path {
          path      = "/"
          path_type = "Prefix"
          backend {
            service {
              name = kubernetes_service_v1.this[0].metadata[0].name
              port {
                name = "http"
              }
            }
          }
        }
      }
    }
  }
}
