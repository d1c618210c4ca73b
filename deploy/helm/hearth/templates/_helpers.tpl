{{- define "hearth.name" -}}
{{ default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* Room is left for "-frontend" and a pod's number within 63 letters. */}}
{{- define "hearth.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "hearth.name" .) .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "hearth.name" .) | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{- define "hearth.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{ default (include "hearth.fullname" .) .Values.serviceAccount.name }}
{{- else -}}
{{ default "default" .Values.serviceAccount.name }}
{{- end -}}
{{- end }}

{{- define "hearth.image" -}}
{{- $i := .Values.image -}}
{{- with $i.registry }}{{ . }}/{{ end }}{{ $i.repository }}
{{- if $i.digest }}@{{ $i.digest }}{{ else }}:{{ default .Chart.AppVersion $i.tag }}{{ end }}
{{- end }}

{{/* Labels that never change: selectors.  Called with (dict "root" $ "component" "shard"). */}}
{{- define "hearth.selector" -}}
app.kubernetes.io/name: {{ include "hearth.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "hearth.labels" -}}
{{ include "hearth.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end }}

{{/* The arguments of one component: (dict "root" $ "component" ... "target" ... "data" true). */}}
{{- define "hearth.args" -}}
{{- $v := .root.Values -}}
- --target={{ .target }}
{{- if $v.tls.existingSecret }}
- {{ printf "--listeners=:%v %s public internal, :%v admin" $v.service.port (ternary "mtls" "tls" $v.tls.mutual) $v.tls.adminPort | quote }}
- --tls.cert-file=/etc/hearth/tls/tls.crt
- --tls.key-file=/etc/hearth/tls/tls.key
{{- if $v.tls.mutual }}
- --tls.client-ca-file=/etc/hearth/tls/ca.crt
{{- end }}
{{- if ne .component "single" }}
- --peers.ca-file=/etc/hearth/tls/ca.crt
{{- if $v.tls.mutual }}
- --peers.cert-file=/etc/hearth/tls/tls.crt
- --peers.key-file=/etc/hearth/tls/tls.key
{{- end }}
{{- end }}
{{- else }}
- --listen=:{{ $v.service.port }}
{{- end }}
- --config.file=/etc/hearth/config/config.yaml
- --multitenancy={{ $v.multitenancy }}
{{- if .data }}
- --data.dir=/var/lib/hearth
- --retention={{ $v.retention }}
- --retention-bytes={{ $v.retentionBytes }}
{{- end }}
{{- if $v.overrides }}
- --limits.overrides=/etc/hearth/overrides/overrides.yaml
{{- end }}
{{- if ne .component "single" }}
- --shard-map=/etc/hearth/map/map.json
{{- end }}
{{- if $v.auth.existingSecret }}
- --auth.tokens-file=/etc/hearth/tokens/{{ $v.auth.key }}
{{- end }}
{{- if $v.auth.clusterExistingSecret }}
- --auth.cluster-token-file=/etc/hearth/cluster/{{ $v.auth.clusterKey }}
{{- end }}
{{- range $v.common.extraArgs }}
- {{ . | quote }}
{{- end }}
{{- end }}

{{/* The pod of one component; the same dict, with "values" of the component. */}}
{{- define "hearth.pod" -}}
{{- $root := .root -}}
{{- $v := $root.Values -}}
{{- $probed := ternary "admin" "http" (ne $v.tls.existingSecret "") -}}
metadata:
  labels:
    {{- include "hearth.labels" . | nindent 4 }}
    {{- with $v.common.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ toYaml $v.config | sha256sum }}
    {{- if $v.overrides }}
    checksum/overrides: {{ toYaml $v.overrides | sha256sum }}
    {{- end }}
    {{- with $v.common.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "hearth.serviceAccount" $root }}
  automountServiceAccountToken: false
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
  {{- with $v.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.common.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with $v.common.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $v.common.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if .values.affinity }}
  affinity:
    {{- toYaml .values.affinity | nindent 4 }}
  {{- else if ne .component "single" }}
  affinity:
    podAntiAffinity:
      preferredDuringSchedulingIgnoredDuringExecution:
        - weight: 100
          podAffinityTerm:
            topologyKey: kubernetes.io/hostname
            labelSelector:
              matchLabels:
                {{- include "hearth.selector" . | nindent 16 }}
  {{- end }}
  {{- with .values.topologySpreadConstraints }}
  topologySpreadConstraints:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65532
    runAsGroup: 65532
    fsGroup: 65532
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile:
      type: RuntimeDefault
  containers:
    - name: hearth
      image: {{ include "hearth.image" $root | quote }}
      imagePullPolicy: {{ $v.image.pullPolicy }}
      args:
        {{- include "hearth.args" . | nindent 8 }}
      {{- with $v.common.extraEnv }}
      env:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - name: http
          containerPort: {{ $v.service.port }}
          protocol: TCP
        {{- if $v.tls.existingSecret }}
        - name: admin
          containerPort: {{ $v.tls.adminPort }}
          protocol: TCP
        {{- end }}
      startupProbe:
        httpGet: {path: /healthy, port: {{ $probed }}}
        periodSeconds: 2
        failureThreshold: {{ if .data }}{{ div (int $v.persistence.replaySeconds) 2 }}{{ else }}30{{ end }}
      livenessProbe:
        httpGet: {path: /healthy, port: {{ $probed }}}
        periodSeconds: 10
        timeoutSeconds: 5
        failureThreshold: 6
      readinessProbe:
        httpGet: {path: /ready, port: {{ $probed }}}
        periodSeconds: 2
        failureThreshold: 2
      resources:
        {{- toYaml .values.resources | nindent 8 }}
      securityContext:
        allowPrivilegeEscalation: false
        readOnlyRootFilesystem: true
        capabilities:
          drop: [ALL]
      volumeMounts:
        - name: config
          mountPath: /etc/hearth/config
          readOnly: true
        {{- if ne .component "single" }}
        - name: map
          mountPath: /etc/hearth/map
          readOnly: true
        {{- end }}
        {{- if $v.overrides }}
        - name: overrides
          mountPath: /etc/hearth/overrides
          readOnly: true
        {{- end }}
        {{- if $v.auth.existingSecret }}
        - name: tokens
          mountPath: /etc/hearth/tokens
          readOnly: true
        {{- end }}
        {{- if $v.auth.clusterExistingSecret }}
        - name: cluster
          mountPath: /etc/hearth/cluster
          readOnly: true
        {{- end }}
        {{- if $v.tls.existingSecret }}
        - name: tls
          mountPath: /etc/hearth/tls
          readOnly: true
        {{- end }}
        {{- if .data }}
        - name: data
          mountPath: /var/lib/hearth
        {{- end }}
  volumes:
    - name: config
      configMap:
        name: {{ include "hearth.fullname" $root }}-config
    {{- if ne .component "single" }}
    - name: map
      configMap:
        name: {{ include "hearth.fullname" $root }}-shard-map
    {{- end }}
    {{- if $v.overrides }}
    - name: overrides
      configMap:
        name: {{ include "hearth.fullname" $root }}-overrides
    {{- end }}
    {{- with $v.auth.existingSecret }}
    - name: tokens
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- with $v.auth.clusterExistingSecret }}
    - name: cluster
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- with $v.tls.existingSecret }}
    - name: tls
      secret:
        secretName: {{ . }}
    {{- end }}
    {{- if and .data (not $v.persistence.enabled) }}
    - name: data
      emptyDir: {}
    {{- end }}
{{- end }}

{{- define "hearth.claims" -}}
{{- if .Values.persistence.enabled }}
persistentVolumeClaimRetentionPolicy:
  whenDeleted: {{ .Values.persistence.whenDeleted }}
  whenScaled: {{ .Values.persistence.whenScaled }}
volumeClaimTemplates:
  - metadata:
      name: data
      {{- with .Values.persistence.annotations }}
      annotations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    spec:
      accessModes: [ReadWriteOnce]
      {{- with .Values.persistence.storageClass }}
      storageClassName: {{ . }}
      {{- end }}
      resources:
        requests:
          storage: {{ .Values.persistence.size }}
{{- end }}
{{- end }}

{{/* A service for clients: (dict "root" $ "component" ...). */}}
{{- define "hearth.service" -}}
apiVersion: v1
kind: Service
metadata:
  name: {{ .name }}
  labels:
    {{- include "hearth.labels" . | nindent 4 }}
  {{- with .root.Values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: {{ .root.Values.service.type }}
  ports:
    - name: http
      port: {{ .root.Values.service.port }}
      targetPort: http
      protocol: TCP
      appProtocol: {{ ternary "https" "http" (ne .root.Values.tls.existingSecret "") }}
  selector:
    {{- include "hearth.selector" . | nindent 4 }}
{{- end }}

{{- define "hearth.deployment" -}}
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .name }}
  labels:
    {{- include "hearth.labels" . | nindent 4 }}
spec:
  replicas: {{ .values.replicas }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  selector:
    matchLabels:
      {{- include "hearth.selector" . | nindent 6 }}
  template:
    {{- include "hearth.pod" . | nindent 4 }}
{{- end }}

{{- define "hearth.pdb" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ .name }}
  labels:
    {{- include "hearth.labels" . | nindent 4 }}
spec:
  maxUnavailable: {{ .values.maxUnavailable }}
  unhealthyPodEvictionPolicy: AlwaysAllow
  selector:
    matchLabels:
      {{- include "hearth.selector" . | nindent 6 }}
{{- end }}
