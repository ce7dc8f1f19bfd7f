# SPDX-License-Identifier: Apache-2.0

# The operator and one cluster: terraform init && terraform apply -var image_repository=registry.example.com/chfleet
# Before: kubectl create namespace chfleet && kubectl -n chfleet create secret generic chfleet-login \
#           --from-literal=username=clickhouse_operator --from-literal=password=...

variable "kubeconfig" {
  type    = string
  default = "~/.kube/config"
}

variable "image_repository" {
  type = string
}

provider "helm" {
  kubernetes {
    config_path = var.kubeconfig
  }
}

module "operator" {
  source           = "../modules/operator"
  image_repository = var.image_repository
  login_secret     = "chfleet-login"
}

module "shop" {
  source             = "../modules/cluster"
  depends_on         = [module.operator]
  name               = "shop"
  namespace          = "shop"
  shards             = 2
  replicas           = 2
  clickhouse_version = "24.8"

  values = {
    chfleet = {
      windows = [{ days = ["Sat", "Sun"], start = "02:00", duration = "4h", timezone = "Europe/Berlin" }]
    }
  }
}

output "address" {
  value = module.shop.address
}
