# The machines: their disks, what a pod reaches from them, where they stand, and who counts them.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name               = "sluice-test"
  private_subnet_ids = { "us-east-2a" = "subnet-0a", "us-east-2b" = "subnet-0b" }
  kms_key_arn        = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
  tags               = { Project = "sluice" }
  node_groups = {
    general = {
      instance_types = ["c6i.xlarge"]
      zones          = ["us-east-2a", "us-east-2b"]
      min_size       = 1
      max_size       = 4
      desired_size   = 2
      labels         = { "sluice/role" = "general" }
    }
    llm = {
      instance_types = ["c6i.xlarge"]
      zones          = ["us-east-2b"]
      min_size       = 1
      max_size       = 2
      desired_size   = 1
      root_disk_gib  = 80
      static_cpu     = true
      labels         = { "sluice/role" = "llm" }
      taints         = [{ key = "sluice/role", value = "llm" }]
    }
  }
}

run "root_disks_hold_images_and_a_model" {
  command = plan

  assert {
    condition = alltrue([for template in aws_launch_template.node :
      template.block_device_mappings[0].ebs[0].volume_size >= 50 &&
      template.block_device_mappings[0].ebs[0].volume_type == "gp3" &&
      tobool(template.block_device_mappings[0].ebs[0].encrypted) &&
      template.block_device_mappings[0].device_name == "/dev/xvda"
    ])
    error_message = "Root disks are gp3, encrypted and of 50 GiB or more: on EKS's 20 a node evicts its pods for lack of room."
  }

  assert {
    condition     = aws_launch_template.node["llm"].block_device_mappings[0].ebs[0].volume_size == 80
    error_message = "A group may have a larger disk."
  }

  assert {
    condition     = alltrue([for group in aws_eks_node_group.this : length(group.launch_template) == 1])
    error_message = "A group without its launch template has EKS's own disk."
  }
}

run "a_pod_does_not_reach_the_nodes_credentials" {
  command = plan

  assert {
    condition = alltrue([for template in aws_launch_template.node :
      template.metadata_options[0].http_tokens == "required" && template.metadata_options[0].http_put_response_hop_limit == 1
    ])
    error_message = "IMDSv2 with a hop limit of 1: two hops would let every pod act as the node."
  }

  assert {
    condition = toset([for attachment in aws_iam_role_policy_attachment.node : attachment.policy_arn]) == toset([
      "arn:aws:iam::aws:policy/AmazonEKSWorkerNodePolicy",
      "arn:aws:iam::aws:policy/AmazonEKS_CNI_Policy",
      "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly",
    ])
    error_message = "A node joins, gives addresses and pulls images; volumes and buckets are for pods' own roles."
  }
}

run "the_models_nodes_stand_in_one_zone_behind_a_taint" {
  command = plan

  assert {
    condition     = aws_eks_node_group.this["llm"].subnet_ids == toset(["subnet-0b"])
    error_message = "The model's volume can not leave its zone, so its nodes stand in that zone alone."
  }

  assert {
    condition = [for taint in aws_eks_node_group.this["llm"].taint : "${taint.key}=${taint.value}:${taint.effect}"] == [
      "sluice/role=llm:NO_SCHEDULE",
    ]
    error_message = "Nothing but the model runs beside the model."
  }

  assert {
    condition     = aws_eks_node_group.this["llm"].labels == tomap({ "sluice/role" = "llm" })
    error_message = "The model finds its nodes by sluice/role=llm."
  }

  assert {
    condition     = strcontains(base64decode(aws_launch_template.node["llm"].user_data), "cpuManagerPolicy: static")
    error_message = "The model's pod owns its cores."
  }
}

run "general_nodes_take_everything_else" {
  command = plan

  assert {
    condition = (
      aws_eks_node_group.this["general"].subnet_ids == toset(["subnet-0a", "subnet-0b"]) &&
      length(aws_eks_node_group.this["general"].taint) == 0
    )
    error_message = "General nodes stand in the zones they were given, untainted."
  }

  assert {
    condition = alltrue([for group in aws_eks_node_group.this :
      group.ami_type == "AL2023_x86_64_STANDARD" && group.instance_types == tolist(["c6i.xlarge"])
    ])
    error_message = "Amazon Linux 2023 on c6i.xlarge."
  }

  assert {
    condition     = alltrue([for group in aws_eks_node_group.this : group.update_config[0].max_unavailable == 1])
    error_message = "An upgrade replaces one node at a time."
  }
}

run "machines_and_disks_are_tagged_for_the_bill" {
  command = plan

  assert {
    condition = alltrue([for template in aws_launch_template.node :
      toset([for tags in template.tag_specifications : tags.resource_type if tags.tags["Project"] == "sluice"]) ==
      toset(["instance", "volume", "network-interface"])
    ])
    error_message = "The provider's default tags end at the launch template; what it starts must bear them, too."
  }
}

# In two runs on one state: the second asks for another number than the first made.
run "first_there_are_two_general_nodes" {
  command = apply
}

run "an_apply_does_not_undo_what_was_scaled" {
  command = apply

  variables {
    node_groups = {
      general = { instance_types = ["c6i.xlarge"], zones = ["us-east-2a", "us-east-2b"], min_size = 1, max_size = 4, desired_size = 4 }
    }
  }

  assert {
    condition     = aws_eks_node_group.this["general"].scaling_config[0].desired_size == 2
    error_message = "desired_size counts at creation only: afterwards the number is whoever's who scaled."
  }
}
