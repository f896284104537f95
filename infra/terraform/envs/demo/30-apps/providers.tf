# The cluster is named by a kubeconfig that `make k8s-config` writes; this root never makes it (10-platform does).
provider "kubernetes" {
  config_path    = var.kubeconfig
  config_context = var.kubeconfig_context == "" ? null : var.kubeconfig_context
}
