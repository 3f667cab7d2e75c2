# Who is who, without a single key: the detector's own account, and the account that the proxy on AWS may act as.

resource "google_service_account" "detector" {
  account_id   = local.name
  display_name = "Crosslens detector: runs the service, asks Vision"
  depends_on   = [google_project_service.used]
}

# Vision has no roles of its own (roles/visionai.* are another product's): it asks for the right to use the APIs of the
# project that pays, and this is the role with that right and without any resource.
resource "google_project_iam_member" "detector_uses_vision" {
  project = var.project
  role    = "roles/serviceusage.serviceUsageConsumer"
  member  = google_service_account.detector.member
}

resource "google_service_account" "proxy" {
  account_id   = "crosslens-proxy"
  display_name = "Crosslens proxy: calls the detector, from AWS"
  depends_on   = [google_project_service.used]
}

locals {
  # The roles of the functions that ask a detector, as infra/aws/template.yaml names them.
  aws_roles = [for function in ["http", "uploads", "backfill", "label-messages"] : "crosslens-${var.stage}-${function}-${var.aws_region}"]
  # A Lambda function signs as an assumed role; the session's name behind it is left out.
  aws_sessions = [for role in local.aws_roles : "arn:aws:sts::${var.aws_account_id}:assumed-role/${role}"]
}

resource "google_iam_workload_identity_pool" "proxy" {
  workload_identity_pool_id = var.pool
  display_name              = "Crosslens proxy"
  description               = "Callers of the Crosslens detector that run outside of Google Cloud"
  depends_on                = [google_project_service.used]
}

resource "google_iam_workload_identity_pool_provider" "aws" {
  #checkov:skip=CKV_GCP_125:It is about tokens of GitHub Actions and fails on every provider without an oidc block; this one takes those of three AWS roles.
  workload_identity_pool_id          = google_iam_workload_identity_pool.proxy.workload_identity_pool_id
  workload_identity_pool_provider_id = "crosslens-aws"
  display_name                       = "AWS, the proxy's roles"

  attribute_mapping = {
    "google.subject"     = "assertion.arn"
    "attribute.aws_role" = "assertion.arn.extract('{account}assumed-role/') + 'assumed-role/' + assertion.arn.extract('assumed-role/{role}/')"
  }
  # The account alone would let in every role of it.
  attribute_condition = "attribute.aws_role in ${jsonencode(local.aws_sessions)}"

  aws {
    account_id = var.aws_account_id
  }
}

# On this one account, not on the project: the proxy can become nobody else.
resource "google_service_account_iam_member" "role_is_proxy" {
  for_each = {
    for pair in setproduct(local.aws_sessions, ["roles/iam.workloadIdentityUser", "roles/iam.serviceAccountOpenIdTokenCreator"]) :
    join(" ", pair) => { session = pair[0], role = pair[1] }
  }

  service_account_id = google_service_account.proxy.name
  role               = each.value.role
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.proxy.name}/attribute.aws_role/${each.value.session}"
}

resource "google_service_account_iam_member" "tester_is_proxy" {
  for_each = toset(var.testers)

  service_account_id = google_service_account.proxy.name
  role               = "roles/iam.serviceAccountOpenIdTokenCreator"
  member             = each.value
}
