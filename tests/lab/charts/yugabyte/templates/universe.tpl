{{- $name := .Values.fullnameOverride }}
{{- range $role := list "master" "tserver" }}
{{- $own := printf "%s-yb-%s" $name $role }}
{{- $storage := get $.Values.storage $role }}
{{- $pods := dict "app.kubernetes.io/name" (printf "yb-%s" $role) "release" $.Release.Name }}
{{- $labels := merge (dict "heritage" $.Release.Service "component" "yugabytedb") $pods $.Values.commonLabels }}
{{- $flags := printf "%s-%s-gflags" $name $role }}
---
apiVersion: v1
kind: Secret
metadata:
  name: {{ $flags }}
  labels: {{ toYaml $labels | nindent 4 }}
stringData:
  server.conf.template: |
    {{- range $flag, $value := get ($.Values.gflags | default dict) $role }}
    --{{ $flag }}={{ $value }}
    {{- end }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $own }}s
  labels: {{ toYaml $labels | nindent 4 }}
spec:
  clusterIP: None
  ports:
    - {name: http-ui, port: {{ eq $role "master" | ternary 7000 9000 }}}
  selector: {{ toYaml $pods | nindent 4 }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $own }}-pdb
  labels: {{ toYaml $labels | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{ toYaml $pods | nindent 6 }}
---
apiVersion: apps/v1
kind: StatefulSet
metadata:
  name: {{ $own }}
  labels: {{ toYaml $labels | nindent 4 }}
  annotations: {{ toYaml $.Values.statefulSetAnnotations | nindent 4 }}
spec:
  serviceName: {{ $own }}s
  podManagementPolicy: Parallel
  replicas: {{ get $.Values.replicas $role }}
  selector:
    matchLabels: {{ toYaml $pods | nindent 6 }}
  volumeClaimTemplates:
    {{- range $index := until (int $storage.count) }}
    - metadata:
        name: {{ $name }}-datadir{{ $index }}
        labels: {{ toYaml $labels | nindent 10 }}
      spec:
        accessModes: [ReadWriteOnce]
        storageClassName: {{ $storage.storageClass }}
        resources:
          requests:
            storage: {{ $storage.size }}
    {{- end }}
  template:
    metadata:
      labels: {{ merge (dict) (get $.Values $role).podLabels $labels | toYaml | nindent 8 }}
    spec:
      affinity: {{ toYaml (get $.Values $role).affinity | nindent 8 }}
      containers:
        - name: yb-{{ $role }}
          image: {{ $.Values.Image.repository | default "yugabytedb/yugabyte" }}:{{ $.Values.Image.tag }}
          resources: {{ toYaml (get $.Values.resource $role) | nindent 12 }}
          volumeMounts:
            - {name: flags, mountPath: /opt/{{ $role }}/conf}
            {{- range $index := until (int $storage.count) }}
            - {name: {{ $name }}-datadir{{ $index }}, mountPath: /mnt/disk{{ $index }}}
            {{- end }}
      volumes:
        - name: flags
          secret: {secretName: {{ $flags }}}
{{- end }}
