# Nothing is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  namespace = "sluice"
}

run "two_brokers_are_worse_than_one" {
  command = plan
  variables { replicas = 2 }

  expect_failures = [var.replicas]
}

run "no_version_that_moves" {
  command = plan
  variables { image = "apache/kafka:latest" }

  expect_failures = [var.image]
}

run "no_version_at_all" {
  command = plan
  variables { image = "apache/kafka" }

  expect_failures = [var.image]
}

run "messages_outlive_a_night" {
  command = plan
  variables { retention_hours = 2 }

  expect_failures = [var.retention_hours]
}
