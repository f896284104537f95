mock_provider "kubernetes" {}

run "disks_are_gp3_encrypted_and_made_where_the_pod_is" {
  command = plan

  assert {
    condition     = kubernetes_storage_class_v1.this.metadata[0].name == "gp3" && kubernetes_storage_class_v1.this.storage_provisioner == "ebs.csi.aws.com"
    error_message = "The EBS driver makes them, and they are asked for by name."
  }
  assert {
    condition     = kubernetes_storage_class_v1.this.parameters == tomap({ type = "gp3", encrypted = "true" })
    error_message = "gp3 and encrypted."
  }
  assert {
    condition     = kubernetes_storage_class_v1.this.volume_binding_mode == "WaitForFirstConsumer"
    error_message = "A disk that is made before its pod has a node may be in another zone than the node."
  }
  assert {
    condition     = kubernetes_storage_class_v1.this.allow_volume_expansion && kubernetes_storage_class_v1.this.reclaim_policy == "Delete"
    error_message = "They can grow, and go with their claims."
  }
}

run "a_key_of_ones_own" {
  command = plan
  variables {
    kms_key_arn    = "arn:aws:kms:us-east-2:123456789012:key/x"
    reclaim_policy = "Retain"
  }
  assert {
    condition     = kubernetes_storage_class_v1.this.parameters["kmsKeyId"] == "arn:aws:kms:us-east-2:123456789012:key/x" && kubernetes_storage_class_v1.this.parameters["encrypted"] == "true" && kubernetes_storage_class_v1.this.reclaim_policy == "Retain"
    error_message = "Disks are encrypted by the key that was named."
  }
}

run "a_reclaim_policy_of_no_known_kind" {
  command = plan
  variables {
    reclaim_policy = "Recycle"
  }
  expect_failures = [var.reclaim_policy]
}
