# What the AWS Load Balancer Controller needs, after the policy its project publishes (docs/install/iam_policy.json),
# ordered by what is asked: look, then make with the cluster's tag, then change only what has the tag. Look there before
# a new version of the controller.

locals {
  balancer_arns = [
    "arn:aws:elasticloadbalancing:*:*:targetgroup/*/*",
    "arn:aws:elasticloadbalancing:*:*:loadbalancer/net/*/*",
    "arn:aws:elasticloadbalancing:*:*:loadbalancer/app/*/*",
  ]
  listener_arns = [
    "arn:aws:elasticloadbalancing:*:*:listener/net/*/*/*",
    "arn:aws:elasticloadbalancing:*:*:listener/app/*/*/*",
    "arn:aws:elasticloadbalancing:*:*:listener-rule/net/*/*/*",
    "arn:aws:elasticloadbalancing:*:*:listener-rule/app/*/*/*",
  ]
  balancer_tag    = "elbv2.k8s.aws/cluster"
  made_with_tag   = { Null = { "aws:RequestTag/${local.balancer_tag}" = "false" } }
  has_tag         = { Null = { "aws:ResourceTag/${local.balancer_tag}" = "false" } }
  keeps_tag       = { Null = { "aws:RequestTag/${local.balancer_tag}" = "true", "aws:ResourceTag/${local.balancer_tag}" = "false" } }
  security_groups = "arn:aws:ec2:*:*:security-group/*"

  balancer_statements = [
    {
      Sid       = "OwnServiceRole"
      Effect    = "Allow"
      Action    = ["iam:CreateServiceLinkedRole"]
      Resource  = "*"
      Condition = { StringEquals = { "iam:AWSServiceName" = "elasticloadbalancing.amazonaws.com" } }
    },
    {
      Sid    = "Look"
      Effect = "Allow"
      Action = [
        "ec2:DescribeAccountAttributes", "ec2:DescribeAddresses", "ec2:DescribeAvailabilityZones",
        "ec2:DescribeCoipPools", "ec2:DescribeInstances", "ec2:DescribeInternetGateways", "ec2:DescribeIpamPools",
        "ec2:DescribeNetworkInterfaces", "ec2:DescribeRouteTables", "ec2:DescribeSecurityGroups", "ec2:DescribeSubnets",
        "ec2:DescribeTags", "ec2:DescribeVpcPeeringConnections", "ec2:DescribeVpcs", "ec2:GetCoipPoolUsage",
        "ec2:GetSecurityGroupsForVpc",
        "elasticloadbalancing:DescribeCapacityReservation", "elasticloadbalancing:DescribeListenerAttributes",
        "elasticloadbalancing:DescribeListenerCertificates", "elasticloadbalancing:DescribeListeners",
        "elasticloadbalancing:DescribeLoadBalancerAttributes", "elasticloadbalancing:DescribeLoadBalancers",
        "elasticloadbalancing:DescribeRules", "elasticloadbalancing:DescribeSSLPolicies",
        "elasticloadbalancing:DescribeTags", "elasticloadbalancing:DescribeTargetGroupAttributes",
        "elasticloadbalancing:DescribeTargetGroups", "elasticloadbalancing:DescribeTargetHealth",
        "elasticloadbalancing:DescribeTrustStores",
        "acm:DescribeCertificate", "acm:ListCertificates", "cognito-idp:DescribeUserPoolClient",
        "iam:GetServerCertificate", "iam:ListServerCertificates",
      ]
      Resource = "*"
    },
    {
      Sid    = "Shields"
      Effect = "Allow"
      Action = [
        "wafv2:AssociateWebACL", "wafv2:DisassociateWebACL", "wafv2:GetWebACL", "wafv2:GetWebACLForResource",
        "waf-regional:AssociateWebACL", "waf-regional:DisassociateWebACL", "waf-regional:GetWebACL",
        "waf-regional:GetWebACLForResource",
        "shield:CreateProtection", "shield:DeleteProtection", "shield:DescribeProtection", "shield:GetSubscriptionState",
      ]
      Resource = "*"
    },
    {
      Sid      = "RulesOfGroups" # of nodes' groups too, which bear no tag of the controller
      Effect   = "Allow"
      Action   = ["ec2:AuthorizeSecurityGroupIngress", "ec2:RevokeSecurityGroupIngress"]
      Resource = "*"
    },
    {
      Sid      = "NewGroups"
      Effect   = "Allow"
      Action   = ["ec2:CreateSecurityGroup"]
      Resource = "*"
    },
    {
      Sid       = "TagNewGroups"
      Effect    = "Allow"
      Action    = ["ec2:CreateTags"]
      Resource  = local.security_groups
      Condition = merge(local.made_with_tag, { StringEquals = { "ec2:CreateAction" = "CreateSecurityGroup" } })
    },
    {
      Sid       = "RetagOwnGroups"
      Effect    = "Allow"
      Action    = ["ec2:CreateTags", "ec2:DeleteTags"]
      Resource  = local.security_groups
      Condition = local.keeps_tag
    },
    {
      Sid       = "RemoveOwnGroups"
      Effect    = "Allow"
      Action    = ["ec2:DeleteSecurityGroup"]
      Resource  = "*"
      Condition = local.has_tag
    },
    {
      Sid       = "NewBalancers"
      Effect    = "Allow"
      Action    = ["elasticloadbalancing:CreateLoadBalancer", "elasticloadbalancing:CreateTargetGroup"]
      Resource  = "*"
      Condition = local.made_with_tag
    },
    {
      Sid    = "Listeners"
      Effect = "Allow"
      Action = [
        "elasticloadbalancing:AddListenerCertificates", "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:CreateRule", "elasticloadbalancing:DeleteListener", "elasticloadbalancing:DeleteRule",
        "elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:RemoveListenerCertificates", "elasticloadbalancing:SetRulePriorities",
        "elasticloadbalancing:SetWebAcl",
      ]
      Resource = "*"
    },
    {
      Sid      = "TagNewBalancers"
      Effect   = "Allow"
      Action   = ["elasticloadbalancing:AddTags"]
      Resource = local.balancer_arns
      Condition = merge(local.made_with_tag, {
        StringEquals = { "elasticloadbalancing:CreateAction" = ["CreateLoadBalancer", "CreateTargetGroup"] }
      })
    },
    {
      Sid       = "RetagOwnBalancers"
      Effect    = "Allow"
      Action    = ["elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"]
      Resource  = local.balancer_arns
      Condition = local.keeps_tag
    },
    {
      Sid      = "TagListeners"
      Effect   = "Allow"
      Action   = ["elasticloadbalancing:AddTags", "elasticloadbalancing:RemoveTags"]
      Resource = local.listener_arns
    },
    {
      Sid    = "ChangeOwnBalancers"
      Effect = "Allow"
      Action = [
        "elasticloadbalancing:DeleteLoadBalancer", "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:ModifyCapacityReservation", "elasticloadbalancing:ModifyIpPools",
        "elasticloadbalancing:ModifyListenerAttributes", "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:ModifyTargetGroup", "elasticloadbalancing:ModifyTargetGroupAttributes",
        "elasticloadbalancing:SetIpAddressType", "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
      ]
      Resource  = "*"
      Condition = local.has_tag
    },
    {
      Sid      = "Targets"
      Effect   = "Allow"
      Action   = ["elasticloadbalancing:DeregisterTargets", "elasticloadbalancing:RegisterTargets"]
      Resource = "arn:aws:elasticloadbalancing:*:*:targetgroup/*/*"
    },
  ]
}
