# The control plane: which version, who reaches it, what it keeps secret and what it tells.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name               = "sluice-test"
  private_subnet_ids = { "us-east-2a" = "subnet-0a", "us-east-2b" = "subnet-0b" }
  kms_key_arn        = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  node_groups = {
    general = {
      instance_types = ["c6i.xlarge"]
      zones          = ["us-east-2a"]
      min_size       = 1
      max_size       = 2
      desired_size   = 1
    }
  }
}

run "the_version_is_in_standard_support_and_stays_there" {
  command = plan

  assert {
    condition     = aws_eks_cluster.this.version == "1.35" && aws_eks_node_group.this["general"].version == "1.35"
    error_message = "Kubernetes 1.35 unless told otherwise, nodes as the control plane."
  }

  assert {
    condition     = aws_eks_cluster.this.upgrade_policy[0].support_type == "STANDARD"
    error_message = "Extended support costs 0.60 instead of 0.10 USD an hour, from a day that nobody notices."
  }
}

run "the_api_stands_in_the_private_network" {
  command = plan

  assert {
    condition     = aws_eks_cluster.this.vpc_config[0].endpoint_private_access && !aws_eks_cluster.this.vpc_config[0].endpoint_public_access
    error_message = "Unless asked, the API answers inside the network only."
  }
}

run "the_api_is_reached_from_named_ranges_when_asked" {
  command = plan

  variables {
    endpoint_public_access = true
    endpoint_public_cidrs  = ["203.0.113.7/32"]
  }

  assert {
    condition = (
      aws_eks_cluster.this.vpc_config[0].endpoint_public_access &&
      aws_eks_cluster.this.vpc_config[0].endpoint_private_access &&
      aws_eks_cluster.this.vpc_config[0].public_access_cidrs == toset(["203.0.113.7/32"])
    )
    error_message = "The ranges that were named reach the API, and nodes keep the private way."
  }
}

run "secrets_and_logs_are_under_the_key" {
  command = plan

  assert {
    condition = (
      aws_eks_cluster.this.encryption_config[0].resources == toset(["secrets"]) &&
      aws_eks_cluster.this.encryption_config[0].provider[0].key_arn == var.kms_key_arn
    )
    error_message = "Secrets are encrypted with the platform's key."
  }

  assert {
    condition = aws_eks_cluster.this.enabled_cluster_log_types == toset([
      "api", "audit", "authenticator", "controllerManager", "scheduler",
    ])
    error_message = "All five logs of the control plane are kept."
  }

  assert {
    condition = (
      aws_cloudwatch_log_group.control_plane.name == "/aws/eks/sluice-test/cluster" &&
      aws_cloudwatch_log_group.control_plane.retention_in_days == 365 &&
      aws_cloudwatch_log_group.control_plane.kms_key_id == var.kms_key_arn
    )
    error_message = "The group has the name EKS writes to, an end, and the key; EKS's own would have neither."
  }
}

run "access_is_by_entries_alone" {
  command = plan

  variables {
    creator_is_admin = false
    access_entries = {
      operators = { principal_arn = "arn:aws:iam::123456789012:role/operators", policy = "AmazonEKSClusterAdminPolicy" }
      readers   = { principal_arn = "arn:aws:iam::123456789012:role/readers", namespaces = ["sluice"] }
    }
  }

  assert {
    condition = (
      aws_eks_cluster.this.access_config[0].authentication_mode == "API" &&
      !aws_eks_cluster.this.access_config[0].bootstrap_cluster_creator_admin_permissions
    )
    error_message = "No aws-auth ConfigMap, and nobody is let in who is not named."
  }

  assert {
    condition = (
      aws_eks_access_policy_association.this["operators"].policy_arn == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy" &&
      aws_eks_access_policy_association.this["operators"].access_scope[0].type == "cluster"
    )
    error_message = "An entry without namespaces is for the whole cluster."
  }

  assert {
    condition = (
      aws_eks_access_policy_association.this["readers"].policy_arn == "arn:aws:eks::aws:cluster-access-policy/AmazonEKSViewPolicy" &&
      aws_eks_access_policy_association.this["readers"].access_scope[0].namespaces == toset(["sluice"])
    )
    error_message = "An entry that names no policy may look, in its namespaces."
  }
}
