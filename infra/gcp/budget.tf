# A mail before the bill. It comes hours late and stops nothing: what limits the spending are units_per_day and
# max_instances in the service, and the quota that Vision gives the project.

resource "google_monitoring_notification_channel" "budget" {
  display_name = "Crosslens budget"
  type         = "email"

  labels = {
    email_address = var.budget_email
  }

  depends_on = [google_project_service.used]
}

resource "google_billing_budget" "month" {
  provider = google.billing

  billing_account = var.billing_account
  display_name    = "Crosslens, ${var.project}"

  budget_filter {
    projects        = ["projects/${data.google_project.this.number}"]
    calendar_period = "MONTH"
  }

  amount {
    specified_amount {
      units = tostring(var.budget_amount)
    }
  }

  dynamic "threshold_rules" {
    for_each = [0.5, 0.9, 1.0]
    content {
      threshold_percent = threshold_rules.value
    }
  }

  all_updates_rule {
    monitoring_notification_channels = [google_monitoring_notification_channel.budget.id]
  }

  depends_on = [google_project_service.used]
}
