# What the module refuses before anything is asked of AWS.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name               = "sluice-test"
  private_subnet_ids = { "us-east-2a" = "subnet-0a", "us-east-2b" = "subnet-0b" }
  kms_key_arn        = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  node_groups = {
    general = { instance_types = ["c6i.xlarge"], zones = ["us-east-2a"], min_size = 1, max_size = 2, desired_size = 1 }
  }
}

run "a_version_out_of_support_is_refused" {
  command = plan

  variables {
    kubernetes_version = "1.29"
  }

  expect_failures = [var.kubernetes_version]
}

run "the_whole_internet_is_refused" {
  command = plan

  variables {
    endpoint_public_access = true
    endpoint_public_cidrs  = ["0.0.0.0/0"]
  }

  expect_failures = [var.endpoint_public_cidrs]
}

run "the_whole_internet_in_two_halves_is_refused" {
  command = plan

  variables {
    endpoint_public_access = true
    endpoint_public_cidrs  = ["0.0.0.0/1", "128.0.0.0/1"]
  }

  expect_failures = [var.endpoint_public_cidrs]
}

run "public_access_from_nowhere_in_particular_is_refused" {
  command = plan

  variables {
    endpoint_public_access = true
  }

  expect_failures = [var.endpoint_public_cidrs]
}

run "an_entry_for_everybody_is_refused" {
  command = plan

  variables {
    access_entries = { all = { principal_arn = "*" } }
  }

  expect_failures = [var.access_entries]
}

run "a_root_disk_of_20_gib_is_refused" {
  command = plan

  variables {
    node_groups = {
      general = { instance_types = ["c6i.xlarge"], zones = ["us-east-2a"], min_size = 1, max_size = 1, desired_size = 1, root_disk_gib = 20 }
    }
  }

  expect_failures = [var.node_groups]
}

run "a_cluster_of_tainted_nodes_alone_is_refused" {
  command = plan

  variables {
    node_groups = {
      llm = {
        instance_types = ["c6i.xlarge"], zones = ["us-east-2a"], min_size = 1, max_size = 1, desired_size = 1
        taints         = [{ key = "sluice/role", value = "llm" }]
      }
    }
  }

  expect_failures = [var.node_groups]
}

run "nodes_in_a_zone_without_a_subnet_are_refused" {
  command = plan

  variables {
    node_groups = {
      general = { instance_types = ["c6i.xlarge"], zones = ["us-east-2c"], min_size = 1, max_size = 1, desired_size = 1 }
    }
  }

  expect_failures = [var.node_groups]
}
