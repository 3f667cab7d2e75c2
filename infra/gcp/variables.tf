# What an operator decides. Without a default: where it runs, who calls it, who pays.

variable "project" {
  description = "The project's id."
  type        = string
}

variable "region" {
  description = "Where the service and its images live."
  type        = string
  default     = "europe-west1"
}

variable "aws_account_id" {
  description = "The AWS account of the proxy."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.aws_account_id))
    error_message = "An AWS account id has 12 digits."
  }
}

variable "aws_region" {
  description = "The AWS region of the proxy."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.aws_region))
    error_message = "A region such as eu-central-1."
  }
}

variable "stage" {
  description = "Which of several stacks side by side this is. The roles of the proxy's functions have it in their names, and a stage has a Google project of its own."
  type        = string

  # Google's subject holds 127 characters, a function's role and name among them.
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{0,11}$", var.stage))
    error_message = "1 to 12 small letters, digits and hyphens, a letter first."
  }
}

variable "billing_account" {
  description = "The billing account's id, such as 012345-6789AB-CDEF01."
  type        = string
}

variable "budget_email" {
  description = "Who is written to when half, nine tenths and all of the budget are spent."
  type        = string
}

variable "budget_amount" {
  description = "The budget of a calendar month, in whole units of the billing account's currency. It warns; it stops nothing."
  type        = number
  default     = 50
}

variable "pool" {
  description = "The id of the workload identity pool. A deleted pool keeps its id for 30 days."
  type        = string
  default     = "crosslens"
}

variable "image" {
  description = "The image by digest, such as …/detector-gcp@sha256:…. Without one everything but the service is made."
  type        = string
  default     = null

  validation {
    condition     = var.image == null || can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "Name the image by its digest: a tag can be moved, and a rollback must bring back what ran."
  }
}

variable "detector" {
  description = "Who answers: vision (Google Vision, paid by the unit) or local (the model in an image built with MODEL=local)."
  type        = string
  default     = "vision"

  validation {
    condition     = contains(["vision", "local"], var.detector)
    error_message = "vision or local."
  }
}

variable "min_instances" {
  description = "Instances that are kept warm. 0 costs nothing while nobody asks."
  type        = number
  default     = 0
}

variable "max_instances" {
  description = "The most instances at a time. The largest daily bill is proportional to it."
  type        = number
  default     = 3

  validation {
    condition     = var.max_instances >= 1 && var.max_instances <= 100
    error_message = "1 to 100."
  }
}

variable "concurrency" {
  description = "Requests that one instance works on at a time. Each may hold a picture of 20 MB; memory has to match."
  type        = number
  default     = 32
}

variable "cpu" {
  description = "Processors of an instance: 1, 2, 4 or 8."
  type        = string
  default     = "1"
}

variable "memory" {
  description = "Memory of an instance."
  type        = string
  default     = "1Gi"
}

variable "units_per_day" {
  description = "Vision units (features × images) that one instance may spend a day. After that it answers 429."
  type        = number
  default     = 10000
}

variable "vision_images_per_minute" {
  description = "The project's quota of images a minute, shared out among the instances."
  type        = number
  default     = 1800

  validation {
    condition     = var.vision_images_per_minute >= var.max_instances
    error_message = "Every instance needs at least one image a minute."
  }
}

variable "traffic" {
  description = "Which revision answers how many of a hundred requests. No revision means the newest; a tag gives a revision an address of its own."
  type = list(object({
    percent  = number
    revision = optional(string)
    tag      = optional(string)
  }))
  default = [{ percent = 100 }]

  validation {
    condition     = sum(var.traffic[*].percent) == 100
    error_message = "The percentages have to add up to 100."
  }
}

variable "testers" {
  description = "Who may ask the service in the proxy's name from a shell, such as user:ada@example.com. Empty outside of tests."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for one in var.testers : can(regex("^(user|group|serviceAccount):.+@.+$", one))])
    error_message = "user:…, group:… or serviceAccount:… with an address; nobody else."
  }
}
