package main

import (
	"bytes"
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"strings"
	"sync"
)

// FerretDB 1.24 makes its unique index of a collection over `_ferretdb_sjson->"_id"` and asks for `_ferretdb_sjson->'$._id'`,
// which SQLite takes for another expression: it reads the whole table for one document. Each table gets the index that is
// asked for when its collection is first written to.

var indexed = struct {
	sync.Mutex
	collections map[string]bool
}{collections: map[string]bool{}}

// index is called after a command that writes.
func index(command []byte, folder string) error {
	name, collection, database := nameOf(command), collectionOf(command), databaseOf(command)
	if name == "dropDatabase" {
		indexed.Lock()
		defer indexed.Unlock()
		clear(indexed.collections)
		return nil
	}
	if collection == "" || database == "" || strings.ContainsAny(database, "/\\?%#") {
		return nil
	}
	indexed.Lock()
	defer indexed.Unlock()
	key := database + "." + collection
	if name == "drop" {
		delete(indexed.collections, key)
	}
	if name == "drop" || indexed.collections[key] {
		return nil
	}
	file := folder + database + ".sqlite"
	if _, err := os.Stat(file); err != nil {
		return nil // the command has failed, and there is nothing to index
	}
	if err := indexTables("file:" + file + "?_pragma=busy_timeout(10000)"); err != nil {
		return fmt.Errorf("index of %s: %w", key, err)
	}
	indexed.collections[key] = true
	return nil
}

func indexTables(address string) error {
	db, err := sql.Open("sqlite", address) // FerretDB has brought the driver
	if err != nil {
		return err
	}
	defer db.Close()
	tables, err := tablesOf(db)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if _, err := db.Exec(fmt.Sprintf(`CREATE INDEX IF NOT EXISTS %q ON %q (_ferretdb_sjson->'$._id')`, table+"_by_id", table)); err != nil {
			return err
		}
	}
	return nil
}

func tablesOf(db *sql.DB) ([]string, error) {
	rows, err := db.Query(`SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\_ferretdb%' ESCAPE '\' AND name NOT LIKE 'sqlite\_%' ESCAPE '\'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var tables []string
	for rows.Next() {
		var table string
		if err := rows.Scan(&table); err != nil {
			return nil, err
		}
		tables = append(tables, table)
	}
	return tables, rows.Err()
}

// collectionOf is the value of the command's first element; empty where that is no text.
func collectionOf(command []byte) string {
	if !isOpMsg(command) || command[commandAt-1] != typeText {
		return ""
	}
	return textAt(command, commandAt+len(nameOf(command))+1)
}

func databaseOf(command []byte) string {
	field := []byte{typeText, '$', 'd', 'b', 0}
	at := bytes.Index(command, field)
	if at < 0 {
		return ""
	}
	return textAt(command, at+len(field))
}

const typeText = 2

func textAt(command []byte, at int) string {
	if len(command) < at+4 {
		return ""
	}
	length := int(binary.LittleEndian.Uint32(command[at:]))
	if length < 1 || len(command) < at+4+length {
		return ""
	}
	return string(command[at+4 : at+4+length-1])
}
