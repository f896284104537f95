# What must run before anything of ours can: addresses, names, figures, identities and volumes.

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

run "all_add_ons_are_managed_ones" {
  command = plan

  assert {
    condition = toset(concat(
      [for addon in aws_eks_addon.before_nodes : addon.addon_name],
      [for addon in aws_eks_addon.after_nodes : addon.addon_name],
      [aws_eks_addon.ebs_csi.addon_name],
    )) == toset(["vpc-cni", "kube-proxy", "eks-pod-identity-agent", "coredns", "metrics-server", "aws-ebs-csi-driver"])
    error_message = "Six managed add-ons: addresses, Services, identities, names, figures, volumes."
  }

  assert {
    condition     = aws_eks_cluster.this.bootstrap_self_managed_addons == false
    error_message = "EKS's own copies of add-ons would be in the way of the managed ones."
  }
}

run "network_policies_are_enforced" {
  command = plan

  assert {
    condition     = jsondecode(aws_eks_addon.before_nodes["vpc-cni"].configuration_values).enableNetworkPolicy == "true"
    error_message = "Without enableNetworkPolicy the API accepts NetworkPolicies and nobody enforces them."
  }
}

run "scalers_by_cpu_have_their_figures" {
  command = plan

  assert {
    condition     = contains(keys(aws_eks_addon.after_nodes), "metrics-server")
    error_message = "Without metrics-server a scaler by CPU stands still and says nothing."
  }
}

run "the_ebs_driver_is_there_with_an_identity_of_its_own" {
  command = apply

  assert {
    condition = [for identity in aws_eks_addon.ebs_csi.pod_identity_association : [identity.service_account, identity.role_arn]] == [
      ["ebs-csi-controller-sa", module.ebs_csi_role.role_arn],
    ]
    error_message = "The driver makes volumes by its own role, through Pod Identity."
  }

  assert {
    condition     = contains(keys(aws_eks_addon.before_nodes), "eks-pod-identity-agent")
    error_message = "Without the agent no pod gets the role it was given."
  }
}
