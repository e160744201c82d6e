{{/* What all pods of the release have in common. Each takes (dict "root" $ "component" "web" "values" .Values.web). */}}

{{- define "nova.podMetadata" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
annotations:
  {{- include "nova.checksums" .root | nindent 2 }}
  {{- with $pod.annotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
labels:
  {{- include "nova.labels" . | nindent 2 }}
  {{- with $pod.labels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "nova.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "nova.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "nova.podCommon" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
serviceAccountName: {{ include "nova.componentName" . }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "nova.podSecurity" . | nindent 2 }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $pod.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with $pod.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $pod.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "nova.volumes" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
volumes:
  - name: tmp
    emptyDir:
      sizeLimit: {{ $pod.tmpSize }}
  {{- with $pod.extraVolumes }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "nova.mounts" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
volumeMounts:
  - name: tmp
    mountPath: /tmp
  {{- with $pod.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{/* The application's container without its arguments, variables and probes. */}}
{{- define "nova.container" -}}
image: {{ include "nova.image" .root }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
securityContext:
  {{- include "nova.containerSecurity" . | nindent 2 }}
resources:
  {{- toYaml .values.resources | nindent 2 }}
{{ include "nova.mounts" . }}
{{- end -}}

{{- define "nova.extraVariables" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
{{- with $pod.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "nova.settingsReference" -}}
envFrom:
  - configMapRef:
      name: {{ include "nova.configurationName" .root }}
{{- end -}}

{{- define "nova.metricsPort" -}}
{{- if .root.Values.monitoring.port }}
- name: metrics
  containerPort: {{ .root.Values.monitoring.port }}
  protocol: TCP
{{- end }}
{{- end -}}

{{/* Pods of a Deployment spread over zones and nodes; of one component there is rarely a second on a node. */}}
{{- define "nova.spreading" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
{{- $selector := include "nova.selectorLabels" . -}}
{{- $spread := .root.Values.spread -}}
{{- if or (ne $spread.zones "none") (ne $spread.nodes "none") }}
topologySpreadConstraints:
  {{- range $key, $strictness := dict "topology.kubernetes.io/zone" $spread.zones "kubernetes.io/hostname" $spread.nodes }}
  {{- if ne $strictness "none" }}
  - maxSkew: 1
    topologyKey: {{ $key }}
    whenUnsatisfiable: {{ $strictness }}
    labelSelector:
      matchLabels:
        {{- $selector | nindent 8 }}
    matchLabelKeys: [pod-template-hash]
  {{- end }}
  {{- end }}
{{- end }}
affinity:
{{- with $pod.affinity }}
  {{- toYaml . | nindent 2 }}
{{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 50
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- $selector | nindent 14 }}
{{- end }}
{{- end -}}

{{- define "nova.sidecars" -}}
{{- $pod := include "nova.podValues" . | fromYaml -}}
{{- with $pod.sidecars }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* Workers have no port to ask: their loop's beat is read from a file by the image's own command. */}}
{{- define "nova.workerProbes" -}}
startupProbe:
  exec:
    command: [nova, health, worker]
  periodSeconds: 3
  timeoutSeconds: 5
  failureThreshold: 30
readinessProbe:
  exec:
    command: [nova, health, worker]
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 2
livenessProbe:
  exec:
    command: [nova, health, worker, --live]
  periodSeconds: 15
  timeoutSeconds: 5
  failureThreshold: 4
{{- end -}}

{{/* `port` is the name of the container's port. */}}
{{- define "nova.webProbes" -}}
startupProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 60
readinessProbe:
  httpGet:
    path: /readyz
    port: http
  periodSeconds: 3
  timeoutSeconds: 3
  failureThreshold: 2
livenessProbe:
  httpGet:
    path: /livez
    port: http
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 4
{{- end -}}
