# What the root refuses before anything is asked of AWS.

mock_provider "aws" {
  source = "../../../mocks/aws"
}

run "a_model_in_a_zone_without_subnets" {
  command = plan

  variables {
    llm_zone = "us-east-2d"
  }

  expect_failures = [var.llm_zone]
}

run "a_region_of_another_partition" {
  command = plan

  variables {
    region = "cn-north-1"
  }

  expect_failures = [var.region]
}

run "a_kafka_nobody_knows" {
  command = plan

  variables {
    kafka_mode = "serverless"
  }

  expect_failures = [var.kafka_mode]
}

run "a_balancer_nobody_knows" {
  command = plan

  variables {
    lb_mode = "gateway"
  }

  expect_failures = [var.lb_mode]
}

run "a_budget_that_nobody_hears_of" {
  command = plan

  variables {
    budget = { monthly_usd = 500, emails = [] }
  }

  expect_failures = [var.budget]
}

run "a_name_too_long_for_its_roles" {
  command = plan

  variables {
    name = "sluice-demo-with-a-name-that-goes-on-and-on"
  }

  expect_failures = [var.name]
}
