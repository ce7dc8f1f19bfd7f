# SPDX-License-Identifier: Apache-2.0
# One ClickHouse cluster with its Keeper, from the Helm chart of this repository.

terraform {
  required_version = ">= 1.3"
  required_providers {
    helm = {
      source  = "hashicorp/helm"
      version = ">= 1.3.2, < 3.0"
    }
  }
}

resource "helm_release" "cluster" {
  name             = var.name
  namespace        = var.namespace
  create_namespace = true
  chart            = coalesce(var.chart, "${path.module}/../../../helm/clickhouse")

  values = [yamlencode(merge({
    cluster = { shards = var.shards, replicas = var.replicas }
    image   = { tag = var.clickhouse_version }
    storage = { size = var.storage_size, className = var.storage_class, reclaimPolicy = "Retain" }
  }, var.values))]
}
