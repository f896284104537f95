output "cluster_name" {
  description = "Name of the cluster, known once its API answers."
  value       = aws_eks_cluster.this.name
}

output "cluster_arn" {
  description = "ARN of the cluster."
  value       = aws_eks_cluster.this.arn
}

output "cluster_security_group_id" {
  description = "Group that EKS puts on the control plane and on every node: let it in to let the cluster in."
  value       = aws_eks_cluster.this.vpc_config[0].cluster_security_group_id
}

output "ebs_csi_role_arn" {
  description = "Role of the EBS driver."
  value       = module.ebs_csi_role.role_arn
}

output "node_role_arn" {
  description = "Role of the nodes."
  value       = aws_iam_role.node.arn
}

output "node_groups" {
  description = "Names of the node groups."
  value       = [for group in aws_eks_node_group.this : group.node_group_name]
}
