# Where the service's images lie.

resource "google_artifact_registry_repository" "images" {
  #checkov:skip=CKV_GCP_84:Google's own keys encrypt the images; they hold no secret, and a lost key of ours would make every rollback impossible.
  repository_id = "crosslens"
  location      = var.region
  description   = "Images of the Crosslens detector"
  format        = "DOCKER"

  cleanup_policies {
    id     = "keep-the-last-ten"
    action = "KEEP"

    most_recent_versions {
      keep_count = 10
    }
  }

  cleanup_policies {
    id     = "delete-after-30-days"
    action = "DELETE"

    condition {
      older_than = "2592000s"
    }
  }

  depends_on = [google_project_service.used]
}
