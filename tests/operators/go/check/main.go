// Files in, a line each out: "ok", or what the operator says is wrong. It fills in its defaults and looks at the whole.
package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	psmdb "github.com/percona/percona-server-mongodb-operator/pkg/apis/psmdb/v1"
	"github.com/percona/percona-server-mongodb-operator/pkg/version"
	"sigs.k8s.io/yaml"
)

func said(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	var cluster psmdb.PerconaServerMongoDB
	if err := yaml.UnmarshalStrict(text, &cluster); err != nil {
		return err.Error()
	}
	if err := cluster.CheckNSetDefaults(context.Background(), version.PlatformKubernetes); err != nil {
		return err.Error()
	}
	return "ok"
}

func main() {
	for _, path := range os.Args[1:] {
		fmt.Println(strings.ReplaceAll(said(path), "\n", " "))
	}
}
