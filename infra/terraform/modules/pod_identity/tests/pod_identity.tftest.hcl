# A role for the pods of one ServiceAccount, and for nobody else.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  name            = "sluice-test-inference"
  description     = "Reads a bucket"
  cluster_name    = "sluice-test"
  service_account = { namespace = "sluice", name = "inference" }
  statements      = [{ Sid = "Read", Effect = "Allow", Action = ["s3:GetObject"], Resource = "arn:aws:s3:::bucket/*" }]
}

run "pods_of_this_service_account_alone_take_the_role" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { Service = "pods.eks.amazonaws.com" }
      Condition = {
        StringEquals = {
          "aws:RequestTag/eks-cluster-name"           = "sluice-test"
          "aws:RequestTag/kubernetes-namespace"       = "sluice"
          "aws:RequestTag/kubernetes-service-account" = "inference"
        }
      }
    }]
    error_message = "The role is taken through Pod Identity, by this cluster's ServiceAccount sluice/inference."
  }

  assert {
    condition = (
      aws_eks_pod_identity_association.this[0].namespace == "sluice" &&
      aws_eks_pod_identity_association.this[0].service_account == "inference" &&
      aws_eks_pod_identity_association.this[0].cluster_name == "sluice-test"
    )
    error_message = "The association names the ServiceAccount."
  }
}

run "the_role_may_what_it_was_given_and_no_more" {
  command = plan

  assert {
    condition     = [for statement in jsondecode(aws_iam_role_policy.this[0].policy).Statement : statement.Action] == [["s3:GetObject"]]
    error_message = "The role's policy is the statements it was given."
  }

  assert {
    condition     = length(aws_iam_role_policy_attachment.this) == 0
    error_message = "No policy of AWS is attached unasked."
  }
}

run "an_add_on_makes_its_own_association" {
  command = plan

  variables {
    associate           = false
    statements          = []
    managed_policy_arns = { ebs = "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy" }
  }

  assert {
    condition     = length(aws_eks_pod_identity_association.this) == 0 && length(aws_iam_role_policy.this) == 0
    error_message = "A second association for one ServiceAccount is refused by EKS."
  }

  assert {
    condition     = aws_iam_role_policy_attachment.this["ebs"].policy_arn == "arn:aws:iam::aws:policy/service-role/AmazonEBSCSIDriverPolicy"
    error_message = "The policy of AWS is attached."
  }
}

run "a_pod_is_no_administrator" {
  command = plan

  variables {
    managed_policy_arns = { all = "arn:aws:iam::aws:policy/AdministratorAccess" }
  }

  expect_failures = [var.managed_policy_arns]
}
