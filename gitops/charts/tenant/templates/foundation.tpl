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
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: owner
  namespace: {{ $namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
rules:
  - apiGroups: [dbaas.example.com]
    resources: [serviceclaims]
    verbs: [get, list, watch]
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
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: {{ $namespace }}
  namespace: {{ .Values.argocd.namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ toYaml $keep | nindent 4 }}
spec:
  sourceRepos: [{{ .Values.repository.url | quote }}]
  destinations:
    - name: {{ .Values.argocd.destination }}
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
  namespace: {{ .Values.argocd.namespace }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ merge (dict "argocd.argoproj.io/sync-wave" "1") $keep | toYaml | nindent 4 }}
spec:
  project: {{ $namespace }}
  source:
    repoURL: {{ .Values.repository.url | quote }}
    targetRevision: {{ .Values.repository.branch | quote }}
    path: {{ .Values.repository.path }}
    directory: {recurse: true}
  destination:
    name: {{ .Values.argocd.destination }}
    namespace: {{ $namespace }}
  syncPolicy:
    automated: {prune: true, selfHeal: true, allowEmpty: true}
    syncOptions: [ServerSideApply=true, RespectIgnoreDifferences=true]
    retry: {limit: 2, backoff: {duration: 2s, factor: 2, maxDuration: 5s}}
