# Kafka as a service: TLS everywhere, the cluster's nodes alone, topics on purpose.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name                     = "sluice-test"
  vpc_id                   = "vpc-0123456789abcdef0"
  subnet_ids               = ["subnet-0a", "subnet-0b", "subnet-0c"]
  client_security_group_id = "sg-0123456789abcdef0"
  kms_key_arn              = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "nothing_travels_or_lies_in_the_clear" {
  command = plan

  assert {
    condition = (
      aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].client_broker == "TLS" &&
      aws_msk_cluster.this.encryption_info[0].encryption_in_transit[0].in_cluster &&
      aws_msk_cluster.this.encryption_info[0].encryption_at_rest_kms_key_arn == var.kms_key_arn
    )
    error_message = "TLS between clients and brokers and among brokers; the platform's key on their disks."
  }
}

run "only_the_clusters_nodes_reach_a_broker" {
  command = plan

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.tls.referenced_security_group_id == "sg-0123456789abcdef0" &&
      aws_vpc_security_group_ingress_rule.tls.from_port == 9094 && aws_vpc_security_group_ingress_rule.tls.to_port == 9094
    )
    error_message = "Port 9094, from the cluster's security group: a range of addresses would let in whatever else gets one."
  }
}

run "a_broker_per_zone_and_topics_on_purpose" {
  command = plan

  assert {
    condition     = aws_msk_cluster.this.number_of_broker_nodes == 3 && length(aws_msk_cluster.this.broker_node_group_info[0].client_subnets) == 3
    error_message = "Three brokers, each in a zone of its own."
  }

  assert {
    condition = alltrue([for line in ["auto.create.topics.enable=false", "min.insync.replicas=2", "default.replication.factor=3"] :
      contains(split("\n", aws_msk_configuration.this.server_properties), line)
    ])
    error_message = "No topic by mistake, and no acknowledged claim on one broker only."
  }
}

run "what_brokers_say_is_kept" {
  command = plan

  assert {
    condition = (
      aws_msk_cluster.this.logging_info[0].broker_logs[0].cloudwatch_logs[0].enabled &&
      aws_cloudwatch_log_group.brokers.kms_key_id == var.kms_key_arn
    )
    error_message = "Broker logs go to CloudWatch, encrypted."
  }
}

run "one_broker_is_refused" {
  command = plan

  variables {
    brokers = 1
  }

  expect_failures = [var.brokers]
}

run "more_brokers_than_subnets_are_refused" {
  command = plan

  variables {
    subnet_ids = ["subnet-0a", "subnet-0b"]
  }

  expect_failures = [var.brokers]
}
