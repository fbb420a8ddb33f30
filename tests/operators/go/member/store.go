package main

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"go.mongodb.org/mongo-driver/bson"
)

// What Percona's backup keeps in the database: documents, found by equal fields. Whatever else a driver can ask is
// refused, so that nobody is told something wrong.

func unknown(words string, values ...any) error {
	return failure{2, "BadValue", "the stand-in does not know " + fmt.Sprintf(words, values...)}
}

func (c *caller) documentCommand(name string, command bson.D, db string) (bson.M, error) {
	collection, _ := command[0].Value.(string)
	space := db + "." + collection
	switch name {
	case "find":
		filter, _ := value(command, "filter").(bson.D)
		documents := c.set.documents[space]
		switch {
		case space == "admin.pbmAgents":
			documents = c.set.agents(c.Backup)
		case space == "admin.system.version" && c.role(c.pod) == "shardsvr":
			// where a shard finds the config servers
			set := setOf(c.pod)
			config := c.sets[set[:strings.LastIndex(set, "-")]+"-cfg"]
			config.Lock()
			documents = []bson.D{{
				{Key: "_id", Value: "shardIdentity"}, {Key: "configsvrConnectionString", Value: config.address()},
			}}
			config.Unlock()
		}
		found := bson.A{}
		for _, each := range documents {
			fits, err := matches(each, filter)
			if err != nil {
				return nil, err
			}
			if fits {
				found = append(found, each)
			}
		}
		if sort, _ := value(command, "sort").(bson.D); len(sort) > 0 && len(found) > 1 {
			return nil, unknown("an order of %s", space)
		}
		if limit := number(value(command, "limit")); limit > 0 && len(found) > int(limit) {
			found = found[:int(limit)]
		}
		return bson.M{"cursor": bson.M{"id": int64(0), "ns": space, "firstBatch": found}, "ok": 1}, nil
	case "insert":
		documents, _ := value(command, "documents").(bson.A)
		for _, each := range documents {
			document := each.(bson.D)
			c.set.documents[space] = append(c.set.documents[space], document)
			if space == "admin.pbmCmd" {
				go c.set.play(document)
			}
		}
		return bson.M{"n": len(documents), "ok": 1}, nil
	case "update":
		changed := 0
		updates, _ := value(command, "updates").(bson.A)
		for _, each := range updates {
			count, err := c.set.update(space, each.(bson.D))
			if err != nil {
				return nil, err
			}
			changed += count
		}
		return bson.M{"n": changed, "nModified": changed, "ok": 1}, nil
	}
	return nil, unknown("%s", name)
}

// update changes the one document that fits: to another one, or by $set.
func (s *replicaSet) update(space string, update bson.D) (int, error) {
	filter, _ := value(update, "q").(bson.D)
	change, plain := value(update, "u").(bson.D)
	if !plain || len(change) == 0 {
		return 0, unknown("an update by %v", value(update, "u"))
	}
	parts, set := value(change, "$set").(bson.D)
	if strings.HasPrefix(change[0].Key, "$") && (!set || len(change) > 1) {
		return 0, unknown("%s", change[0].Key)
	}
	for index, each := range s.documents[space] {
		fits, err := matches(each, filter)
		if err != nil {
			return 0, err
		}
		if !fits {
			continue
		}
		if set {
			for _, part := range parts {
				each = with(each, strings.Split(part.Key, "."), part.Value)
			}
			s.documents[space][index] = each
		} else {
			s.documents[space][index] = change
		}
		return 1, nil
	}
	if upsert, _ := value(update, "upsert").(bool); upsert && !set {
		s.documents[space] = append(s.documents[space], change)
		return 1, nil
	}
	return 0, nil
}

// with gives a copy of a document with another value at this path.
func with(document bson.D, path []string, wanted any) bson.D {
	changed := append(bson.D{}, document...)
	for index, each := range changed {
		if each.Key == path[0] {
			if len(path) > 1 {
				inner, _ := each.Value.(bson.D)
				wanted = with(inner, path[1:], wanted)
			}
			changed[index].Value = wanted
			return changed
		}
	}
	if len(path) > 1 {
		wanted = with(nil, path[1:], wanted)
	}
	return append(changed, bson.E{Key: path[0], Value: wanted})
}

func matches(document, filter bson.D) (bool, error) {
	for _, wanted := range filter {
		if strings.HasPrefix(wanted.Key, "$") {
			return false, unknown("%s", wanted.Key)
		}
		has := any(document)
		for _, part := range strings.Split(wanted.Key, ".") {
			inner, _ := has.(bson.D)
			has = value(inner, part)
		}
		choices := bson.A{wanted.Value}
		if operators, ok := wanted.Value.(bson.D); ok && len(operators) > 0 && strings.HasPrefix(operators[0].Key, "$") {
			if choices, ok = operators[0].Value.(bson.A); !ok || operators[0].Key != "$in" || len(operators) > 1 {
				return false, unknown("%s of %s", operators[0].Key, wanted.Key)
			}
		}
		fits := false
		for _, choice := range choices {
			fits = fits || equal(has, choice)
		}
		if !fits {
			return false, nil
		}
	}
	return true, nil
}

// equal compares as MongoDB does: a number is a number, and what is not there is null.
func equal(one, other any) bool {
	if isNumber(one) && isNumber(other) {
		return number(one) == number(other)
	}
	left, err := bson.Marshal(bson.D{{Key: "v", Value: one}})
	right, also := bson.Marshal(bson.D{{Key: "v", Value: other}})
	return err == nil && also == nil && bytes.Equal(left, right)
}

func isNumber(item any) bool {
	return item != nil && reflect.ValueOf(item).CanConvert(reflect.TypeFor[float64]())
}

func number(item any) float64 {
	if !isNumber(item) {
		return 0
	}
	return reflect.ValueOf(item).Convert(reflect.TypeFor[float64]()).Float()
}
