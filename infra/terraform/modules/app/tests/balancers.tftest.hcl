# Each kind of balancer has one knob for its idle timeout and ignores the others', so each is given its own and no other.
mock_provider "kubernetes" {}

variables {
  name            = "chat-api"
  namespace       = "sluice"
  image           = "registry.example/sluice/chat-api:0123abc"
  port            = 8002
  resources       = { cpu = "3", memory = "5Gi" }
  threads         = 3
  probes          = { startup = "/ready", liveness = "/health", readiness = "/ready", startup_seconds = 600 }
  timeouts        = { request = 570, drain = 600, keep_alive = 620 }
  replicas        = { start = 1 }
  service_account = { name = "chat-api" }
  network         = { from_anywhere = true }
}

run "classic" {
  command = plan
  variables {
    exposure = { mode = "classic", service = "chat-api-service", port = 80, source_ranges = ["192.0.2.0/24"] }
  }

  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].name == "chat-api-service" && kubernetes_service_v1.this[0].spec[0].type == "LoadBalancer"
    error_message = "A plain LoadBalancer: made without a controller."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].annotations["service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout"] == "600"
    error_message = "The Classic balancer's idle timeout is an annotation of its own."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].annotations["service.beta.kubernetes.io/aws-load-balancer-connection-draining-timeout"] == "600"
    error_message = "A pod that goes keeps its connections for the longest answer."
  }
  assert {
    condition     = alltrue([for name in keys(kubernetes_service_v1.this[0].metadata[0].annotations) : !can(regex("attributes|target-type|-type$|-scheme$", name))])
    error_message = "Annotations of other balancers do nothing here, and look as if they did."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].spec[0].load_balancer_source_ranges == toset(["192.0.2.0/24"])
    error_message = "Who may ask is said to the balancer."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].spec[0].port[0].port == 80 && kubernetes_service_v1.this[0].spec[0].port[0].target_port == "http" && length(kubernetes_ingress_v1.this) == 0
    error_message = "Port 80 leads to the service's own."
  }
}

run "classic_inside" {
  command = plan
  variables {
    exposure = { mode = "classic", scheme = "internal" }
  }
  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].annotations["service.beta.kubernetes.io/aws-load-balancer-internal"] == "true"
    error_message = "A Classic balancer knows internal, and no scheme."
  }
}

run "nlb" {
  command = plan
  variables {
    exposure = { mode = "nlb", service = "chat-api-service", port = 80 }
  }

  assert {
    condition     = kubernetes_service_v1.this[0].spec[0].type == "LoadBalancer" && kubernetes_service_v1.this[0].spec[0].load_balancer_class == "service.k8s.aws/nlb"
    error_message = "The class says whose it is: the controller's, not the cluster's own provider's."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].annotations["service.beta.kubernetes.io/aws-load-balancer-listener-attributes.TCP-80"] == "tcp.idle_timeout.seconds=600"
    error_message = "The idle timeout of an NLB is an attribute of its listener, which is named by protocol and port."
  }
  assert {
    condition     = !contains(keys(kubernetes_service_v1.this[0].metadata[0].annotations), "service.beta.kubernetes.io/aws-load-balancer-connection-idle-timeout")
    error_message = "An NLB ignores the Classic balancer's annotation without a word."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].annotations["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internet-facing"
    error_message = "Without a scheme the controller makes an internal one."
  }
  assert {
    condition     = kubernetes_service_v1.this[0].metadata[0].annotations["service.beta.kubernetes.io/aws-load-balancer-target-group-attributes"] == "deregistration_delay.timeout_seconds=600"
    error_message = "A pod that goes keeps its connections for the longest answer."
  }
}

run "alb" {
  command = plan
  variables {
    exposure = { mode = "alb", service = "chat-api-service", port = 80, certificate_arn = "arn:aws:acm:us-east-2:123456789012:certificate/x" }
  }

  assert {
    condition     = kubernetes_service_v1.this[0].spec[0].type == "ClusterIP" && length(kubernetes_service_v1.this[0].metadata[0].annotations) == 0
    error_message = "The Service has no balancer of its own: the Ingress has one."
  }
  assert {
    condition     = kubernetes_ingress_v1.this[0].spec[0].ingress_class_name == "alb" && kubernetes_ingress_v1.this[0].spec[0].rule[0].http[0].path[0].backend[0].service[0].name == "chat-api-service"
    error_message = "The Ingress leads to the Service."
  }
  assert {
    condition     = kubernetes_ingress_v1.this[0].metadata[0].annotations["alb.ingress.kubernetes.io/load-balancer-attributes"] == "idle_timeout.timeout_seconds=600"
    error_message = "The idle timeout of an ALB is an attribute of the balancer."
  }
  assert {
    condition     = kubernetes_ingress_v1.this[0].metadata[0].annotations["alb.ingress.kubernetes.io/target-group-attributes"] == "deregistration_delay.timeout_seconds=600"
    error_message = "A pod that goes keeps its connections for the longest answer."
  }
  assert {
    condition     = kubernetes_ingress_v1.this[0].metadata[0].annotations["alb.ingress.kubernetes.io/healthcheck-path"] == "/ready" && strcontains(kubernetes_ingress_v1.this[0].metadata[0].annotations["alb.ingress.kubernetes.io/listen-ports"], "443") && kubernetes_ingress_v1.this[0].metadata[0].annotations["alb.ingress.kubernetes.io/ssl-redirect"] == "443"
    error_message = "With a certificate it speaks HTTPS, and sends HTTP there."
  }
}

run "inside_the_cluster" {
  command = plan

  assert {
    condition     = kubernetes_service_v1.this[0].spec[0].type == "ClusterIP" && kubernetes_service_v1.this[0].spec[0].port[0].port == 8002 && length(kubernetes_ingress_v1.this) == 0
    error_message = "Without a balancer there is none."
  }
}

run "nobody_calls" {
  command = plan
  variables {
    exposure = { mode = "none" }
    network  = {}
  }

  assert {
    condition     = length(kubernetes_service_v1.this) == 0 && length(kubernetes_network_policy_v1.this.spec[0].ingress) == 0 && output.service == ""
    error_message = "No door, no Service."
  }
}
