// The stand-in for what runs in the pods of a MongoDB cluster: mongod, mongos, mongosh, and Percona's backup agent.
//
// One process answers for all members, each at an address of its own, over TLS. Real: the protocol, the TLS handshake
// with the certificate that the cluster's Secret holds, SCRAM-SHA-256, and MongoDB's rules of who may be in a replica
// set. There is no election (who steps down hands over to the next), no replication (every member sees at once what its
// set knows), and no data but what Percona's backup keeps in the database; no backup is ever stored.
//
//	member FILE   serve what this JSON file names: see settings
//	mongosh ...   called so in a pod: hand the script to the process that serves, by $MEMBER_CONTROL and $MEMBER_POD
//	mongod ...    called so in a pod: print the version in $MEMBER_VERSION
//	pbm-agent ... called so in a pod: print the version in $MEMBER_BACKUP
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
)

// settings are read from the file: pods by name, each with its address; its set is the name without the number.
type settings struct {
	Version     string            `json:"version"`
	Backup      string            `json:"backup"`
	Port        int               `json:"port"`
	Control     string            `json:"control"`
	Certificate string            `json:"certificate"`
	Key         string            `json:"key"`
	Pods        map[string]string `json:"pods"`
}

// asked is what mongosh hands over.
type asked struct {
	Pod    string `json:"pod"`
	Script string `json:"script"`
}

func main() {
	var err error
	switch filepath.Base(os.Args[0]) {
	case "mongosh":
		err = shell(os.Args[1:])
	case "mongod":
		fmt.Printf("db version v%s\n", os.Getenv("MEMBER_VERSION"))
	case "pbm-agent":
		fmt.Println(os.Getenv("MEMBER_BACKUP"))
	default:
		err = serve(os.Args[1])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func shell(arguments []string) error {
	var script []byte
	if at := slices.Index(arguments, "--eval"); at >= 0 && at+1 < len(arguments) {
		script = []byte(arguments[at+1])
	} else {
		var err error
		if script, err = io.ReadAll(os.Stdin); err != nil {
			return err
		}
	}
	connection, err := net.Dial("unix", os.Getenv("MEMBER_CONTROL"))
	if err != nil {
		return err
	}
	defer connection.Close()
	if err := json.NewEncoder(connection).Encode(asked{os.Getenv("MEMBER_POD"), string(script)}); err != nil {
		return err
	}
	var answer struct{ Out, Error string }
	if err := json.NewDecoder(connection).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return fmt.Errorf("%s", answer.Error)
	}
	fmt.Println(answer.Out)
	return nil
}
