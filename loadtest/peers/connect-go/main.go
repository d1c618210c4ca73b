// A unary call in connect-go, for loadtest/rpc.py: prints its address and serves until its standard input ends.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Equal on the wire to types.v1.LabelValuesRequest with a name, and to LabelValuesResponse.
func labelValues(_ context.Context, q *connect.Request[wrapperspb.StringValue]) (
	*connect.Response[fieldmaskpb.FieldMask], error) {
	return connect.NewResponse(&fieldmaskpb.FieldMask{Paths: []string{q.Msg.Value, q.Msg.Value}}), nil
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	const path = "/querier.v1.QuerierService/LabelValues"
	routes := http.NewServeMux()
	routes.Handle(path, connect.NewUnaryHandler(path, labelValues))
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	fmt.Println(listener.Addr())
	go (&http.Server{Handler: routes, Protocols: protocols}).Serve(listener)
	io.Copy(io.Discard, os.Stdin)
}
