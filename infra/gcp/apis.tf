# The APIs that are used. They stay on when this is destroyed: something else in the project may use them too.

resource "google_project_service" "used" {
  for_each = toset([
    "artifactregistry.googleapis.com",
    "billingbudgets.googleapis.com",
    "cloudresourcemanager.googleapis.com",
    "iam.googleapis.com",
    "iamcredentials.googleapis.com",
    "monitoring.googleapis.com",
    "run.googleapis.com",
    "sts.googleapis.com",
    "vision.googleapis.com",
  ])

  service            = each.value
  disable_on_destroy = false
}
