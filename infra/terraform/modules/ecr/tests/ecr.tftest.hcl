# The registry: tags that mean one image for ever, looked through, encrypted, and not growing without end.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  prefix       = "sluice-test"
  repositories = ["chat-api", "inference"]
  kms_key_arn  = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "a_tag_is_written_once" {
  command = plan

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_tag_mutability == "IMMUTABLE"])
    error_message = "With mutable tags `:latest` moves, an apply sees no change, and a deploy deploys nothing."
  }
}

run "every_image_has_a_repository_that_scans_and_encrypts" {
  command = plan

  assert {
    condition     = toset([for repository in aws_ecr_repository.this : repository.name]) == toset(["sluice-test/chat-api", "sluice-test/inference"])
    error_message = "Repositories are named PREFIX/IMAGE."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.image_scanning_configuration[0].scan_on_push])
    error_message = "Every push is scanned."
  }

  assert {
    condition = alltrue([for repository in aws_ecr_repository.this :
      repository.encryption_configuration[0].encryption_type == "KMS" && repository.encryption_configuration[0].kms_key == var.kms_key_arn
    ])
    error_message = "Layers are encrypted with the platform's key."
  }

  assert {
    condition     = alltrue([for repository in aws_ecr_repository.this : repository.force_delete == false])
    error_message = "A destroy must not take images along unless somebody says so."
  }
}

run "old_images_go_and_a_way_back_stays" {
  command = plan

  assert {
    condition = alltrue([for policy in aws_ecr_lifecycle_policy.this :
      [for rule in jsondecode(policy.policy).rules : rule.selection.countNumber if rule.selection.tagStatus == "any"] == [30]
    ])
    error_message = "Thirty images are kept per repository."
  }

  assert {
    condition     = length(aws_ecr_lifecycle_policy.this) == 2
    error_message = "Every repository has its lifecycle."
  }
}

run "keeping_too_few_images_to_go_back_is_refused" {
  command = plan

  variables {
    keep_images = 1
  }

  expect_failures = [var.keep_images]
}
