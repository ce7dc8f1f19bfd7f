# SPDX-License-Identifier: Apache-2.0
# The operator and the clusters in ../../ansible/manifests, without a provider from a registry:
#   terraform init && terraform apply -var image=registry.example.com/chfleet:0.1.0

variable "image" {
  type = string
}

variable "kubeconfig" {
  type    = string
  default = "~/.kube/config"
}

variable "kubectl_options" {
  type    = string
  default = "--server-side --field-manager=terraform"
}

module "chfleet" {
  source          = "../modules/bundle"
  image           = var.image
  kubeconfig      = var.kubeconfig
  kubectl_options = var.kubectl_options
  manifests       = "${path.root}/../../ansible/manifests"
}
