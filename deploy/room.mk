# SPDX-License-Identifier: Apache-2.0
# Nothing here is compiled: install files, see docs/install.md.
EXTRA_DIST += docs/monitoring.md docs/install.md docs/knobs.md docs/migration.md docs/security.md debian deploy/Dockerfile deploy/Dockerfile.dockerignore deploy/ansible deploy/argocd deploy/bundle.sh \
	deploy/chfleet.yaml deploy/crds/kustomization.yaml deploy/generate.sh deploy/grafana deploy/helm deploy/icu-empty.c deploy/image-root.sh \
	deploy/kustomize deploy/prometheus deploy/rbac deploy/sync.sh deploy/systemd deploy/terraform

# After a change of a part of deploy/ or of the CRDs.
deploy-update:
	$(srcdir)/deploy/generate.sh
.PHONY: deploy-update
