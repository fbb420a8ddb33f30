package main

import (
	"bufio"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"os"
	"strings"
	"time"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// The operations of the wire protocol that a driver of today uses: the first greeting, and all that follows.
const (
	opReply = 1
	opQuery = 2004
	opMsg   = 2013
)

type server struct {
	settings
	sets map[string]*replicaSet
}

func serve(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	s := &server{sets: map[string]*replicaSet{}}
	if err := json.Unmarshal(text, &s.settings); err != nil {
		return err
	}
	certificate, err := tls.LoadX509KeyPair(s.Certificate, s.Key)
	if err != nil {
		return err
	}
	// a member trusts clients by password; the operator shows a certificate all the same
	secure := &tls.Config{Certificates: []tls.Certificate{certificate}, ClientAuth: tls.RequestClientCert}
	for pod, address := range s.Pods {
		if name := setOf(pod); s.sets[name] == nil {
			s.sets[name] = &replicaSet{users: map[string]*user{}, roles: map[string]bson.M{}, documents: map[string][]bson.D{}}
		}
		listener, err := tls.Listen("tcp", fmt.Sprintf("%s:%d", address, s.Port), secure)
		if err != nil {
			return err
		}
		go s.accept(listener, func(connection net.Conn) { s.talk(connection, pod) })
	}
	os.Remove(s.Control)
	control, err := net.Listen("unix", s.Control)
	if err != nil {
		return err
	}
	s.accept(control, s.script)
	return nil
}

// setOf names the replica set of a pod; mongos knows what the config servers know.
func setOf(pod string) string {
	name := pod[:strings.LastIndex(pod, "-")]
	if cluster, found := strings.CutSuffix(name, "-mongos"); found {
		return cluster + "-cfg"
	}
	return name
}

// role is what a member of a sharded cluster was started as, "" where there are no shards.
func (s *server) role(pod string) string {
	set := setOf(pod)
	config := set[:strings.LastIndex(set, "-")] + "-cfg"
	switch {
	case s.sets[config] == nil:
		return ""
	case set == config:
		return "configsvr"
	}
	return "shardsvr"
}

func routes(pod string) bool { return strings.Contains(pod, "-mongos-") }

func (s *server) accept(listener net.Listener, talk func(net.Conn)) {
	for {
		connection, err := listener.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go func() {
			defer connection.Close()
			talk(connection)
		}()
	}
}

func (s *server) script(connection net.Conn) {
	var question asked
	if err := json.NewDecoder(connection).Decode(&question); err != nil {
		return
	}
	answer := map[string]string{}
	if set := s.sets[setOf(question.Pod)]; set == nil {
		answer["error"] = "no such pod: " + question.Pod
	} else if out, err := set.run(question.Pod, question.Script); err != nil {
		answer["error"] = err.Error()
	} else {
		answer["out"] = out
	}
	log.Println("mongosh", question.Pod, answer)
	json.NewEncoder(connection).Encode(answer)
}

// talk answers one client of one member until it goes.
func (s *server) talk(connection net.Conn, pod string) {
	caller := &caller{server: s, pod: pod, set: s.sets[setOf(pod)]}
	reader := bufio.NewReader(connection)
	for {
		head := make([]byte, 16)
		if _, err := io.ReadFull(reader, head); err != nil {
			return
		}
		size, id := int(binary.LittleEndian.Uint32(head)), binary.LittleEndian.Uint32(head[4:])
		if size < 16 || size > 48<<20 {
			return
		}
		body := make([]byte, size-16)
		if _, err := io.ReadFull(reader, body); err != nil {
			return
		}
		operation := binary.LittleEndian.Uint32(head[12:])
		command, db, err := read(operation, body)
		if err != nil {
			log.Println("not understood:", err)
			return
		}
		document, err := bson.Marshal(caller.answer(command, db))
		if err != nil {
			log.Println("cannot be told:", err)
			return
		}
		kind, front := opMsg, []byte{0, 0, 0, 0, 0}
		if operation == opQuery {
			// flags, cursor, where it starts, one document
			kind, front = opReply, append(make([]byte, 16), 1, 0, 0, 0)
		}
		whole := binary.LittleEndian.AppendUint32(nil, uint32(16+len(front)+len(document)))
		for _, number := range []uint32{1, id, uint32(kind)} {
			whole = binary.LittleEndian.AppendUint32(whole, number)
		}
		if _, err := connection.Write(append(append(whole, front...), document...)); err != nil {
			return
		}
	}
}

// read finds the command in a message; sections of documents are put into it under their names.
func read(operation uint32, body []byte) (bson.D, string, error) {
	var command bson.D
	short := errors.New("the message is too short")
	switch operation {
	case opQuery:
		end := strings.IndexByte(string(body[4:]), 0)
		if end < 0 || len(body) < 4+end+9 {
			return nil, "", short
		}
		err := bson.Unmarshal(body[4+end+9:], &command)
		return command, "admin", err
	case opMsg:
		if len(body) < 5 {
			return nil, "", short
		}
		checksum := binary.LittleEndian.Uint32(body)&1 == 1
		if body = body[4:]; checksum {
			body = body[:len(body)-4]
		}
		more := bson.D{}
		for len(body) > 5 {
			kind, size := body[0], int(binary.LittleEndian.Uint32(body[1:]))
			if size > len(body)-1 {
				return nil, "", short
			}
			section := body[1 : 1+size]
			body = body[1+size:]
			if kind == 0 {
				if err := bson.Unmarshal(section, &command); err != nil {
					return nil, "", err
				}
				continue
			}
			name, rest, _ := strings.Cut(string(section[4:]), "\x00")
			documents := bson.A{}
			for len(rest) > 4 {
				length := int(binary.LittleEndian.Uint32([]byte(rest)))
				if length > len(rest) {
					return nil, "", short
				}
				var document bson.D
				if err := bson.Unmarshal([]byte(rest[:length]), &document); err != nil {
					return nil, "", err
				}
				documents, rest = append(documents, document), rest[length:]
			}
			more = append(more, bson.E{Key: name, Value: documents})
		}
		command = append(command, more...)
		db, _ := value(command, "$db").(string)
		if len(command) == 0 {
			return nil, "", short
		}
		return command, db, nil
	}
	return nil, "", fmt.Errorf("operation %d", operation)
}

func value(document bson.D, key string) any {
	for _, each := range document {
		if each.Key == key {
			return each.Value
		}
	}
	return nil
}

// caller is one connection: who it is, once it has said so.
type caller struct {
	*server
	pod          string
	set          *replicaSet
	conversation *scram.ServerConversation
	known        bool
}

// open are the commands that a caller may give before it has said who it is.
var open = map[string]bool{"hello": true, "isMaster": true, "ismaster": true, "saslStart": true, "saslContinue": true}

func (c *caller) answer(command bson.D, db string) bson.M {
	name := command[0].Key
	c.set.Lock()
	defer c.set.Unlock()
	said, err := bson.M(nil), error(failure{13, "Unauthorized", "command " + name + " requires authentication"})
	if c.known || open[name] {
		said, err = c.obey(name, command, db)
	}
	if err != nil {
		var why failure
		if !errors.As(err, &why) {
			why = failure{8, "UnknownError", err.Error()}
		}
		log.Println(c.pod, name, why.message)
		said = bson.M{"ok": 0, "errmsg": why.message, "code": why.code, "codeName": why.name}
	}
	now := stamp()
	said["operationTime"] = now
	said["$clusterTime"] = bson.M{
		"clusterTime": now,
		"signature":   bson.M{"hash": primitive.Binary{Data: make([]byte, 20)}, "keyId": int64(0)},
	}
	return said
}

func (c *caller) obey(name string, command bson.D, db string) (bson.M, error) {
	set, done := c.set, bson.M{"ok": 1}
	if set.config == nil && strings.HasPrefix(name, "replSet") {
		return nil, failure{94, "NotYetInitialized", "no replset config has been received"}
	}
	switch name {
	case "hello", "isMaster", "ismaster":
		return c.hello(command), nil
	case "saslStart", "saslContinue":
		return c.authenticate(name, command, db)
	case "ping", "endSessions", "setDefaultRWConcern", "setFeatureCompatibilityVersion", "replSetFreeze":
		return done, nil
	case "buildInfo", "buildinfo":
		return bson.M{"version": c.Version, "ok": 1}, nil
	case "getParameter":
		numbers := strings.SplitN(c.Version, ".", 3)
		return bson.M{"featureCompatibilityVersion": bson.M{"version": numbers[0] + "." + numbers[1]}, "ok": 1}, nil
	case "listDatabases":
		return bson.M{"databases": bson.A{bson.M{"name": "admin"}, bson.M{"name": "local"}}, "ok": 1}, nil
	case "replSetGetConfig":
		return bson.M{"config": set.config, "ok": 1}, nil
	case "replSetGetStatus":
		return set.status(c.pod), nil
	case "replSetReconfig":
		var wanted configuration
		force, _ := value(command, "force").(bool)
		if err := convert(command[0].Value, &wanted); err != nil {
			return nil, err
		}
		return done, set.reconfigure(wanted, force)
	case "replSetStepDown":
		set.elect(set.primary)
		return done, nil
	case "getCmdLineOpts":
		parsed := bson.M{}
		if role := c.role(c.pod); role != "" {
			parsed["sharding"] = bson.M{"clusterRole": role}
		}
		return bson.M{"parsed": parsed, "ok": 1}, nil
	case "getShardMap":
		sets := bson.M{"config": set.address()}
		for _, each := range set.shards {
			sets[each.(bson.M)["_id"].(string)] = each.(bson.M)["host"]
		}
		return bson.M{"map": sets, "ok": 1}, nil
	case "find", "insert", "update":
		return c.documentCommand(name, command, db)
	case "usersInfo", "createUser", "updateUser", "dropUser":
		return c.userCommand(name, command, db)
	case "rolesInfo":
		roles := bson.A{}
		if role, ok := command[0].Value.(string); ok && set.roles[db+"."+role] != nil {
			roles = append(roles, set.roles[db+"."+role])
		}
		return bson.M{"roles": roles, "ok": 1}, nil
	case "createRole", "updateRole":
		role, _ := command[0].Value.(string)
		set.roles[db+"."+role] = bson.M{
			"role": role, "db": db, "privileges": value(command, "privileges"), "roles": value(command, "roles"),
		}
		return done, nil
	}
	if routes(c.pod) {
		return c.route(name, command)
	}
	return nil, failure{59, "CommandNotFound", "no such command: '" + name + "'"}
}

// route does what only mongos can.
func (c *caller) route(name string, command bson.D) (bson.M, error) {
	switch name {
	case "listShards":
		return bson.M{"shards": append(bson.A{}, c.set.shards...), "ok": 1}, nil
	case "addShard":
		host, _ := command[0].Value.(string)
		shard, _, found := strings.Cut(host, "/")
		if !found {
			return nil, failure{2, "BadValue", "a shard is named SET/HOST"}
		}
		c.set.shards = append(c.set.shards, bson.M{"_id": shard, "host": host, "state": 1})
		return bson.M{"shardAdded": shard, "ok": 1}, nil
	case "balancerStart", "balancerStop":
		return bson.M{"ok": 1}, nil
	case "balancerStatus":
		return bson.M{"mode": "full", "ok": 1}, nil
	}
	return nil, failure{59, "CommandNotFound", "no such command: '" + name + "'"}
}

func (c *caller) hello(command bson.D) bson.M {
	said := bson.M{
		"ok": 1, "helloOk": true, "minWireVersion": 0, "maxWireVersion": 25, "maxBsonObjectSize": 16 << 20,
		"maxMessageSizeBytes": 48_000_000, "maxWriteBatchSize": 100_000, "logicalSessionTimeoutMinutes": 30,
		"localTime": time.Now(), "readOnly": false,
	}
	if value(command, "saslSupportedMechs") != nil {
		said["saslSupportedMechs"] = bson.A{"SCRAM-SHA-256"}
	}
	writable := "ismaster"
	if command[0].Key == "hello" {
		writable = "isWritablePrimary"
	}
	if routes(c.pod) {
		said["msg"], said[writable] = "isdbgrid", true
		return said
	}
	me := c.set.self(c.pod)
	if me == "" {
		said["isreplicaset"], said[writable], said["secondary"] = true, false, false
		return said
	}
	hosts, passive := bson.A{}, bson.A{}
	for _, each := range c.set.config.Members {
		if each.Priority > 0 {
			hosts = append(hosts, each.Host)
		} else {
			passive = append(passive, each.Host)
		}
	}
	if c.role(c.pod) == "configsvr" {
		said["configsvr"] = 2
	}
	primary := c.set.primary == me
	maps.Copy(said, bson.M{
		"setName": c.set.config.ID, "setVersion": c.set.config.Version, "hosts": hosts, "passives": passive, "me": me,
		"primary": c.set.primary, writable: primary, "secondary": !primary,
	})
	return said
}

func (c *caller) authenticate(step string, command bson.D, db string) (bson.M, error) {
	refused := failure{18, "AuthenticationFailed", "Authentication failed."}
	if step == "saslStart" {
		if value(command, "mechanism") != "SCRAM-SHA-256" {
			return nil, failure{334, "MechanismUnavailable", "only SCRAM-SHA-256 is there"}
		}
		known, err := scram.SHA256.NewServer(func(name string) (scram.StoredCredentials, error) {
			if found := c.set.users[db+"."+name]; found != nil {
				return found.key, nil
			}
			return scram.StoredCredentials{}, refused
		})
		if err != nil {
			return nil, err
		}
		c.conversation = known.NewConversation()
	}
	payload, _ := value(command, "payload").(primitive.Binary)
	if c.conversation == nil {
		return nil, refused
	}
	if c.conversation.Done() {
		return bson.M{"conversationId": 1, "done": true, "payload": []byte{}, "ok": 1}, nil
	}
	said, err := c.conversation.Step(string(payload.Data))
	if err != nil {
		return nil, refused
	}
	c.known = c.conversation.Valid()
	return bson.M{"conversationId": 1, "done": c.conversation.Done(), "payload": []byte(said), "ok": 1}, nil
}

func (c *caller) userCommand(command string, whole bson.D, db string) (bson.M, error) {
	name, _ := whole[0].Value.(string)
	password, given := value(whole, "pwd").(string)
	roles, _ := value(whole, "roles").(bson.A)
	found := c.set.users[db+"."+name]
	switch {
	case command == "createUser":
		return bson.M{"ok": 1}, c.set.add(db, name, password, roles)
	case command == "usersInfo":
		users := bson.A{}
		if found != nil {
			users = append(users, bson.M{"_id": db + "." + name, "user": name, "db": db, "roles": found.roles})
		}
		return bson.M{"users": users, "ok": 1}, nil
	case found == nil:
		return nil, failure{11, "UserNotFound", fmt.Sprintf("User %q not found", name+"@"+db)}
	case command == "dropUser":
		delete(c.set.users, db+"."+name)
	default:
		if given {
			key, err := stored(name, password, salt())
			if err != nil {
				return nil, err
			}
			found.key = key
		}
		if value(whole, "roles") != nil {
			found.roles = granted(db, roles)
		}
	}
	return bson.M{"ok": 1}, nil
}

// convert reads a document into a structure.
func convert(document, into any) error {
	text, err := bson.Marshal(document)
	if err != nil {
		return err
	}
	return bson.Unmarshal(text, into)
}
