{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "chfleet.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- define "chfleet.fullname" -}}
{{- $name := include "chfleet.name" . -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "chfleet.selector" -}}
app.kubernetes.io/name: {{ include "chfleet.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "chfleet.labels" -}}
{{ include "chfleet.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "chfleet.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "chfleet.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- required "serviceAccount.name is needed when serviceAccount.create is false" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "chfleet.secret" -}}
{{- default (printf "%s-login" (include "chfleet.fullname" .)) .Values.login.secretName -}}
{{- end -}}

{{- /* The namespaces as a list of names, "." resolved: a JSON object, because includes give text. */ -}}
{{- define "chfleet.namespaces" -}}
{{- $out := list -}}
{{- range .Values.watchNamespaces -}}
{{- $out = append $out (ternary $.Release.Namespace . (eq . ".")) -}}
{{- end -}}
{{- dict "names" (uniq $out) | toJson -}}
{{- end -}}

{{- define "chfleet.config" -}}
{{- $login := dict "clickhouse" (dict "access" (dict "secret" (dict "namespace" .Release.Namespace "name" (include "chfleet.secret" .)))) -}}
{{- toYaml (mergeOverwrite $login (deepCopy .Values.config)) -}}
{{- end -}}
