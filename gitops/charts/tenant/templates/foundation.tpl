{{- $namespace := .Release.Namespace }}
{{- $tenant := trimPrefix "tenant-" $namespace }}
{{- $keep := dict "argocd.argoproj.io/sync-options" "Prune=false,Delete=false" "argocd.argoproj.io/compare-options" "IgnoreExtraneous" }}
{{- $labels := dict "dbaas.example.com/tenant" $tenant "dbaas.example.com/region" .Values.region }}
apiVersion: v1
kind: Namespace
metadata:
  name: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ toYaml $keep | nindent 4 }}
---
# Nothing comes in or goes out but what a service's own policy opens; names can be looked up.
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: default-deny
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ toYaml $keep | nindent 4 }}
spec:
  podSelector: {}
  policyTypes: [Ingress, Egress]
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
---
{{- if hasKey .Values "quota" }}
{{- $small := dict }}
{{- if hasKey .Values.quota "limits.cpu" }}{{ $_ := set $small "cpu" "250m" }}{{ end }}
{{- if hasKey .Values.quota "limits.memory" }}{{ $_ := set $small "memory" "512Mi" }}{{ end }}
# Emptied, not left out, when the tenant's quotas are taken back: a foundation never prunes.
apiVersion: v1
kind: ResourceQuota
metadata:
  name: tenant
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
spec:
  hard: {{ toYaml .Values.quota | nindent 4 }}
---
# A quota refuses pods that do not say what they take. Requests and limits are equal: else a small container beside a
# database would cost its pod the CPUs of its own.
apiVersion: v1
kind: LimitRange
metadata:
  name: tenant
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
spec:
  {{- if $small }}
  limits:
    - type: Container
      default: {{ toYaml $small | nindent 8 }}
      defaultRequest: {{ toYaml $small | nindent 8 }}
  {{- else }}
  limits: []
  {{- end }}
---
{{- end }}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: owner
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
rules:
  - apiGroups: [dbaas.example.com]
    resources: [serviceclaims]
    # what is kept in Git a policy guards against all of these
    verbs: [get, list, watch, create, update, patch, delete]
  - apiGroups: [""]
    resources: [secrets]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: owner
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: owner
subjects:
  {{- range .Values.owners }}
  - apiGroup: rbac.authorization.k8s.io
    kind: Group
    name: {{ . | quote }}
  {{- end }}
---
{{- range .Values.accounts }}
# Pods of engines run as these, and their operators do not make them.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
---
{{- if .rules }}
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
rules: {{ toYaml .rules | nindent 2 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ .name }}
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ .name }}
subjects:
  - kind: ServiceAccount
    name: {{ .name }}
    namespace: {{ $namespace }}
---
{{- end }}
{{- end }}
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: {{ $namespace }}
  namespace: {{ .Values.argocd.namespace | quote }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ toYaml $keep | nindent 4 }}
spec:
  sourceRepos: [{{ .Values.repository.url | quote }}]
  destinations:
    - name: {{ .Values.argocd.destination | quote }}
      namespace: {{ $namespace }}
  clusterResourceWhitelist: []
  namespaceResourceWhitelist: {{ toYaml .Values.kinds | nindent 4 }}
---
# One wave later than the project that it belongs to.
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  # not tenant-<id>-services: that is the foundation of a tenant <id>-services
  name: services-{{ $tenant }}
  namespace: {{ .Values.argocd.namespace | quote }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ merge (dict "argocd.argoproj.io/sync-wave" "1") $keep | toYaml | nindent 4 }}
spec:
  project: {{ $namespace }}
  source:
    repoURL: {{ .Values.repository.url | quote }}
    targetRevision: {{ .Values.repository.branch | quote }}
    path: {{ printf .Values.repository.path $tenant | quote }}
    directory: {recurse: true}
  destination:
    name: {{ .Values.argocd.destination | quote }}
    namespace: {{ $namespace }}
  syncPolicy:
    automated: {prune: true, selfHeal: true, allowEmpty: true}
    # a change of one service applies that one's objects, not all that the tenant has
    syncOptions: [ServerSideApply=true, RespectIgnoreDifferences=true, ApplyOutOfSyncOnly=true]
    retry: {limit: 2, backoff: {duration: 2s, factor: 2, maxDuration: 5s}}
{{- if .Values.charts }}
---
# What charts make is not what the services' folder may hold: a project of its own, and an Application for each release.
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: charts-{{ $tenant }}
  namespace: {{ .Values.argocd.namespace | quote }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ toYaml $keep | nindent 4 }}
spec:
  sourceRepos:
    {{- range .Values.charts }}
    - {{ .repoURL | quote }}
    {{- end }}
    - {{ .Values.repository.url | quote }}
  destinations:
    - name: {{ .Values.argocd.destination | quote }}
      namespace: {{ $namespace }}
  clusterResourceWhitelist: []
  namespaceResourceWhitelist:
    {{- range .Values.charts }}
    {{- toYaml .kinds | nindent 4 }}
    {{- end }}
{{- range $release := .Values.releases }}
{{- range $chart := $.Values.charts }}
{{- if eq $chart.engine $release.engine }}
---
apiVersion: argoproj.io/v1alpha1
kind: Application
metadata:
  # names of tenants and of releases have no dots
  name: chart-{{ $tenant }}.{{ $release.name }}
  namespace: {{ $.Values.argocd.namespace | quote }}
  labels: {{ merge (dict "dbaas.example.com/service" $release.service) $labels | toYaml | nindent 4 }}
  annotations: {{ merge (dict "argocd.argoproj.io/sync-wave" "1") $keep | toYaml | nindent 4 }}
spec:
  project: charts-{{ $tenant }}
  source:
    {{- if $release.gone }}
    # the service was deprovisioned: nothing takes the place of what there was
    repoURL: {{ $.Values.repository.url | quote }}
    targetRevision: {{ $.Values.repository.branch | quote }}
    path: base/charts/empty
    {{- else }}
    repoURL: {{ $chart.repoURL | quote }}
    chart: {{ $chart.name | quote }}
    targetRevision: {{ $release.version | quote }}
    helm:
      releaseName: {{ $release.name }}
      valuesObject: {{ toYaml $release.values | nindent 8 }}
    {{- end }}
  destination:
    name: {{ $.Values.argocd.destination | quote }}
    namespace: {{ $namespace }}
  syncPolicy:
    automated: {prune: {{ $release.gone | default false }}, selfHeal: true, allowEmpty: true}
    syncOptions: [ServerSideApply=true]
    retry: {limit: 5, backoff: {duration: 5s, factor: 2, maxDuration: 3m}}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
