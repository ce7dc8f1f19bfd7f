{{- /* SPDX-License-Identifier: Apache-2.0 */ -}}
{{- define "clickhouse.name" -}}
{{- default .Release.Name .Values.name | trunc 60 | trimSuffix "-" -}}
{{- end -}}

{{- define "clickhouse.keeper" -}}
{{- if .Values.keeper.existing -}}
{{- .Values.keeper.existing -}}
{{- else -}}
{{- printf "%s-keeper" (include "clickhouse.name" .) | trunc 60 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Labels and annotations of a resource go on to its pods: one with the chart's version would restart every server when
the chart changes, and one with the release would tell tools that they own objects that they do not. */ -}}
{{- define "clickhouse.meta" -}}
{{- with .Values.labels }}
labels:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "clickhouse.claim" -}}
accessModes: ["ReadWriteOnce"]
{{- with .className }}
storageClassName: {{ . }}
{{- end }}
resources:
  requests:
    storage: {{ .size }}
{{- end -}}

{{- define "clickhouse.spec" -}}
{{- with .Values.reconcile }}
reconcile:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.chfleet }}
chfleet:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- if eq .Values.stop "yes" }}
stop: "yes"
{{- end }}
defaults:
  templates:
    podTemplate: clickhouse
    dataVolumeClaimTemplate: data
    serviceTemplate: balancer
configuration:
  {{- if or .Values.keeper.enabled .Values.keeper.existing }}
  zookeeper:
    keeper:
      name: {{ include "clickhouse.keeper" . }}
    {{- with .Values.zookeeper.root }}
    root: {{ . }}
    {{- end }}
  {{- else if .Values.zookeeper.nodes }}
  zookeeper:
    nodes:
      {{- toYaml .Values.zookeeper.nodes | nindent 6 }}
    {{- with .Values.zookeeper.root }}
    root: {{ . }}
    {{- end }}
  {{- end }}
  clusters:
    - name: {{ .Values.cluster.name }}
      layout:
        shardsCount: {{ .Values.cluster.shards }}
        replicasCount: {{ .Values.cluster.replicas }}
  {{- range $section := list "users" "profiles" "quotas" "settings" "files" }}
  {{- with index $.Values $section }}
  {{ $section }}:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- end }}
templates:
  podTemplates:
    - name: clickhouse
      {{- with .Values.zones }}
      zone:
        values:
          {{- toYaml . | nindent 10 }}
      {{- end }}
      {{- with .Values.distribution }}
      podDistribution:
        - type: {{ . }}
      {{- end }}
      spec:
        {{- with .Values.nodeSelector }}
        nodeSelector:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        {{- with .Values.tolerations }}
        tolerations:
          {{- toYaml . | nindent 10 }}
        {{- end }}
        containers:
          - name: clickhouse
            image: "{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}"
            imagePullPolicy: {{ .Values.image.pullPolicy }}
            {{- with .Values.resources }}
            resources:
              {{- toYaml . | nindent 14 }}
            {{- end }}
  serviceTemplates:
    - name: balancer
      {{- with .Values.service.annotations }}
      metadata:
        annotations:
          {{- toYaml . | nindent 10 }}
      {{- end }}
      spec:
        type: {{ .Values.service.type }}
        ports:
          - name: http
            port: 8123
          - name: tcp
            port: 9000
  volumeClaimTemplates:
    - name: data
      reclaimPolicy: {{ .Values.storage.reclaimPolicy }}
      spec:
        {{- include "clickhouse.claim" .Values.storage | nindent 8 }}
{{- end -}}
