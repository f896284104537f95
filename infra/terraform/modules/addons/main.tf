# What the services need of a cluster beside themselves: KEDA counts replicas, Prometheus looks at them and tells KEDA how
# long their queues are, and the load balancer controller makes what is not a Classic balancer.
#
# The charts come from their own repositories. Their values were read in the charts' sources (KEDA 2.21, Prometheus 25.30,
# controller 3.5) and have not been rendered by Helm here: a first apply in a cluster of one's own is where that is seen.
# Helm ignores values that a chart does not know, so look at `helm get manifest` once after a change of version.
#
# metrics-server is not among them: it is a managed add-on of 10-platform, and nothing here scales on CPU.

resource "helm_release" "keda" {
  name             = "keda"
  namespace        = var.keda.namespace
  create_namespace = true
  repository       = "https://kedacore.github.io/charts"
  chart            = "keda"
  version          = var.keda.version

  atomic      = true
  max_history = 5
  timeout     = 600

  values = [yamlencode({
    operator      = { replicaCount = var.keda.replicas }
    metricsServer = { replicaCount = var.keda.replicas }
    webhooks      = { replicaCount = var.keda.replicas }

    # A drain may take one of two, and the only one: an autoscaler that is away for a minute is no outage.
    podDisruptionBudget = {
      operator     = { maxUnavailable = 1 }
      metricServer = { maxUnavailable = 1 }
      webhooks     = { maxUnavailable = 1 }
    }

    resources = {
      operator     = local.keda_resources
      metricServer = local.keda_resources
      webhooks     = local.keda_resources
    }
  })]
}

resource "helm_release" "prometheus" {
  count = var.prometheus.enabled ? 1 : 0

  name             = "prometheus"
  namespace        = var.prometheus.namespace
  create_namespace = true
  repository       = "https://prometheus-community.github.io/helm-charts"
  chart            = "prometheus"
  version          = var.prometheus.version

  # Its volume waits for the storage class, which 30-apps makes. Who waits for it here waits in vain.
  wait        = false
  max_history = 5
  timeout     = 600

  values = [yamlencode(local.prometheus_values)]
}

resource "helm_release" "load_balancer_controller" {
  count = local.has_controller ? 1 : 0

  name       = "aws-load-balancer-controller"
  namespace  = "kube-system"
  repository = "https://aws.github.io/eks-charts"
  chart      = "aws-load-balancer-controller"
  version    = var.load_balancer_controller.version

  atomic      = true
  max_history = 5
  timeout     = 600

  values = [yamlencode({
    clusterName = var.cluster_name
    # Both would be read from the node's metadata, which a pod can not reach: its hop limit is 1.
    region = var.region
    vpcId  = var.vpc_id

    replicaCount        = var.load_balancer_controller.replicas
    podDisruptionBudget = { maxUnavailable = 1 }

    # Who it is to AWS is said by the Pod Identity association of 10-platform for this name.
    serviceAccount = { create = true, name = var.load_balancer_controller.service_account }

    # Else every new service of type LoadBalancer becomes an NLB, whatever its annotations say. Ours names its class.
    enableServiceMutatorWebhook = false

    resources = {
      requests = { cpu = "100m", memory = "200Mi" }
      limits   = { cpu = "500m", memory = "200Mi" }
    }
  })]

  lifecycle {
    precondition {
      condition     = var.vpc_id != ""
      error_message = "lb_mode ${var.lb_mode} needs vpc_id: output `vpc_id` of 10-platform."
    }
  }
}
