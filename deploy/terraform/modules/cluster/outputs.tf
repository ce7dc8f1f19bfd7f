# SPDX-License-Identifier: Apache-2.0

output "address" {
  description = "Where clients connect: port 8123 for HTTP, 9000 for the native protocol."
  value       = "clickhouse-${var.name}.${var.namespace}.svc"
}
