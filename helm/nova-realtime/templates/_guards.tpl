{{/* Sets of values that cannot work, or must not in production. Each stops the installation with what to do. */}}

{{- define "nova.guards" -}}
{{- include "nova.guardNeeded" . -}}
{{- include "nova.guardProduction" . -}}
{{- include "nova.guardAws" . -}}
{{- include "nova.guardTimes" . -}}
{{- include "nova.guardScaling" . -}}
{{- include "nova.guardDoors" . -}}
{{- include "nova.guardNames" . -}}
{{- end -}}

{{- define "nova.guardNeeded" -}}
{{- if not .Values.image.repository -}}
{{- fail "image.repository is empty: set it to where the image was pushed, as <account>.dkr.ecr.<region>.amazonaws.com/nova-realtime" -}}
{{- end -}}
{{- if not (or .Values.secrets.existingSecret .Values.secrets.generate .Values.secrets.externalSecret.enabled) -}}
{{- fail "secrets.existingSecret is empty: make a Secret with DJANGO_SECRET_KEY, NOVA_API_KEYS, REDIS_PASSWORD and DATABASE_PASSWORD and name it there" -}}
{{- end -}}
{{- if gt (len (compact (list .Values.secrets.existingSecret (ternary "generate" "" .Values.secrets.generate) (ternary "external" "" .Values.secrets.externalSecret.enabled)))) 1 -}}
{{- fail "secrets: set only one of existingSecret, generate and externalSecret.enabled" -}}
{{- end -}}
{{- if not (or .Values.redis.host .Values.redis.bundled.enabled) -}}
{{- fail "redis.host is empty: name a Redis outside the release (development: redis.bundled.enabled)" -}}
{{- end -}}
{{- if not (or .Values.database.host .Values.database.bundled.enabled) -}}
{{- fail "database.host is empty: name a PostgreSQL outside the release (development: database.bundled.enabled)" -}}
{{- end -}}
{{- if and .Values.redis.host .Values.redis.bundled.enabled -}}
{{- fail "redis.host and redis.bundled.enabled exclude each other" -}}
{{- end -}}
{{- if and .Values.database.host .Values.database.bundled.enabled -}}
{{- fail "database.host and database.bundled.enabled exclude each other" -}}
{{- end -}}
{{- if and (or .Values.redis.bundled.enabled .Values.database.bundled.enabled) (not .Values.secrets.generate) (not .Values.secrets.existingSecret) -}}
{{- fail "a bundled Redis or PostgreSQL needs its password: set secrets.generate or secrets.existingSecret" -}}
{{- end -}}
{{- end -}}

{{- define "nova.guardProduction" -}}
{{- if not .Values.development -}}
{{- if .Values.redis.bundled.enabled -}}
{{- fail "redis.bundled.enabled needs development: true; it keeps nothing and is one pod" -}}
{{- end -}}
{{- if .Values.database.bundled.enabled -}}
{{- fail "database.bundled.enabled needs development: true; it is one pod without backups" -}}
{{- end -}}
{{- if not (and .Values.redis.tls .Values.redis.auth) -}}
{{- fail "redis.tls and redis.auth may be false with development: true only" -}}
{{- end -}}
{{- if has .Values.database.sslmode (list "disable" "allow" "prefer") -}}
{{- fail (printf "database.sslmode %s may go unencrypted; that needs development: true" .Values.database.sslmode) -}}
{{- end -}}
{{- if ne .Values.providers "aws" -}}
{{- fail "providers: local answers with stand-ins; that needs development: true" -}}
{{- end -}}
{{- if .Values.secrets.generate -}}
{{- fail "secrets.generate needs development: true; make the Secret yourself or use secrets.externalSecret" -}}
{{- end -}}
{{- range $name := list "web" "talking" "seeing" -}}
{{- if lt (int (include "nova.fewestPods" (dict "values" (index $.Values $name)))) 2 -}}
{{- fail (printf "%s: fewer than two pods stop the service with every node that is replaced; that needs development: true" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "nova.isScaled" -}}
{{- $scaling := .values.autoscaling -}}
{{- if ne (default (ternary "hpa" "none" (default false $scaling.enabled)) $scaling.kind) "none" -}}true{{- end -}}
{{- end -}}

{{- define "nova.fewestPods" -}}
{{- if include "nova.isScaled" . -}}{{ .values.autoscaling.minReplicas }}{{- else -}}{{ .values.replicas }}{{- end -}}
{{- end -}}

{{- define "nova.guardAws" -}}
{{- $roles := compact (list .Values.web.roleArn .Values.talking.roleArn) -}}
{{- if and (eq .Values.aws.identity "podIdentity") $roles -}}
{{- fail "aws.identity is podIdentity, but web.roleArn or talking.roleArn asks for IRSA: choose one; with Pod Identity roles are associated outside (helm/eks)" -}}
{{- end -}}
{{- if and (eq .Values.aws.identity "none") (eq .Values.providers "aws") (not .Values.development) -}}
{{- fail "aws.identity: none leaves the pods without AWS rights; that needs providers: local or development: true" -}}
{{- end -}}
{{- end -}}

{{- define "nova.guardTimes" -}}
{{- if lt (int .Values.web.terminationGraceSeconds) (add (int .Values.web.drainSeconds) 15 | int) -}}
{{- fail (printf "web.terminationGraceSeconds %d is too short: drainSeconds %d and 15 for stopping must fit into it" (int .Values.web.terminationGraceSeconds) (int .Values.web.drainSeconds)) -}}
{{- end -}}
{{- range $name := list "talking" "seeing" -}}
{{- $values := index $.Values $name -}}
{{- if lt (int $values.terminationGraceSeconds) (add (int $values.stopSeconds) 10 | int) -}}
{{- fail (printf "%s.terminationGraceSeconds %d is too short: stopSeconds %d and 10 more must fit into it" $name (int $values.terminationGraceSeconds) (int $values.stopSeconds)) -}}
{{- end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (lt (int .Values.ingress.deregistrationDelaySeconds) (int .Values.web.drainSeconds)) -}}
{{- fail "ingress.deregistrationDelaySeconds is shorter than web.drainSeconds: the load balancer would cut clients before they are told" -}}
{{- end -}}
{{- end -}}

{{- define "nova.guardScaling" -}}
{{- range $name := list "web" "talking" "seeing" -}}
{{- $scaling := (index $.Values $name).autoscaling -}}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) -}}
{{- fail (printf "%s.autoscaling: minReplicas %d is more than maxReplicas %d" $name (int $scaling.minReplicas) (int $scaling.maxReplicas)) -}}
{{- end -}}
{{- end -}}
{{- if and (eq .Values.talking.autoscaling.kind "hpa") .Values.talking.autoscaling.keda.prometheusAddress -}}
{{- fail "talking.autoscaling: kind hpa and keda.prometheusAddress exclude each other: an HPA and KEDA would pull at the same Deployment" -}}
{{- end -}}
{{- if and (eq .Values.talking.autoscaling.kind "keda") (not .Values.monitoring.port) -}}
{{- fail "talking.autoscaling.kind keda needs metrics: monitoring.port is 0" -}}
{{- end -}}
{{- if and .Values.web.autoscaling.targetSessions (not .Values.monitoring.port) -}}
{{- fail "web.autoscaling.targetSessions needs metrics: monitoring.port is 0" -}}
{{- end -}}
{{- end -}}

{{- define "nova.guardDoors" -}}
{{- $balancer := .Values.networkPolicy.loadBalancer -}}
{{- if and .Values.ingress.enabled .Values.networkPolicy.enabled (not $balancer.cidrs) (not $balancer.namespaceLabels) -}}
{{- fail "networkPolicy.loadBalancer is empty: name the load balancer's subnets in cidrs, or nobody reaches the web" -}}
{{- end -}}
{{- if and .Values.admin.enabled .Values.ingress.enabled (eq .Values.admin.host .Values.ingress.host) -}}
{{- fail "admin.host must differ from ingress.host: the operators' pages have a door of their own" -}}
{{- end -}}
{{- if and .Values.monitoring.serviceMonitor.enabled (not .Values.monitoring.port) -}}
{{- fail "monitoring.serviceMonitor needs metrics: monitoring.port is 0" -}}
{{- end -}}
{{- end -}}

{{/* Variables that the chart makes must not be made a second time; AWS keys and other secrets have their own places. */}}
{{- define "nova.guardNames" -}}
{{- $own := include "nova.ownConfiguration" . | fromYaml -}}
{{- range $name, $_ := .Values.settings -}}
{{- if hasKey $own $name -}}
{{- fail (printf "settings.%s is made by the chart from its other values" $name) -}}
{{- end -}}
{{- end -}}
{{- $secret := list "REDIS_URL" "REDIS_PASSWORD" "DATABASE_URL" "DATABASE_PASSWORD" "DJANGO_SECRET_KEY" "NOVA_API_KEYS" "NOVA_ORIGIN_SECRET" "AGORA_APP_CERTIFICATE" -}}
{{- $static := list "AWS_ACCESS_KEY_ID" "AWS_SECRET_ACCESS_KEY" "AWS_SESSION_TOKEN" -}}
{{- $components := list (dict "values" dict) -}}
{{- range $name := list "web" "talking" "seeing" "migrate" "housekeeping" "admin" -}}
{{- $components = append $components (dict "values" (index $.Values $name)) -}}
{{- end -}}
{{- range $components -}}
{{- $pod := include "nova.podValues" (dict "root" $ "values" .values) | fromYaml -}}
{{- range $variable := $pod.extraEnv -}}
{{- if or (hasKey $own $variable.name) (has $variable.name $secret) -}}
{{- fail (printf "extraEnv: %s is made by the chart" $variable.name) -}}
{{- end -}}
{{- if and (has $variable.name $static) (not $.Values.development) -}}
{{- fail (printf "extraEnv: %s puts a lasting AWS key into the cluster; use aws.identity (development: true allows it)" $variable.name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
