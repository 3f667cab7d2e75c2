# What the next step needs. Nothing here is a secret.

output "url" {
  description = "Where the detector answers, and the audience of the ID tokens that it takes."
  value       = local.url
}

output "project" {
  description = "Where the detector runs."
  value       = var.project
}

output "region" {
  description = "Where in the project it runs."
  value       = var.region
}

output "image" {
  description = "What runs; absent as long as there is no service."
  value       = var.image
}

output "repository" {
  description = "Where images are pushed to."
  value       = google_artifact_registry_repository.images.registry_uri
}

output "revision" {
  description = "The newest revision that is ready, for the day when it has to be named."
  value       = one(google_cloud_run_v2_service.detector[*].latest_ready_revision)
}

output "proxy_service_account" {
  description = "Who the proxy becomes when it asks for an ID token."
  value       = google_service_account.proxy.email
}

output "credential_configuration" {
  description = "How the proxy on Lambda proves to Google who it is."
  # Lambda has its credentials in the environment. No address of an instance's metadata is given, above all not
  # imdsv2_session_token_url: google-cloud-auth would ask there first, and fail, because on Lambda nobody answers.
  value = jsonencode({
    type               = "external_account"
    audience           = "//iam.googleapis.com/${google_iam_workload_identity_pool_provider.aws.name}"
    subject_token_type = "urn:ietf:params:aws:token-type:aws4_request"
    token_url          = "https://sts.googleapis.com/v1/token"
    # Whom the proxy becomes; it asks this account's neighbour method for its ID token.
    service_account_impersonation_url = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/${google_service_account.proxy.email}:generateAccessToken"
    credential_source = {
      environment_id                 = "aws1"
      regional_cred_verification_url = "https://sts.{region}.amazonaws.com?Action=GetCallerIdentity&Version=2011-06-15"
    }
  })
}

output "largest_daily_bill_usd" {
  description = "What Vision costs on a day on which every instance spends all of its units, at 1.50 USD per 1,000."
  value       = var.detector == "vision" ? var.max_instances * var.units_per_day * 1.50 / 1000 : 0
}
