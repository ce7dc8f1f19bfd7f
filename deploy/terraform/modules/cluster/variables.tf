# SPDX-License-Identifier: Apache-2.0

variable "name" {
  description = "Name of the release and of the ClickHouseInstallation."
  type        = string
}

variable "namespace" {
  description = "Namespace of the cluster; made when it is not there."
  type        = string
}

variable "chart" {
  description = "The chart: a folder, an archive or a reference. Null: the one of this repository."
  type        = string
  default     = null
}

variable "shards" {
  type    = number
  default = 1
}

variable "replicas" {
  type    = number
  default = 2
}

variable "clickhouse_version" {
  description = "Tag of the server's image. Another one is a rolling upgrade."
  type        = string
}

variable "storage_size" {
  type    = string
  default = "10Gi"
}

variable "storage_class" {
  description = "Empty: the default StorageClass."
  type        = string
  default     = ""
}

variable "values" {
  description = "More values of the chart; they win over the ones above."
  type        = any
  default     = {}
}
