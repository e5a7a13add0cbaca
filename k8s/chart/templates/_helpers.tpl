{{- define "kennel.name" -}}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{- end }}

{{- define "kennel.selector" -}}
app.kubernetes.io/name: kennel
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "kennel.labels" -}}
{{ include "kennel.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: kennel
{{- end }}

{{/* config/drain.ts has the same sum; a test holds the two together. */}}
{{- define "kennel.graceSeconds" -}}
{{- add .Values.preStopSeconds (div (add .Values.drain.graceMs (mul 3 .Values.drain.limitMs) 5000 999) 1000) -}}
{{- end }}

{{- define "kennel.scales" -}}{{ if and (eq .Values.mode "production") (ne .Values.autoscaling.by "none") }}true{{ end }}{{- end }}

{{- define "kennel.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{- define "kennel.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* What a probe asks: over TLS without looking whose certificate it is; where clients show one, which the kubelet can't, the port alone. */}}
{{- define "kennel.probe" -}}
{{- if .root.Values.tls.clientCaSecretName -}}
tcpSocket:
  port: http
{{- else -}}
httpGet:
  path: {{ .path }}
  port: http
  {{- if .root.Values.tls.secretName }}
  scheme: HTTPS
  {{- end }}
{{- end }}
{{- end }}

{{/* The port that traces are sent to; empty: none are. */}}
{{- define "kennel.collectorPort" -}}
{{- if eq (get .Values.settings "KENNEL_TRACING") "true" -}}
{{- $url := urlParse (get .Values.settings "OTEL_EXPORTER_OTLP_ENDPOINT" | default "http://127.0.0.1:4318") -}}
{{- $given := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) -}}
{{- $given | default (ternary "443" "80" (eq $url.scheme "https")) -}}
{{- end -}}
{{- end }}

{{- define "kennel.pod" -}}
{{- if and .Values.tls.clientCaSecretName (not .Values.tls.secretName) }}
{{- fail "Clients are asked for certificates over TLS alone: set tls.secretName, or leave out tls.clientCaSecretName" }}
{{- end -}}
metadata:
  labels:
    {{- include "kennel.labels" . | nindent 4 }}
  annotations:
    # A changed setting is a new pod: a node reads its settings once.
    kennel/settings: {{ include (print $.Template.BasePath "/settings.yaml") . | sha256sum }}
spec:
  serviceAccountName: {{ include "kennel.name" . }}
  # Kennel never speaks to Kubernetes.
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ include "kennel.graceSeconds" . }}
  securityContext:
    {{- include "kennel.podSecurity" . | nindent 4 }}
  topologySpreadConstraints:
    - maxSkew: 1
      topologyKey: kubernetes.io/hostname
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "kennel.selector" . | nindent 10 }}
    - maxSkew: 1
      topologyKey: topology.kubernetes.io/zone
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "kennel.selector" . | nindent 10 }}
  containers:
    - name: kennel
      image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
      imagePullPolicy: {{ .Values.image.pullPolicy }}
      ports:
        - name: http
          containerPort: 7400
      env:
        - name: KENNEL_NODE_NAME
          valueFrom:
            fieldRef:
              fieldPath: metadata.name
      envFrom:
        - configMapRef:
            name: {{ include "kennel.name" . }}
        {{- with .Values.secretName }}
        - secretRef:
            name: {{ . }}
        {{- end }}
      # The listener opens when the stores have answered or their time to do so has passed; two minutes are several times that.
      startupProbe:
        {{- include "kennel.probe" (dict "root" . "path" "/healthz") | nindent 8 }}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 60
      # Started and not draining. It never follows a store, or an outage would take away the answers that are left.
      readinessProbe:
        {{- include "kennel.probe" (dict "root" . "path" "/readyz") | nindent 8 }}
        periodSeconds: 2
        timeoutSeconds: 2
        failureThreshold: 2
      # Whether the process answers at all: a minute of silence is no longer a busy moment.
      livenessProbe:
        {{- include "kennel.probe" (dict "root" . "path" "/healthz") | nindent 8 }}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      lifecycle:
        preStop:
          sleep:
            seconds: {{ .Values.preStopSeconds }}
      resources:
        {{- toYaml .Values.resources | nindent 8 }}
      securityContext:
        {{- include "kennel.containerSecurity" . | nindent 8 }}
      volumeMounts:
        - name: data
          mountPath: /data
        - name: tmp
          mountPath: /tmp
        {{- if .Values.keys.secretName }}
        # The folder, not the file: a Secret that changes reaches mounted folders alone.
        - name: keys
          mountPath: /keys
          readOnly: true
        {{- end }}
        {{- if .Values.tls.secretName }}
        - name: tls
          mountPath: /tls
          readOnly: true
        {{- end }}
        {{- if .Values.tls.clientCaSecretName }}
        - name: client-authorities
          mountPath: /client-authorities
          readOnly: true
        {{- end }}
  volumes:
    - name: tmp
      emptyDir:
        sizeLimit: 1Gi
    {{- with .Values.keys.secretName }}
    - name: keys
      secret:
        secretName: {{ . }}
        # r--r-----
        defaultMode: 288
    {{- end }}
    {{- if eq .Values.mode "production" }}
    - name: data
      emptyDir:
        sizeLimit: {{ .Values.scratchSize }}
    {{- end }}
    {{- with .Values.tls.secretName }}
    - name: tls
      secret:
        secretName: {{ . }}
        # r--r-----
        defaultMode: 288
    {{- end }}
    {{- with .Values.tls.clientCaSecretName }}
    - name: client-authorities
      secret:
        secretName: {{ . }}
        # No more than the authorities: their Secret may hold the key that signs.
        items:
          - key: ca.crt
            path: ca.crt
        defaultMode: 288
    {{- end }}
{{- end }}
