terraform {
  required_version = ">= 1.11"

  # Empty on purpose: `terraform init -backend-config=backend.hcl` says where the state lies (backend.hcl.example).
  backend "s3" {}

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = ">= 5.100, < 7.0"
    }
  }
}
