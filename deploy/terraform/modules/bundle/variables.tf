# SPDX-License-Identifier: Apache-2.0

variable "kubeconfig" {
  type    = string
  default = "~/.kube/config"
}

variable "namespace" {
  description = "Where the operator runs."
  type        = string
  default     = "chfleet"

  validation {
    condition     = can(regex("^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$", var.namespace))
    error_message = "This is no name of a namespace."
  }
}

variable "image" {
  description = "The operator's image, with its tag."
  type        = string
}

variable "watch_namespaces" {
  description = "Namespaces whose installations are managed; none is all of them."
  type        = list(string)
  default     = []
}

variable "manifests" {
  description = "Folder with *.yaml of installations."
  type        = string
}

variable "kubectl_options" {
  description = "How kubectl applies."
  type        = string
  default     = "--server-side --field-manager=terraform"
}
