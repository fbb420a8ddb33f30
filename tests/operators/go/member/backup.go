package main

import (
	"fmt"
	"log"
	"time"

	"go.mongodb.org/mongo-driver/bson"
	"go.mongodb.org/mongo-driver/bson/primitive"
)

// step is how long the stand-in's agent works at each part of a command.
const step = time.Second

// agents are those beside the members: each says that all is well.
func (s *replicaSet) agents(version string) []bson.D {
	well, found := bson.M{"ok": true}, []bson.D{}
	for _, each := range s.config.Members {
		state := 2
		if each.Host == s.primary {
			state = 1
		}
		found = append(found, bson.D{
			{Key: "n", Value: each.Host}, {Key: "rs", Value: s.config.ID}, {Key: "s", Value: state},
			{Key: "v", Value: version}, {Key: "pbms", Value: well}, {Key: "nodes", Value: well},
			{Key: "stors", Value: well}, {Key: "hb", Value: stamp()},
		})
	}
	return found
}

func stamp() primitive.Timestamp { return primitive.Timestamp{T: uint32(time.Now().Unix()), I: 1} }

// play does what an agent would: it holds a lock while it works at a command, and tells of a backup how it is. Nothing
// is written to any storage.
func (s *replicaSet) play(command bson.D) {
	name, _ := value(command, "cmd").(string)
	operation := fmt.Sprintf("%v", value(command, "_id"))
	if id, ok := value(command, "_id").(primitive.ObjectID); ok {
		operation = id.Hex()
	}
	log.Println("agent:", name)
	const locks, backups = "admin.pbmLock", "admin.pbmBackups"
	s.Lock()
	s.documents[locks] = append(s.documents[locks], bson.D{
		{Key: "type", Value: name}, {Key: "opid", Value: operation}, {Key: "replset", Value: s.config.ID},
		{Key: "node", Value: s.primary}, {Key: "hb", Value: stamp()}, {Key: "epoch", Value: stamp()},
	})
	s.Unlock()
	time.Sleep(step)
	if wanted, _ := value(command, "backup").(bson.D); name == "backup" {
		now := time.Now().Unix()
		of := bson.M{
			"name": s.config.ID, "node": s.primary, "status": "running", "start_ts": now, "last_transition_ts": now,
		}
		document := bson.D{
			{Key: "type", Value: value(wanted, "type")}, {Key: "opid", Value: operation},
			{Key: "name", Value: value(wanted, "name")}, {Key: "replsets", Value: bson.A{of}},
			{Key: "compression", Value: value(wanted, "compression")}, {Key: "status", Value: "running"},
			{Key: "start_ts", Value: now}, {Key: "last_transition_ts", Value: now}, {Key: "hb", Value: stamp()},
			{Key: "first_write_ts", Value: stamp()}, {Key: "last_write_ts", Value: stamp()},
		}
		s.Lock()
		s.documents[backups] = append(s.documents[backups], document)
		index := len(s.documents[backups]) - 1
		s.Unlock()
		time.Sleep(step)
		s.Lock()
		status := "done"
		if s.broken != "" {
			status = "error"
			document = with(document, []string{"error"}, s.broken)
		}
		document = with(document, []string{"status"}, status)
		document = with(document, []string{"size"}, int64(1<<20))
		s.documents[backups][index] = document
		s.Unlock()
	}
	s.Lock()
	defer s.Unlock()
	left := []bson.D{}
	for _, each := range s.documents[locks] {
		if value(each, "opid") != operation {
			left = append(left, each)
		}
	}
	s.documents[locks] = left
}
