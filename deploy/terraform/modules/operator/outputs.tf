# SPDX-License-Identifier: Apache-2.0

output "namespace" {
  description = "Where the operator runs. Clusters that use it depend on this."
  value       = helm_release.chfleet.namespace
}
