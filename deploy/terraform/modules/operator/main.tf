# SPDX-License-Identifier: Apache-2.0
# The operator, from the Helm chart of this repository.

terraform {
  required_version = ">= 1.3"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 1.3.2, < 3.0"
    }
  }
}

resource "helm_release" "chfleet" {
  name             = var.name
  namespace        = var.namespace
  create_namespace = true
  chart            = coalesce(var.chart, "${path.module}/../../../helm/chfleet")
  timeout          = 300
  atomic           = true

  values = [yamlencode(merge({
    image           = { repository = var.image_repository, tag = var.image_tag }
    watchNamespaces = var.watch_namespaces
    login           = { create = false, secretName = var.login_secret }
  }, var.values))]
}
