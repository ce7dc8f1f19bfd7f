# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "Name of the release."
  type        = string
  default     = "chfleet"
}

variable "namespace" {
  description = "Where the operator runs; made when it is not there."
  type        = string
  default     = "chfleet"
}

variable "chart" {
  description = "The chart: a folder, an archive or a reference. Null: the one of this repository."
  type        = string
  default     = null
}

variable "image_repository" {
  description = "Where the image of deploy/Dockerfile was pushed to."
  type        = string
}

variable "image_tag" {
  description = "Empty: the version of the chart."
  type        = string
  default     = ""
}

variable "watch_namespaces" {
  description = "Namespaces whose installations are managed; none is all of them."
  type        = list(string)
  default     = []
}

variable "login_secret" {
  description = "Secret in the operator's namespace with username and password of its login to the databases. It is not made here, so that the password is not in the state."
  type        = string
}

variable "values" {
  description = "More values of the chart; they win over the ones above."
  type        = any
  default     = {}
}
