# SPDX-License-Identifier: Apache-2.0
# The operator from deploy/bundle.sh and manifests from a folder, applied with kubectl: for machines that get no provider
# from a registry. Needs bash and kubectl. A change of image, options or manifests applies again; "terraform destroy"
# removes nothing from the cluster, because removing CustomResourceDefinitions would remove every installation.

terraform {
  required_version = ">= 1.4"
}

locals {
  bundle = "${path.module}/../../../bundle.sh"
  options = concat(
    ["--namespace", var.namespace, "--image", var.image, "--no-secret"],
    ["--watch", length(var.watch_namespaces) == 0 ? "all" : join(",", var.watch_namespaces)],
  )
  files = fileset(var.manifests, "*.yaml")
}

resource "terraform_data" "operator" {
  triggers_replace = {
    options = local.options
    parts   = sha256(join("", [for f in sort(fileset("${path.module}/../../..", "{crds,rbac,kustomize}/**/*.yaml")) : filesha256("${path.module}/../../../${f}")]))
  }

  provisioner "local-exec" {
    interpreter = ["bash", "-euo", "pipefail", "-c"]
    command     = "\"$BUNDLE\" $OPTIONS | kubectl --kubeconfig \"$KUBECONFIG_FILE\" apply $KUBECTL_OPTIONS -f -"
    environment = {
      BUNDLE          = local.bundle
      OPTIONS         = join(" ", local.options)
      KUBECONFIG_FILE = pathexpand(var.kubeconfig)
      KUBECTL_OPTIONS = var.kubectl_options
    }
  }
}

resource "terraform_data" "manifests" {
  depends_on = [terraform_data.operator]
  for_each   = local.files

  triggers_replace = filesha256("${var.manifests}/${each.value}")

  provisioner "local-exec" {
    interpreter = ["bash", "-euo", "pipefail", "-c"]
    command     = "kubectl --kubeconfig \"$KUBECONFIG_FILE\" apply $KUBECTL_OPTIONS -f \"$FILE\""
    environment = {
      FILE            = "${var.manifests}/${each.value}"
      KUBECONFIG_FILE = pathexpand(var.kubeconfig)
      KUBECTL_OPTIONS = var.kubectl_options
    }
  }
}
