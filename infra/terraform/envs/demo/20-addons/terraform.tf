terraform {
  required_version = ">= 1.11, < 2.0"

  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 3.1, < 4.0"
    }
  }

  # What it is called is said at init: backend.hcl.example.
  backend "s3" {}
}
