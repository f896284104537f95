# What stands in the cluster before the services come. Helm alone: the custom resources that it brings must be there before
# 30-apps is planned.
module "addons" {
  source = "../../../modules/addons"

  cluster_name  = var.cluster_name
  region        = var.region
  vpc_id        = var.vpc_id
  lb_mode       = var.lb_mode
  observability = "${path.root}/../../../../observability"

  keda                     = var.keda
  prometheus               = var.prometheus
  load_balancer_controller = var.load_balancer_controller
}
