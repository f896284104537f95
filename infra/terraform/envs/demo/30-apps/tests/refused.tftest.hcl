# What is refused before anything is asked of a cluster.
mock_provider "kubernetes" {}

variables {
  registry  = "123456789012.dkr.ecr.us-east-2.amazonaws.com/sluice-demo"
  image_tag = "0123abc"
  s3_bucket = "sluice-demo-123456789012"
}

run "a_tag_that_moves" {
  command = plan
  variables {
    image_tag = "latest"
  }
  expect_failures = [var.image_tag]
}

run "no_tag" {
  command = plan
  variables {
    image_tag = ""
  }
  expect_failures = [var.image_tag]
}

run "a_digest_that_is_none" {
  command = plan
  variables {
    image_digest = { inference = "sha256:123" }
  }
  expect_failures = [var.image_digest]
}

run "more_consumers_than_partitions" {
  command = plan
  variables {
    kafka_partitions = 3
    claims           = { max_replicas = 4 }
  }
  expect_failures = [var.kafka_partitions]
}

run "two_replicas_on_one_disk" {
  command = plan
  variables {
    chat = { max_replicas = 2 }
  }
  expect_failures = [var.model_cache_mode]
}

run "a_balancer_of_no_known_kind" {
  command = plan
  variables {
    lb_mode = "elb"
  }
  expect_failures = [var.lb_mode]
}

run "msk_without_brokers" {
  command = plan
  variables {
    kafka_mode = "msk"
  }
  expect_failures = [var.kafka_bootstrap_servers]
}

run "a_threshold_of_nothing" {
  command = plan
  variables {
    claims_lag_threshold = 0
  }
  expect_failures = [var.claims_lag_threshold]
}

run "a_lone_idle_timeout" {
  command = plan
  variables {
    load_balancer_idle_seconds = 300
  }
  expect_failures = [var.load_balancer_idle_seconds]
}
