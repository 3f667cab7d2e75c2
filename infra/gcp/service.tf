# The detector on Cloud Run. Nobody may call it but the proxy, and no flag here opens it to anybody else.

locals {
  name = "crosslens-detector"

  # Cloud Run also gives every service this address. Unlike the one with a hash it is known before the service exists, so
  # that the service can be told for whom a caller's token has to be made out.
  url = "https://${local.name}-${data.google_project.this.number}.${var.region}.run.app"

  settings = {
    CROSSLENS_DETECTOR      = var.detector
    CROSSLENS_AUDIENCE      = local.url
    CROSSLENS_ALLOW_CALLER  = google_service_account.proxy.email
    CROSSLENS_UNITS_PER_DAY = tostring(var.units_per_day)
    # The quota is the project's, and the instances know nothing of each other.
    CROSSLENS_QUOTA_PER_MINUTE = tostring(floor(var.vision_images_per_minute / var.max_instances))
    # Cloud Run does not say it, and the log needs it to name a trace.
    GOOGLE_CLOUD_PROJECT = var.project
  }
}

resource "google_cloud_run_v2_service" "detector" {
  count = var.image == null ? 0 : 1

  name        = local.name
  location    = var.region
  description = "Crosslens: what do these images show?"
  ingress     = "INGRESS_TRAFFIC_ALL"

  # It keeps nothing: what is deleted by mistake is back with the next apply.
  deletion_protection = false

  # All revisions together, so that a release does not double the bill.
  scaling {
    min_instance_count = var.min_instances
    max_instance_count = var.max_instances
  }

  template {
    service_account                  = google_service_account.detector.email
    max_instance_request_concurrency = var.concurrency
    timeout                          = "60s"

    # A revision that is reached by its tag only has no share in the service's maximum, and needs its own.
    scaling {
      max_instance_count = var.max_instances
    }

    containers {
      image = var.image

      ports {
        container_port = 8080
      }

      resources {
        limits = {
          cpu    = var.cpu
          memory = var.memory
        }
        # Paid while a request is worked on, not while an instance waits for the next one.
        cpu_idle          = true
        startup_cpu_boost = true
      }

      dynamic "env" {
        for_each = local.settings
        content {
          name  = env.key
          value = env.value
        }
      }

      startup_probe {
        period_seconds    = 1
        timeout_seconds   = 1
        failure_threshold = 30

        http_get {
          path = "/health/ready"
        }
      }

      liveness_probe {
        period_seconds    = 30
        timeout_seconds   = 5
        failure_threshold = 3

        http_get {
          path = "/health/live"
        }
      }
    }
  }

  dynamic "traffic" {
    for_each = var.traffic
    content {
      type     = traffic.value.revision == null ? "TRAFFIC_TARGET_ALLOCATION_TYPE_LATEST" : "TRAFFIC_TARGET_ALLOCATION_TYPE_REVISION"
      revision = traffic.value.revision
      percent  = traffic.value.percent
      tag      = traffic.value.tag
    }
  }

  depends_on = [google_project_service.used, google_project_iam_member.detector_uses_vision]
}

resource "google_cloud_run_v2_service_iam_member" "proxy_calls" {
  count = length(google_cloud_run_v2_service.detector)

  name     = google_cloud_run_v2_service.detector[count.index].name
  location = var.region
  role     = "roles/run.invoker"
  member   = google_service_account.proxy.member
}
