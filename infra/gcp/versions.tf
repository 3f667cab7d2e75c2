# Which Terraform and which provider this is written for, and in whose name the provider works.

terraform {
  required_version = ">= 1.9"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 7.1, < 9.0"
    }
  }
}

provider "google" {
  project = var.project
  region  = var.region
}

# The budgets API belongs to no project, so it wants to be told which one answers for the call.
provider "google" {
  alias                 = "billing"
  project               = var.project
  billing_project       = var.project
  user_project_override = true
}

data "google_project" "this" {
  project_id = var.project
}
