# The platform, AWS only: network, registry, cluster with its nodes, bucket, and Kafka where it is a service of AWS.
# What runs in the cluster stands in 20-addons and 30-apps, since a Kubernetes provider must not be configured from a
# cluster that the same apply makes. Identities of pods are in identities.tf, the key in kms.tf.

locals {
  tags = merge({ Project = "sluice", Environment = "demo", Cluster = var.name, ManagedBy = "terraform" }, var.tags)

  llm_zone = coalesce(var.llm_zone, var.availability_zones[0])
  bucket   = coalesce(var.bucket, "${var.name}-${data.aws_caller_identity.current.account_id}-${var.region}")

  # A broker in the cluster keeps its log on a disk that can not leave its zone. Nodes in one zone can always take it up
  # again; spread over zones, a replaced node may stand in another one and the broker waits forever.
  general_zones = coalescelist(
    var.general_nodes.zones,
    var.kafka_mode == "incluster" ? [local.llm_zone] : var.availability_zones,
  )
}

data "aws_caller_identity" "current" {}

module "network" {
  source = "../../../modules/network"

  name                = var.name
  cluster_name        = var.name
  region              = var.region
  cidr                = var.vpc_cidr
  availability_zones  = var.availability_zones
  single_nat_gateway  = var.single_nat_gateway
  interface_endpoints = var.interface_endpoints
  kms_key_arn         = aws_kms_key.this.arn
  log_retention_days  = var.log_retention_days
}

module "ecr" {
  source = "../../../modules/ecr"

  prefix       = var.name
  repositories = ["chat-api", "inference"]
  kms_key_arn  = aws_kms_key.this.arn
  force_delete = var.force_destroy
}

module "eks" {
  source = "../../../modules/eks"

  name                   = var.name
  kubernetes_version     = var.kubernetes_version
  private_subnet_ids     = module.network.private_subnet_ids
  endpoint_public_access = var.endpoint_public_access
  endpoint_public_cidrs  = var.endpoint_public_cidrs
  creator_is_admin       = var.creator_is_admin
  access_entries         = var.access_entries
  kms_key_arn            = aws_kms_key.this.arn
  log_retention_days     = var.log_retention_days
  tags                   = local.tags

  node_groups = {
    general = merge(var.general_nodes, {
      zones  = local.general_zones
      labels = { "sluice/role" = "general" }
    })
    # One zone, because the model cache's volume stays where it was made; tainted, because one engine fills a machine;
    # never spot, because a generation takes longer than the two minutes' notice.
    llm = merge(var.llm_nodes, {
      zones         = [local.llm_zone]
      capacity_type = "ON_DEMAND"
      static_cpu    = true
      labels        = { "sluice/role" = "llm" }
      taints        = [{ key = "sluice/role", value = "llm" }]
    })
  }
}

module "object_store" {
  source = "../../../modules/object_store"

  bucket        = local.bucket
  kms_key_arn   = aws_kms_key.this.arn
  force_destroy = var.force_destroy
}

module "msk" {
  source = "../../../modules/msk"
  count  = var.kafka_mode == "msk" ? 1 : 0

  name                     = var.name
  vpc_id                   = module.network.vpc_id
  subnet_ids               = values(module.network.private_subnet_ids)
  client_security_group_id = module.eks.cluster_security_group_id
  kms_key_arn              = aws_kms_key.this.arn
  brokers                  = length(var.availability_zones)
  log_retention_days       = var.log_retention_days
}

# A word by mail before the bill: at four fifths of the month's sum, and when the forecast goes over it.
resource "aws_budgets_budget" "this" {
  count = var.budget == null ? 0 : 1

  name         = var.name
  budget_type  = "COST"
  limit_amount = tostring(var.budget.monthly_usd)
  limit_unit   = "USD"
  time_unit    = "MONTHLY"

  cost_filter {
    name   = "TagKeyValue"
    values = [format("user:Cluster$%s", var.name)] # counts once the tag is switched on for costs in the billing console
  }

  dynamic "notification" {
    for_each = { ACTUAL = 80, FORECASTED = 100 }

    content {
      comparison_operator        = "GREATER_THAN"
      notification_type          = notification.key
      threshold                  = notification.value
      threshold_type             = "PERCENTAGE"
      subscriber_email_addresses = var.budget.emails
    }
  }
}
