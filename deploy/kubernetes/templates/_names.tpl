{{- define "counter.selector" -}}
app.kubernetes.io/name: visitor-counter
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "counter.auditSelector" -}}
app.kubernetes.io/name: visitor-counter-audit
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "counter.labels" -}}
{{ include "counter.selector" . }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "counter.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{/* What all that look into both stores must be told alike. */}}
{{- define "counter.environment" -}}
- {name: COUNTER_REDIS_URL_FILE, value: /run/secrets/counter/redis-url}
- {name: COUNTER_DATABASE_URL_FILE, value: /run/secrets/counter/database-url}
- {name: COUNTER_SPOOL_MB, value: {{ ternary .Values.spool.megabytes 0 (ne .Values.spool.existingClaim "") | quote }}}
{{- range $name, $value := .Values.settings }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end }}

{{- define "counter.volumes" -}}
- name: secrets
  secret: {secretName: {{ .Values.secrets.service }}, defaultMode: 0440}
- name: tmp
  emptyDir: {sizeLimit: 16Mi}
- name: spool
  {{- if .Values.spool.existingClaim }}
  persistentVolumeClaim: {claimName: {{ .Values.spool.existingClaim }}}
  {{- else }}
  emptyDir: {sizeLimit: 16Mi}
  {{- end }}
{{- end }}

{{- define "counter.pod" -}}
automountServiceAccountToken: false
enableServiceLinks: false # its COUNTER_… variables would be taken for settings
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile: {type: RuntimeDefault}
{{- end }}
