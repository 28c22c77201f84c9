{{/* Names. 40 characters leave room for what Kubernetes appends. */}}
{{- define "tacotune.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "tacotune.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "tacotune.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "tacotune.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "tacotune.postgresqlName" -}}
{{- include "tacotune.fullname" . }}-postgresql
{{- end -}}

{{/* Not "<...>-storage": so are the Secrets of studies called, and one might be called like the release. */}}
{{- define "tacotune.secretName" -}}
{{- .Values.postgresql.existingSecret | default (printf "%s-database" (include "tacotune.fullname" .)) -}}
{{- end -}}

{{/* Has nothing but the reader's URL: people may be let in here. `kubectl tacotune` looks for this name. */}}
{{- define "tacotune.readerName" -}}
{{- include "tacotune.fullname" . }}-reader
{{- end -}}

{{- define "tacotune.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "tacotune.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/* Labels of a component: (list . "operator"). */}}
{{- define "tacotune.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "tacotune.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{- define "tacotune.labels" -}}
{{- $root := index . 0 -}}
{{ include "tacotune.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Metadata below the name: (list . "operator" (dict "annotation" "value")). */}}
{{- define "tacotune.metadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "tacotune.labels" . | nindent 2 }}
{{- with merge (dict) (index . 2) $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* Of an object that somebody's Prometheus or Grafana finds by labels of its own: (list . (dict "release" "prometheus")). */}}
{{- define "tacotune.monitoringMetadata" -}}
{{- $root := index . 0 -}}
labels:
  {{- include "tacotune.labels" (list $root "operator") | nindent 2 }}
  {{- with index . 1 }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- with $root.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "tacotune.image" -}}
{{- $image := index . 1 -}}
{{- if $image.digest -}}
{{ $image.repository }}@{{ $image.digest }}
{{- else -}}
{{ $image.repository }}:{{ $image.tag | default (index . 0).Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{/* Pod security "restricted", and a root that cannot be written. */}}
{{- define "tacotune.podSecurity" -}}
runAsNonRoot: true
runAsUser: {{ . }}
runAsGroup: {{ . }}
fsGroup: {{ . }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "tacotune.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* Where a pod may be placed: the operator's or Postgres's values. */}}
{{- define "tacotune.placement" -}}
{{- $chosen := dict }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "topologySpreadConstraints" "priorityClassName" }}
{{- with get $ $field }}{{ $_ := set $chosen $field . }}{{ end }}
{{- end }}
{{- with $chosen }}{{ toYaml . }}{{ end }}
{{- end -}}

{{- define "tacotune.pullSecrets" -}}
{{- with .Values.imagePullSecrets -}}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Where Postgres listens, as pods of every namespace name it. */}}
{{- define "tacotune.postgresqlHost" -}}
{{- include "tacotune.postgresqlName" . }}{{ if eq .Values.postgresql.mode "cnpg" }}-rw{{ end }}.{{ .Release.Namespace }}.svc
{{- end -}}

{{/* One URL from the Secret: (list . "TACOTUNE_STORAGE_URL" "owner"). A database of somebody else's may do without some. */}}
{{- define "tacotune.url" -}}
{{- $root := index . 0 -}}
{{- $optional := and (eq $root.Values.postgresql.mode "external") (not (has (index . 2) (list "owner" "trial"))) -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef:
      name: {{ include "tacotune.secretName" $root }}
      key: {{ index . 2 }}-uri
      {{- if $optional }}
      optional: true
      {{- end }}
{{- end -}}

{{/* The URLs of all roles but the administrator's. */}}
{{- define "tacotune.urls" -}}
{{ include "tacotune.url" (list . "TACOTUNE_STORAGE_URL" "owner") }}
{{ include "tacotune.url" (list . "TACOTUNE_TRIAL_STORAGE_URL" "trial") }}
{{ include "tacotune.url" (list . "TACOTUNE_READER_STORAGE_URL" "reader") }}
{{ include "tacotune.url" (list . "TACOTUNE_MLFLOW_STORAGE_URL" "mlflow") }}
{{- end -}}

{{- define "tacotune.adminUrl" -}}
{{- if eq .Values.postgresql.mode "cnpg" -}}
- name: POSTGRES_USER
  valueFrom: {secretKeyRef: {name: {{ include "tacotune.postgresqlName" . }}-superuser, key: username}}
- name: POSTGRES_PASSWORD
  valueFrom: {secretKeyRef: {name: {{ include "tacotune.postgresqlName" . }}-superuser, key: password}}
- name: TACOTUNE_ADMIN_STORAGE_URL
  value: postgresql://$(POSTGRES_USER):$(POSTGRES_PASSWORD)@{{ include "tacotune.postgresqlHost" . }}:5432/postgres?sslmode=require
{{- else -}}
{{ include "tacotune.url" (list . "TACOTUNE_ADMIN_STORAGE_URL" "admin") }}
{{- end -}}
{{- end -}}

{{/* What the operator is told of dashboards, as JSON (handlers/page_settings.py). */}}
{{- define "tacotune.dashboards" -}}
{{- $dashboards := .Values.dashboards }}
{{- $annotations := $dashboards.ingress.annotations }}
{{- if $dashboards.oauth2Proxy.enabled }}
{{- $inside := printf "http://%s-oauth2-proxy.%s.svc:4180/oauth2/auth" (include "tacotune.fullname" .) .Release.Namespace }}
{{- $outside := printf "https://%s/oauth2/start?rd=$scheme://$host$escaped_request_uri" $dashboards.oauth2Proxy.host }}
{{- $annotations = merge (dict) $annotations (dict "nginx.ingress.kubernetes.io/auth-url" $inside "nginx.ingress.kubernetes.io/auth-signin" $outside) }}
{{- end }}
{{- $ingress := dict "enabled" $dashboards.ingress.enabled "className" $dashboards.ingress.className "annotations" $annotations "tlsSecret" $dashboards.ingress.tlsSecret }}
{{- dict "image" (include "tacotune.image" (list . $dashboards.image)) "imagePullPolicy" $dashboards.image.pullPolicy "resources" $dashboards.resources "host" $dashboards.host "ingress" $ingress "httpRoute" $dashboards.httpRoute | toJson }}
{{- end -}}

{{/* What a schema cannot say. */}}
{{- define "tacotune.validate" -}}
{{- with .Values.dashboards }}
{{- if and (or .ingress.enabled .httpRoute.enabled) (not .host) -}}
{{- fail "dashboards.host is needed with dashboards.ingress and dashboards.httpRoute: \"{dashboard}-{study}.voices.example.org\"" -}}
{{- end -}}
{{- if and .httpRoute.enabled (not .httpRoute.parentRefs) -}}
{{- fail "dashboards.httpRoute.parentRefs names the Gateway: [{name: web, namespace: gateways}]" -}}
{{- end -}}
{{- if .oauth2Proxy.enabled -}}
{{- if not (and .ingress.enabled .oauth2Proxy.host .oauth2Proxy.existingSecret) -}}
{{- fail "dashboards.oauth2Proxy needs dashboards.ingress.enabled, dashboards.oauth2Proxy.host and dashboards.oauth2Proxy.existingSecret" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if ge (int .Values.postgresql.trialConnections) (int .Values.postgresql.maxConnections) -}}
{{- fail "postgresql.trialConnections must stay below postgresql.maxConnections: the operator and the dashboards need some too" -}}
{{- end -}}
{{- end -}}
