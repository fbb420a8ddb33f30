//go:build tools

// Package labtools names the programs that the lab is built from, so that go.mod and go.sum lock them.
package labtools

import (
	_ "github.com/argoproj/argo-cd/v3/cmd"
	_ "go.etcd.io/etcd/server/v3"
	_ "helm.sh/helm/v3/cmd/helm"
	_ "k8s.io/kubernetes/cmd/kube-apiserver"
	_ "k8s.io/kubernetes/cmd/kube-controller-manager"
	_ "sigs.k8s.io/kwok/cmd/kwok"
)
