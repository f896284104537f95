# The platform put together: what the root decides for its modules, and what the next roots are told.

mock_provider "aws" {
  source = "../../../mocks/aws"
}

run "the_model_stands_in_one_zone_on_nodes_of_its_own" {
  command = plan

  variables {
    llm_zone = "us-east-2b"
  }

  assert {
    condition     = output.llm_zone == "us-east-2b"
    error_message = "30-apps learns the zone that the cache's volume belongs to."
  }

  assert {
    condition     = toset(output.node_groups) == toset(["general", "llm"])
    error_message = "Two groups: one for the model, one for all else."
  }
}

run "kafka_in_the_cluster_keeps_general_nodes_in_one_zone" {
  command = plan

  assert {
    condition     = local.general_zones == tolist(["us-east-2a"])
    error_message = "A broker's volume stays in its zone; nodes elsewhere could never take the broker up again."
  }

  assert {
    condition     = output.msk_bootstrap_servers == "" && length(module.msk) == 0
    error_message = "No brokers are paid for when Kafka is in the cluster."
  }
}

run "kafka_as_a_service_spreads_general_nodes" {
  command = apply

  variables {
    kafka_mode = "msk"
  }

  assert {
    condition     = local.general_zones == tolist(["us-east-2a", "us-east-2b", "us-east-2c"])
    error_message = "With nothing bound to a zone, a zone may fall."
  }

  assert {
    condition     = output.msk_bootstrap_servers == "b-1.mocked:9094,b-2.mocked:9094,b-3.mocked:9094"
    error_message = "30-apps learns where the brokers are, over TLS."
  }
}

run "general_nodes_stand_where_they_are_told" {
  command = plan

  variables {
    general_nodes = { zones = ["us-east-2b", "us-east-2c"] }
  }

  assert {
    condition     = local.general_zones == tolist(["us-east-2b", "us-east-2c"])
    error_message = "Zones that are named are taken."
  }
}

run "everything_bears_the_tags_costs_are_told_apart_by" {
  command = plan

  variables {
    tags = { Team = "claims" }
  }

  assert {
    condition = local.tags == {
      Project = "sluice", Environment = "demo", Cluster = "sluice-demo", ManagedBy = "terraform", Team = "claims"
    }
    error_message = "Four tags of ours and whatever was asked for."
  }
}

run "the_key_turns_over_and_serves_logs_of_this_account_alone" {
  command = plan

  assert {
    condition     = aws_kms_key.this.enable_key_rotation && aws_kms_key.this.deletion_window_in_days == 30
    error_message = "The key is rotated, and a mistaken removal can be taken back for 30 days."
  }

  assert {
    condition = [for statement in jsondecode(aws_kms_key.this.policy).Statement : statement.Condition.ArnLike["kms:EncryptionContext:aws:logs:arn"]
    if can(statement.Principal.Service)] == ["arn:aws:logs:us-east-2:123456789012:*"]
    error_message = "CloudWatch Logs uses the key for log groups of this account and region only."
  }
}

run "the_forecast_service_reads_and_writes_its_bucket_and_nothing_else" {
  command = apply

  assert {
    condition = alltrue([for statement in local.inference_statements :
      startswith(statement.Resource, module.object_store.bucket_arn) || statement.Resource == aws_kms_key.this.arn
    ])
    error_message = "Objects, their bucket and their key: no other resource."
  }

  assert {
    condition = alltrue([for statement in local.inference_statements :
      statement.Condition.StringEquals["kms:ViaService"] == "s3.us-east-2.amazonaws.com" if statement.Resource == aws_kms_key.this.arn
    ])
    error_message = "The key opens objects through S3, and not the cluster's secrets."
  }

  assert {
    condition     = keys(output.pod_identity_roles) == ["ebs_csi", "inference"]
    error_message = "With a classic balancer nobody else has a role."
  }
}

run "the_balancers_controller_has_a_role_where_it_runs" {
  command = apply

  variables {
    lb_mode = "alb"
  }

  assert {
    condition     = contains(keys(output.pod_identity_roles), "load_balancer_controller")
    error_message = "alb and nlb are made by the controller, which needs its role."
  }

  assert {
    condition = alltrue([for statement in local.balancer_statements : can(statement.Condition)
      if anytrue([for action in statement.Action : can(regex(":(Delete|Modify|Set)(LoadBalancer|TargetGroup|Subnets|SecurityGroup)", action))])
    ])
    error_message = "What is not the controller's own it can not change or delete."
  }
}

run "other_roots_learn_where_things_are" {
  command = apply

  assert {
    condition     = output.kubeconfig_command == "aws eks update-kubeconfig --region us-east-2 --name sluice-demo"
    error_message = "The command that makes kubectl speak to the cluster."
  }

  assert {
    condition     = output.registry == "123456789012.dkr.ecr.us-east-2.amazonaws.com/sluice-demo"
    error_message = "Host and first part of the images' names."
  }

  assert {
    condition     = toset(keys(output.repository_urls)) == toset(["chat", "inference"])
    error_message = "Two images, two repositories."
  }

  assert {
    condition     = output.cluster_name == "sluice-demo" && output.region == "us-east-2"
    error_message = "Which cluster, and where."
  }
}

run "the_bucket_is_nobody_elses" {
  command = plan

  assert {
    condition     = local.bucket == "sluice-demo-123456789012-us-east-2"
    error_message = "Account and region in the name keep it apart from all other buckets."
  }
}

run "a_budget_writes_before_the_bill_does" {
  command = plan

  variables {
    budget = { monthly_usd = 500, emails = ["platform@example.org"] }
  }

  assert {
    condition = (
      aws_budgets_budget.this[0].limit_amount == "500" && aws_budgets_budget.this[0].time_unit == "MONTHLY" &&
      toset([for notification in aws_budgets_budget.this[0].notification : "${notification.notification_type} ${notification.threshold}"]) ==
      toset(["ACTUAL 80", "FORECASTED 100"])
    )
    error_message = "A mail at four fifths of the sum, and one when the forecast passes it."
  }

  assert {
    condition     = [for filter in aws_budgets_budget.this[0].cost_filter : filter.values] == [tolist(["user:Cluster$sluice-demo"])]
    error_message = "Only what bears this cluster's tag counts."
  }
}

run "no_budget_unless_asked" {
  command = plan

  assert {
    condition     = length(aws_budgets_budget.this) == 0
    error_message = "A budget needs somebody who reads its mail."
  }
}
