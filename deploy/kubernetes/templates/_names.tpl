{{- define "counter.selector" -}}
app.kubernetes.io/name: visitor-counter
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
