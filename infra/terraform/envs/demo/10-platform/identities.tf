# What pods may do in AWS. Only these three may anything: the chat service keeps its records in the cluster, and KEDA
# reads lag from Kafka and figures from Prometheus, so neither has a role. The EBS driver's stands beside its add-on.

locals {
  inference_statements = [
    {
      Sid      = "Objects"
      Effect   = "Allow"
      Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
      Resource = "${module.object_store.bucket_arn}/*"
    },
    {
      Sid      = "Bucket"
      Effect   = "Allow"
      Action   = ["s3:ListBucket", "s3:GetBucketLocation"] # without the first, a missing object reads as a forbidden one
      Resource = module.object_store.bucket_arn
    },
    {
      Sid       = "KeyThroughS3Only"
      Effect    = "Allow"
      Action    = ["kms:Decrypt", "kms:GenerateDataKey"]
      Resource  = aws_kms_key.this.arn
      Condition = { StringEquals = { "kms:ViaService" = "s3.${var.region}.amazonaws.com" } }
    },
  ]
}

module "inference_identity" {
  source = "../../../modules/pod_identity"

  name            = "${var.name}-inference"
  description     = "The forecast service of ${var.name}: objects that claims name, and the results it writes"
  cluster_name    = module.eks.cluster_name
  service_account = { namespace = var.namespace, name = "inference" }

  statements = local.inference_statements
}

module "balancer_identity" {
  source = "../../../modules/pod_identity"
  count  = var.lb_mode == "classic" ? 0 : 1 # a classic balancer is made by EKS itself

  name            = "${var.name}-load-balancer-controller"
  description     = "AWS Load Balancer Controller of ${var.name}"
  cluster_name    = module.eks.cluster_name
  service_account = { namespace = "kube-system", name = "aws-load-balancer-controller" }
  statements      = local.balancer_statements
}
