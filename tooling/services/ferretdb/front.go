package main

import (
	"encoding/binary"
	"io"
	"log"
	"net"
	"sync"
)

// FerretDB 1.24 finds a document and changes it in two steps, so that of two who compare and set at the same moment both may
// succeed. The front stands between it and its clients: commands that write go one after another, and a command that was begun
// is carried out whether or not its client is still there. MongoDB does both by itself.

const (
	headerBytes     = 16
	maxMessageBytes = 64 << 20
	opMsg           = 2013
	flagMoreToCome  = 1 << 1
	// Of an OP_MSG: header, flags, kind of the first section, length of its document, type of its first element.
	commandAt = headerBytes + 4 + 1 + 4 + 1
)

// Commands that change nothing; all others, known or not, go one after another.
var reads = map[string]bool{
	"aggregate": true, "buildInfo": true, "count": true, "distinct": true, "endSessions": true, "explain": true, "find": true,
	"getLog": true, "getMore": true, "getParameter": true, "hello": true, "isMaster": true, "ismaster": true, "killCursors": true,
	"listCollections": true, "listDatabases": true, "listIndexes": true, "ping": true, "serverStatus": true,
}

var writing sync.Mutex

// serve takes clients until the listener is closed.
func serve(listener net.Listener, backend, folder string) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			defer client.Close()
			server, err := net.Dial("unix", backend)
			if err != nil {
				log.Printf("front: %v", err)
				return
			}
			defer server.Close()
			for exchange(client, server, folder) == nil {
			}
		}()
	}
}

// exchange carries one command to the server and its reply back. The reply is waited for also when the client has gone.
func exchange(client, server net.Conn, folder string) error {
	command, err := readMessage(client)
	if err != nil {
		return err
	}
	reply, err := ask(command, server, folder)
	if err != nil || reply == nil {
		return err
	}
	_, err = client.Write(reply)
	return err
}

// ask returns no reply to a command that wants none.
func ask(command []byte, server net.Conn, folder string) ([]byte, error) {
	isWrite := !reads[nameOf(command)]
	if isWrite {
		writing.Lock()
		defer writing.Unlock()
	}
	if _, err := server.Write(command); err != nil {
		return nil, err
	}
	if isOpMsg(command) && binary.LittleEndian.Uint32(command[headerBytes:])&flagMoreToCome != 0 {
		return nil, nil
	}
	reply, err := readMessage(server)
	if err == nil && isWrite {
		err = index(command, folder)
	}
	return reply, err
}

func readMessage(from io.Reader) ([]byte, error) {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	length := binary.LittleEndian.Uint32(header)
	if length < headerBytes || length > maxMessageBytes {
		return nil, io.ErrUnexpectedEOF
	}
	message := make([]byte, length)
	copy(message, header)
	_, err := io.ReadFull(from, message[headerBytes:])
	return message, err
}

func isOpMsg(message []byte) bool {
	return len(message) > commandAt && binary.LittleEndian.Uint32(message[12:]) == opMsg
}

// nameOf is the name of the command; of a first greeting in the older form, which reads, "hello".
func nameOf(message []byte) string {
	if !isOpMsg(message) {
		return "hello"
	}
	for end := commandAt; end < len(message); end++ {
		if message[end] == 0 {
			return string(message[commandAt:end])
		}
	}
	return ""
}
