# No chart is fetched and nothing is asked of a cluster.
mock_provider "helm" {}

run "as_it_comes" {
  command = plan

  assert {
    condition     = output.prometheus_url == "http://prometheus-server.monitoring.svc.cluster.local:80" && output.keda_namespace == "keda" && output.monitoring_namespace == "monitoring"
    error_message = "30-apps expects KEDA and Prometheus under these names."
  }
}

run "what_is_left_out_keeps_its_default" {
  command = plan
  variables { prometheus = { namespace = "observability" } }

  assert {
    condition     = output.prometheus_url == "http://prometheus-server.observability.svc.cluster.local:80"
    error_message = "One attribute that is said must not undo the others."
  }
}

run "a_controller_needs_the_network" {
  command = plan
  variables { lb_mode = "alb" }

  expect_failures = [var.vpc_id]
}
