# Disks by name: a cluster's default class may be gp2, unencrypted, or none at all.
resource "kubernetes_storage_class_v1" "this" {
  metadata {
    name   = var.name
    labels = var.labels
  }

  storage_provisioner = "ebs.csi.aws.com"
  reclaim_policy      = var.reclaim_policy
  # A disk is in one zone. It is made when its pod has a node, and in that node's zone.
  volume_binding_mode    = "WaitForFirstConsumer"
  allow_volume_expansion = true

  parameters = merge(
    { type = "gp3", encrypted = "true" },
    var.kms_key_arn == "" ? {} : { kmsKeyId = var.kms_key_arn },
  )
}
