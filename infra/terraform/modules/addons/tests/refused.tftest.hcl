# No chart is fetched and nothing is asked of a cluster.
mock_provider "helm" {}

variables {
  cluster_name  = "sluice-demo"
  region        = "us-east-2"
  observability = "../../../observability"
}

run "a_controller_is_told_its_network" {
  command = plan
  variables { lb_mode = "alb" }

  expect_failures = [helm_release.load_balancer_controller]
}

run "versions_in_full" {
  command = plan
  variables {
    keda                     = { version = "2.x" }
    prometheus               = { version = "latest" }
    load_balancer_controller = { version = "1.8.0" }
  }

  expect_failures = [var.keda, var.prometheus, var.load_balancer_controller]
}

run "no_balancer_that_is_not_known" {
  command = plan
  variables { lb_mode = "gateway" }

  expect_failures = [var.lb_mode]
}
