# The network: who stands where, what leads out, and what is refused.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name               = "sluice-test"
  cluster_name       = "sluice-test"
  region             = "us-east-2"
  availability_zones = ["us-east-2a", "us-east-2b", "us-east-2c"]
  kms_key_arn        = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "subnets_of_every_zone_bear_the_tags_balancers_look_for" {
  command = plan

  assert {
    condition     = length(aws_subnet.private) == 3 && length(aws_subnet.public) == 3
    error_message = "Each zone needs a private and a public subnet."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.private : lookup(subnet.tags, "kubernetes.io/role/internal-elb", "") == "1"])
    error_message = "Internal balancers find private subnets by kubernetes.io/role/internal-elb."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : lookup(subnet.tags, "kubernetes.io/role/elb", "") == "1"])
    error_message = "Balancers that face the Internet find public subnets by kubernetes.io/role/elb."
  }

  assert {
    condition = alltrue([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) :
      lookup(subnet.tags, "kubernetes.io/cluster/sluice-test", "") == "shared"
    ])
    error_message = "The in-tree balancer takes only subnets that bear the cluster's tag."
  }

  assert {
    condition = length(distinct([for subnet in concat(values(aws_subnet.private), values(aws_subnet.public)) :
    subnet.cidr_block])) == 6
    error_message = "Two subnets have one range."
  }

  assert {
    condition     = alltrue([for subnet in aws_subnet.public : subnet.map_public_ip_on_launch == false])
    error_message = "Nothing gets a public address by being started."
  }
}

run "a_zone_added_at_the_end_moves_no_subnet" {
  command = plan

  variables {
    availability_zones = ["us-east-2a", "us-east-2b"]
  }

  assert {
    condition = (
      aws_subnet.private["us-east-2b"].cidr_block == "10.20.16.0/20" &&
      aws_subnet.public["us-east-2b"].cidr_block == "10.20.241.0/24"
    )
    error_message = "A subnet's range must follow from its zone's place alone: changing it means making all nodes anew."
  }
}

run "one_nat_serves_all_zones_unless_told_otherwise" {
  command = plan

  assert {
    condition     = keys(aws_nat_gateway.this) == ["us-east-2a"] && length(aws_eip.nat) == 1
    error_message = "A demo pays for one NAT gateway."
  }

  assert {
    condition     = length(aws_route.nat) == 3
    error_message = "Every private zone needs a way out."
  }
}

run "a_nat_per_zone_when_asked" {
  command = plan

  variables {
    single_nat_gateway = false
  }

  assert {
    condition     = keys(aws_nat_gateway.this) == ["us-east-2a", "us-east-2b", "us-east-2c"]
    error_message = "Without single_nat_gateway no zone may hang on another."
  }
}

run "s3_is_reached_without_nat_from_every_private_zone" {
  command = apply

  assert {
    condition = (
      aws_vpc_endpoint.s3.vpc_endpoint_type == "Gateway" &&
      aws_vpc_endpoint.s3.service_name == "com.amazonaws.us-east-2.s3" &&
      toset(aws_vpc_endpoint.s3.route_table_ids) == toset([for table in aws_route_table.private : table.id])
    )
    error_message = "Models and image layers come from S3: through the free gateway, and not through NAT by the gigabyte."
  }

  assert {
    condition     = length(aws_vpc_endpoint.interface) == 0
    error_message = "Endpoints that cost by the hour are for whoever asks for them."
  }
}

run "other_services_have_endpoints_when_asked" {
  command = plan

  variables {
    interface_endpoints = ["ecr.api", "ecr.dkr"]
  }

  assert {
    condition     = aws_vpc_endpoint.interface["ecr.dkr"].private_dns_enabled && length(aws_vpc_endpoint.interface) == 2
    error_message = "An endpoint without private DNS is walked past."
  }

  assert {
    condition     = aws_vpc_security_group_ingress_rule.endpoints[0].cidr_ipv4 == "10.20.0.0/16"
    error_message = "Endpoints are for this network only."
  }
}

run "all_flows_are_logged_under_the_key" {
  command = plan

  assert {
    condition     = aws_flow_log.this.traffic_type == "ALL" && aws_flow_log.this.log_destination_type == "cloud-watch-logs"
    error_message = "Refused flows are worth as much as accepted ones."
  }

  assert {
    condition     = aws_cloudwatch_log_group.flows.kms_key_id == var.kms_key_arn && aws_cloudwatch_log_group.flows.retention_in_days == 365
    error_message = "Flow logs are encrypted with the platform's key and end some day."
  }
}

run "the_default_group_lets_nothing_through" {
  command = apply

  assert {
    condition     = length(coalesce(aws_default_security_group.this.ingress, [])) == 0 && length(coalesce(aws_default_security_group.this.egress, [])) == 0
    error_message = "Whatever names no security group must be able to reach nothing."
  }
}

run "one_zone_is_too_few" {
  command = plan

  variables {
    availability_zones = ["us-east-2a"]
  }

  expect_failures = [var.availability_zones]
}

run "a_zone_of_another_region_is_refused" {
  command = plan

  variables {
    availability_zones = ["us-east-2a", "us-west-2a"]
  }

  expect_failures = [var.availability_zones]
}

run "a_network_that_can_not_hold_the_subnets_is_refused" {
  command = plan

  variables {
    cidr = "10.20.0.0/20"
  }

  expect_failures = [var.cidr]
}
