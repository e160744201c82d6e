{{/* What the containers get as variables: plain ones from a ConfigMap, secret ones by reference, never by value. */}}

{{- define "nova.secretName" -}}
{{- if .Values.secrets.existingSecret -}}
{{- .Values.secrets.existingSecret -}}
{{- else -}}
{{- include "nova.componentName" (dict "root" . "component" "secrets") -}}
{{- end -}}
{{- end -}}

{{- define "nova.secretVariable" -}}
- name: {{ .key }}
  valueFrom:
    secretKeyRef:
      name: {{ include "nova.secretName" .root }}
      key: {{ .key }}
{{- end -}}

{{- define "nova.redisHost" -}}
{{- if .Values.redis.bundled.enabled -}}
{{- include "nova.componentName" (dict "root" . "component" "redis") -}}
{{- else -}}
{{- .Values.redis.host -}}
{{- end -}}
{{- end -}}

{{- define "nova.databaseHost" -}}
{{- if .Values.database.bundled.enabled -}}
{{- include "nova.componentName" (dict "root" . "component" "postgres") -}}
{{- else -}}
{{- .Values.database.host -}}
{{- end -}}
{{- end -}}

{{/*
Kubernetes puts the password in the place of $(REDIS_PASSWORD) when the container starts. Without ssl_cert_reqs kombu 5.7
checks no certificate, whatever redis-py does.
*/}}
{{- define "nova.redisVariables" -}}
{{- $redis := .Values.redis -}}
{{- $login := ternary (printf "%s:$(REDIS_PASSWORD)@" $redis.username) "" $redis.auth -}}
{{- if $redis.auth }}
{{ include "nova.secretVariable" (dict "root" . "key" "REDIS_PASSWORD") }}
{{- end }}
- name: REDIS_URL
  value: {{ printf "%s://%s%s:%d/%d%s" (ternary "rediss" "redis" $redis.tls) $login (include "nova.redisHost" .) (int $redis.port) (int $redis.database) (ternary "?ssl_cert_reqs=required" "" $redis.tls) | quote }}
{{- end -}}

{{- define "nova.databaseVariables" -}}
{{- $database := .Values.database }}
{{ include "nova.secretVariable" (dict "root" . "key" "DATABASE_PASSWORD") }}
- name: DATABASE_URL
  value: {{ printf "postgres://%s:$(DATABASE_PASSWORD)@%s:%d/%s?sslmode=%s" $database.username (include "nova.databaseHost" .) (int $database.port) $database.name $database.sslmode | quote }}
{{- end -}}

{{/* Only what answers clients knows what signs their logins, their keys, the front door's secret and Agora's certificate. */}}
{{- define "nova.clientVariables" -}}
{{ include "nova.secretVariable" (dict "root" . "key" "DJANGO_SECRET_KEY") }}
{{ include "nova.secretVariable" (dict "root" . "key" "NOVA_API_KEYS") }}
{{- range .Values.secrets.extraKeys }}
{{ include "nova.secretVariable" (dict "root" $ "key" .) }}
{{- end }}
{{- with .Values.agora.appId }}
- name: AGORA_APP_ID
  value: {{ . | quote }}
{{ include "nova.secretVariable" (dict "root" $ "key" "AGORA_APP_CERTIFICATE") }}
{{- end }}
{{- end -}}

{{- define "nova.frontDoorVariables" -}}
{{- if and .Values.ingress.enabled (eq .Values.ingress.mode "cloudfront") }}
{{ include "nova.secretVariable" (dict "root" . "key" "NOVA_ORIGIN_SECRET") }}
{{- end }}
{{- end -}}

{{/* Host names under which the web's pods answer; the Service's own are for `helm test`. */}}
{{- define "nova.allowedHosts" -}}
{{- $service := include "nova.componentName" (dict "root" . "component" "web") -}}
{{- $hosts := list $service (printf "%s.%s" $service .Release.Namespace) (printf "%s.%s.svc" $service .Release.Namespace) -}}
{{- if .Values.ingress.enabled -}}{{- $hosts = append $hosts .Values.ingress.host -}}{{- end -}}
{{- if .Values.admin.enabled -}}{{- $hosts = append $hosts .Values.admin.host -}}{{- end -}}
{{- concat $hosts .Values.allowedHosts | uniq | join "," -}}
{{- end -}}

{{/* The page's own origin too: behind CloudFront the load balancer is reached by plain HTTP. */}}
{{- define "nova.allowedOrigins" -}}
{{- $origins := list -}}
{{- if .Values.ingress.enabled -}}{{- $origins = append $origins (printf "https://%s" .Values.ingress.host) -}}{{- end -}}
{{- if .Values.admin.enabled -}}{{- $origins = append $origins (printf "https://%s" .Values.admin.host) -}}{{- end -}}
{{- concat $origins .Values.allowedOrigins | uniq | join "," -}}
{{- end -}}

{{/* What the chart decides; `settings` may not name any of these. */}}
{{- define "nova.ownConfiguration" -}}
AWS_EC2_METADATA_DISABLED: "true"
AWS_REGION: {{ .Values.aws.region }}
AWS_STS_REGIONAL_ENDPOINTS: regional
DJANGO_ALLOWED_HOSTS: {{ include "nova.allowedHosts" . | quote }}
HOST: 0.0.0.0
NOVA_ALLOWED_ORIGINS: {{ include "nova.allowedOrigins" . | quote }}
NOVA_AUTH: required
NOVA_DRAIN_SECONDS: {{ .Values.web.drainSeconds | quote }}
NOVA_METRICS_HOST: 0.0.0.0
NOVA_METRICS_PORT: {{ .Values.monitoring.port | quote }}
NOVA_PROVIDERS: {{ .Values.providers }}
{{- if .Values.ingress.enabled }}
NOVA_PUBLIC_URL: {{ printf "https://%s" .Values.ingress.host | quote }}
NOVA_TRUSTED_HOPS: {{ ternary "2" "1" (eq .Values.ingress.mode "cloudfront") | quote }}
{{- end }}
PORT: "8000"
{{- end -}}

{{- define "nova.configuration" -}}
{{ include "nova.ownConfiguration" . }}
{{- range $name, $value := .Values.settings }}
{{- /* Helm makes every number a float64, and prints 1000000 as 1e+06. */}}
{{ $name }}: {{ ternary (printf "%.0f" (float64 $value)) ($value | toString) (and (kindIs "float64" $value) (eq (float64 $value) (floor $value))) | quote }}
{{- end }}
{{- end -}}

{{- define "nova.configurationName" -}}
{{ include "nova.componentName" (dict "root" . "component" "settings") }}
{{- end -}}

{{/* A changed setting or Secret makes new pods. The Secret is read in the cluster; a dry run without one sees nothing. */}}
{{- define "nova.checksums" -}}
checksum/settings: {{ include "nova.configuration" . | sha256sum }}
checksum/secrets: {{ dict "name" (include "nova.secretName" .) "values" .Values.secrets "data" (include "nova.knownSecretData" .) | toJson | sha256sum }}
{{- end -}}

{{/* Of the Secret that someone else makes; the release's own changes only with its values. */}}
{{- define "nova.knownSecretData" -}}
{{- if .Values.secrets.existingSecret -}}
{{- $found := lookup "v1" "Secret" .Release.Namespace .Values.secrets.existingSecret -}}
{{- if $found -}}{{- $found.data | toJson -}}{{- end -}}
{{- end -}}
{{- end -}}
