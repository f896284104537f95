terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    kubernetes = {
      source  = "hashicorp/kubernetes"
      version = ">= 2.38, < 3.0"
    }
  }

  # What it is called is said at init: backend.hcl.example.
  backend "s3" {}
}
