# The bucket: nobody's but ours, encrypted on disk and on the way, and forgiving.

mock_provider "aws" {
  source = "../../mocks/aws"
}

variables {
  bucket      = "sluice-test-bucket"
  kms_key_arn = "arn:aws:kms:us-east-2:123456789012:key/11111111-2222-3333-4444-555555555555"
}

run "nothing_in_it_can_become_public" {
  command = plan

  assert {
    condition = (
      aws_s3_bucket_public_access_block.this.block_public_acls && aws_s3_bucket_public_access_block.this.block_public_policy &&
      aws_s3_bucket_public_access_block.this.ignore_public_acls && aws_s3_bucket_public_access_block.this.restrict_public_buckets
    )
    error_message = "All four doors to the public are shut."
  }

  assert {
    condition     = aws_s3_bucket_ownership_controls.this.rule[0].object_ownership == "BucketOwnerEnforced"
    error_message = "Objects belong to the bucket's owner, and no ACL says otherwise."
  }
}

run "objects_are_encrypted_with_the_platforms_key" {
  command = plan

  assert {
    condition = alltrue([for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.bucket_key_enabled &&
      rule.apply_server_side_encryption_by_default[0].sse_algorithm == "aws:kms" &&
      rule.apply_server_side_encryption_by_default[0].kms_master_key_id == var.kms_key_arn
    ])
    error_message = "Objects are encrypted under KMS, with a bucket key."
  }
}

run "a_request_without_tls_is_denied" {
  command = apply

  assert {
    condition = anytrue([for statement in jsondecode(aws_s3_bucket_policy.this.policy).Statement :
      statement.Effect == "Deny" && statement.Principal == "*" && statement.Action == "s3:*" &&
      statement.Condition.Bool["aws:SecureTransport"] == "false" &&
      toset(statement.Resource) == toset([aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"])
    ])
    error_message = "The policy denies every request that came without TLS, to the bucket and to its objects."
  }
}

run "what_was_overwritten_can_be_had_back_for_a_month" {
  command = plan

  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "Versions are kept."
  }

  assert {
    condition = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      rule.status == "Enabled" && try(rule.noncurrent_version_expiration[0].noncurrent_days, 0) == 30
    ])
    error_message = "Old versions end after 30 days: kept for ever, they would be paid for ever."
  }

  assert {
    condition = anytrue([for rule in aws_s3_bucket_lifecycle_configuration.this.rule :
      rule.status == "Enabled" && try(rule.abort_incomplete_multipart_upload[0].days_after_initiation, 0) == 7
    ])
    error_message = "Parts of uploads that broke off are invisible and cost; they go after a week."
  }
}

run "objects_end_only_under_prefixes_that_were_named" {
  command = plan

  variables {
    expire_prefixes = { "inputs/" = 90 }
  }

  assert {
    condition = [for rule in aws_s3_bucket_lifecycle_configuration.this.rule : {
      prefix = rule.filter[0].prefix, days = rule.expiration[0].days
    } if startswith(rule.id, "expire-")] == [{ prefix = "inputs/", days = 90 }]
    error_message = "inputs/ ends after 90 days, and nothing else does."
  }
}

run "a_name_with_a_dot_is_refused" {
  command = plan

  variables {
    bucket = "sluice.test"
  }

  expect_failures = [var.bucket]
}
