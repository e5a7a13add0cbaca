// Command ferretdb serves MongoDB's wire protocol from SQLite files until it is interrupted.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/FerretDB/FerretDB/ferretdb"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:27017", "address to listen on")
	folder := flag.String("folder", "", "existing folder of the data, with a slash at its end")
	flag.Parse()
	backend := fmt.Sprintf("@kennel-ferretdb-%d", os.Getpid()) // in no folder, and gone with the process
	server, err := ferretdb.New(&ferretdb.Config{
		Listener:  ferretdb.ListenerConfig{Unix: backend},
		Handler:   "sqlite",
		SQLiteURL: "file:" + *folder,
	})
	if err != nil {
		log.Fatal(err)
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		log.Fatal(err)
	}
	go serve(listener, backend, *folder)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := server.Run(ctx); err != nil {
		log.Fatal(err)
	}
}
