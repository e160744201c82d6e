{{/* Names and labels: what is in a selector must never change between versions. */}}

{{- define "nova.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 45 characters, so that the longest suffix, "-housekeeping" and a CronJob's 11 of its own, fits into 63. */}}
{{- define "nova.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- include "nova.short" .Values.fullnameOverride -}}
{{- else if contains (include "nova.name" .) .Release.Name -}}
{{- include "nova.short" .Release.Name -}}
{{- else -}}
{{- include "nova.short" (printf "%s-%s" .Release.Name (include "nova.name" .)) -}}
{{- end -}}
{{- end -}}

{{/* A name that is cut keeps a part of its digest: two long releases of one beginning stay apart. */}}
{{- define "nova.short" -}}
{{- if gt (len .) 38 -}}
{{- printf "%s-%s" (. | trunc 31 | trimSuffix "-") (sha256sum . | trunc 6) -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "component" "web") */}}
{{- define "nova.componentName" -}}
{{- printf "%s-%s" (include "nova.fullname" .root) .component -}}
{{- end -}}

{{- define "nova.selectorLabels" -}}
app.kubernetes.io/name: {{ include "nova.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "nova.labels" -}}
{{ include "nova.selectorLabels" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: nova-realtime
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end -}}

{{- define "nova.metadata" -}}
name: {{ include "nova.componentName" . }}
namespace: {{ .root.Release.Namespace }}
labels:
  {{- include "nova.labels" . | nindent 2 }}
{{- end -}}

{{- define "nova.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end -}}

{{/* The values of `pods` with the component's own over them. (dict "root" $ "values" .Values.web) */}}
{{- define "nova.podValues" -}}
{{- mergeOverwrite (deepCopy .root.Values.pods) (default dict .values.pod) | toYaml -}}
{{- end -}}
