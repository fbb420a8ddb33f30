package main

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/xdg-go/scram"
	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// iterations of SCRAM: what MongoDB takes by default.
const iterations = 15000

// member is one of a replica set's configuration. What the operator writes beside this is kept as it came.
type member struct {
	ID       int    `bson:"_id" json:"_id"`
	Host     string `bson:"host" json:"host"`
	Votes    int    `bson:"votes" json:"votes"`
	Priority int    `bson:"priority" json:"priority"`
	Rest     bson.M `bson:",inline" json:"-"`
}

type configuration struct {
	ID      string   `bson:"_id"`
	Version int      `bson:"version"`
	Members []member `bson:"members"`
	Rest    bson.M   `bson:",inline"`
}

type user struct {
	name, db string
	roles    bson.A
	key      scram.StoredCredentials
}

// replicaSet is all that the members of one set know; that of the config servers is what mongos knows, too.
type replicaSet struct {
	sync.Mutex
	config  *configuration
	primary string
	users   map[string]*user
	roles   map[string]bson.M
	shards  bson.A
	// by database and collection
	documents map[string][]bson.D
	// why backups fail, "" while they do not
	broken string
}

// failure is an error that MongoDB answers with.
type failure struct {
	code          int
	name, message string
}

func (f failure) Error() string { return f.message }

func (s *replicaSet) self(pod string) string {
	if s.config != nil {
		for _, each := range s.config.Members {
			if strings.HasPrefix(each.Host, pod+".") {
				return each.Host
			}
		}
	}
	return ""
}

// address is that of the whole set: SET/HOST,HOST...
func (s *replicaSet) address() string {
	hosts := []string{}
	for _, each := range s.config.Members {
		hosts = append(hosts, each.Host)
	}
	return s.config.ID + "/" + strings.Join(hosts, ",")
}

var (
	initiate = regexp.MustCompile(`(?s)rs\.initiate\(.*?_id: '([^']+)',\s*version: 1,\s*members: \[\s*(\{.*\}),?\s*\]`)
	login    = regexp.MustCompile(`^db\.auth\("([^"]*)", "([^"]*)"\)$`)
	breaks   = regexp.MustCompile(`^backups fail: (.*)$`)
	create   = regexp.MustCompile(`(?s)createUser\(\s*\{\s*user: "([^"]*)",\s*pwd: "([^"]*)",\s*roles: (\[[^\]]*\])`)
)

// run does what a script asks of a member. The operator's come over the localhost exception: only while there is no user.
func (s *replicaSet) run(pod, script string) (string, error) {
	s.Lock()
	defer s.Unlock()
	if found := initiate.FindStringSubmatch(script); found != nil {
		if s.config != nil {
			return "", failure{23, "AlreadyInitialized", "already initialized"}
		}
		var whole map[string]any
		first := member{}
		for _, into := range []any{&first, &whole} {
			if err := json.Unmarshal([]byte(found[2]), into); err != nil {
				return "", err
			}
		}
		if !strings.HasPrefix(first.Host, pod+".") {
			return "", failure{93, "InvalidReplicaSetConfig", "No host described in new configuration maps to this node"}
		}
		first.Rest = bson.M{}
		for key, value := range whole {
			switch key {
			case "_id", "host", "votes", "priority":
			default:
				first.Rest[key] = value
			}
		}
		s.config = &configuration{
			found[1], 1, []member{first}, bson.M{"settings": bson.M{"replicaSetId": primitive.NewObjectID()}},
		}
		s.primary = first.Host
		return "{ ok: 1 }", nil
	}
	if strings.Contains(script, "isWritablePrimary") {
		return fmt.Sprint(s.config != nil && s.self(pod) == s.primary), nil
	}
	if found := create.FindStringSubmatch(script); found != nil {
		if len(s.users) > 0 {
			return "", failure{13, "Unauthorized", "command createUser requires authentication"}
		}
		var roles []string
		if err := json.Unmarshal([]byte(found[3]), &roles); err != nil {
			return "", err
		}
		granted := bson.A{}
		for _, role := range roles {
			granted = append(granted, role)
		}
		return "{ ok: 1 }", s.add("admin", found[1], found[2], granted)
	}
	// what our tests ask
	if found := login.FindStringSubmatch(script); found != nil {
		known := s.users["admin."+found[1]]
		if known == nil {
			return "false", nil
		}
		key, err := stored(found[1], found[2], known.key.Salt)
		return fmt.Sprint(err == nil && string(key.StoredKey) == string(known.key.StoredKey)), err
	}
	if found := breaks.FindStringSubmatch(script); found != nil {
		s.broken = found[1]
		return "true", nil
	}
	var said any
	switch script {
	case "rs.conf()":
		said = s.config
	case "sh.status()":
		said = bson.M{"shards": s.shards}
	case "db.pbmConfig.find()":
		return list(s.documents["admin.pbmConfig"])
	case "db.getUsers()":
		users := bson.A{}
		for _, each := range s.users {
			users = append(users, bson.M{"user": each.name, "db": each.db, "roles": each.roles})
		}
		said = bson.M{"users": users}
	default:
		return "", failure{59, "CommandNotFound", "the stand-in knows no such script: " + script}
	}
	text, err := bson.MarshalExtJSON(said, false, false)
	return string(text), err
}

// list is JSON of documents.
func list(documents []bson.D) (string, error) {
	texts := []string{}
	for _, each := range documents {
		text, err := bson.MarshalExtJSON(each, false, false)
		if err != nil {
			return "", err
		}
		texts = append(texts, string(text))
	}
	return "[" + strings.Join(texts, ",") + "]", nil
}

// add makes a user; roles are names, of this database, or documents.
func (s *replicaSet) add(db, name, password string, roles bson.A) error {
	if s.users[db+"."+name] != nil {
		return failure{51003, "Location51003", fmt.Sprintf("User %q already exists", name+"@"+db)}
	}
	key, err := stored(name, password, salt())
	if err != nil {
		return err
	}
	s.users[db+"."+name] = &user{name, db, granted(db, roles), key}
	return nil
}

func granted(db string, roles bson.A) bson.A {
	whole := bson.A{}
	for _, role := range roles {
		name, of := role, any(db)
		if document, ok := role.(bson.D); ok {
			name, of = value(document, "role"), value(document, "db")
		}
		whole = append(whole, bson.D{{Key: "role", Value: name}, {Key: "db", Value: of}})
	}
	return whole
}

func salt() string {
	bytes := make([]byte, 28)
	// it never fails
	rand.Read(bytes)
	return string(bytes)
}

func stored(name, password, salt string) (scram.StoredCredentials, error) {
	client, err := scram.SHA256.NewClient(name, password, "")
	if err != nil {
		return scram.StoredCredentials{}, err
	}
	return client.GetStoredCredentials(scram.KeyFactors{Salt: salt, Iters: iterations}), nil
}

// reconfigure takes a configuration if MongoDB would.
func (s *replicaSet) reconfigure(wanted configuration, force bool) error {
	refused := func(words string, values ...any) error {
		return failure{103, "NewReplicaSetConfigurationIncompatible", fmt.Sprintf(words, values...)}
	}
	if wanted.ID != s.config.ID {
		return refused("the set is called %s, not %s", s.config.ID, wanted.ID)
	}
	if wanted.Version <= s.config.Version && !force {
		return refused("version %d is not newer than %d", wanted.Version, s.config.Version)
	}
	voters, hosts, ids := map[string]bool{}, map[string]bool{}, map[int]bool{}
	electable := false
	for _, each := range wanted.Members {
		if hosts[each.Host] || ids[each.ID] {
			return refused("%s, _id %d: there twice", each.Host, each.ID)
		}
		hosts[each.Host], ids[each.ID] = true, true
		if each.Votes != 0 && each.Votes != 1 {
			return refused("%s: votes are 0 or 1", each.Host)
		}
		if each.Votes == 0 && each.Priority != 0 {
			return refused("%s: priority must be 0 when non-voting", each.Host)
		}
		if each.Votes == 1 {
			voters[each.Host] = true
		}
		electable = electable || each.Priority > 0
	}
	if len(wanted.Members) > 50 || len(voters) > 7 || !electable {
		return refused("50 members at most, seven that vote at most, and one that can be elected at least")
	}
	changed := 0
	for _, each := range s.config.Members {
		if each.Votes == 1 && !voters[each.Host] {
			changed++
		}
		delete(voters, each.Host)
	}
	// who is left votes now and did not before, or was not there
	if changed += len(voters); changed > 1 && !force {
		return refused("non force replica set reconfig can only add or remove at most 1 voting member")
	}
	s.config = &wanted
	if !hosts[s.primary] {
		s.elect("")
	}
	return nil
}

// elect makes the first member primary that may be, other than this one.
func (s *replicaSet) elect(other string) {
	for _, each := range s.config.Members {
		if each.Priority > 0 && each.Host != other {
			s.primary = each.Host
			return
		}
	}
}

func (s *replicaSet) status(pod string) bson.M {
	now := time.Now()
	mine, members := 2, bson.A{}
	for _, each := range s.config.Members {
		state, words := 2, "SECONDARY"
		if each.Host == s.primary {
			state, words = 1, "PRIMARY"
		}
		self := strings.HasPrefix(each.Host, pod+".")
		if self {
			mine = state
		}
		members = append(members, bson.M{
			"_id": each.ID, "name": each.Host, "health": 1, "state": state, "stateStr": words, "self": self,
			"uptime": int64(100), "optime": bson.M{"ts": stamp(), "t": int64(1)}, "optimeDate": now,
			"configVersion": s.config.Version,
		})
	}
	return bson.M{"set": s.config.ID, "date": now, "myState": mine, "term": int64(1), "members": members, "ok": 1}
}
