# What EKS itself keeps running in the cluster, in two rows. The first stands before any node: without vpc-cni none
# becomes ready, and without the Pod Identity agent the EBS driver has no rights. The second needs nodes to run on.
# Versions are EKS's default for the cluster's version, so that an upgrade of the cluster brings them along.

locals {
  before_nodes = {
    vpc-cni                = jsonencode({ enableNetworkPolicy = "true" }) # else NetworkPolicies are accepted and ignored
    kube-proxy             = null
    eks-pod-identity-agent = null
  }
  after_nodes = {
    coredns        = null
    metrics-server = null # what `kubectl top` and every CPU-based scaler read
  }
}

resource "aws_eks_addon" "before_nodes" {
  for_each = local.before_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = each.value
  resolve_conflicts_on_create = "NONE"
  resolve_conflicts_on_update = "OVERWRITE"
}

resource "aws_eks_addon" "after_nodes" {
  for_each = local.after_nodes

  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = each.key
  configuration_values        = each.value
  resolve_conflicts_on_create = "NONE"
  resolve_conflicts_on_update = "OVERWRITE"

  depends_on = [aws_eks_node_group.this]
}

# Without it a claim of the model cache waits forever: nothing in the cluster makes volumes.
resource "aws_eks_addon" "ebs_csi" {
  cluster_name                = aws_eks_cluster.this.name
  addon_name                  = "aws-ebs-csi-driver"
  resolve_conflicts_on_create = "NONE"
  resolve_conflicts_on_update = "OVERWRITE"

  pod_identity_association {
    role_arn        = module.ebs_csi_role.role_arn
    service_account = "ebs-csi-controller-sa"
  }

  depends_on = [aws_eks_addon.before_nodes, aws_eks_node_group.this]
}

module "ebs_csi_role" {
  source = "../pod_identity"

  name                = "${var.name}-ebs-csi"
  description         = "The EBS driver of ${var.name}: makes, attaches and removes volumes of claims"
  cluster_name        = aws_eks_cluster.this.name
  service_account     = { namespace = "kube-system", name = "ebs-csi-controller-sa" }
  associate           = false # the add-on does
  managed_policy_arns = { ebs = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy" }
}
