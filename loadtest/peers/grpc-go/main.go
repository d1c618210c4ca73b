// A unary call in grpc-go, for loadtest/rpc.py: prints its address and serves until its standard input ends.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// Equal on the wire to types.v1.LabelValuesRequest with a name, and to LabelValuesResponse.
func labelValues(_ context.Context, q *wrapperspb.StringValue) (*fieldmaskpb.FieldMask, error) {
	return &fieldmaskpb.FieldMask{Paths: []string{q.Value, q.Value}}, nil
}

func handle(_ any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
	q := new(wrapperspb.StringValue)
	if err := decode(q); err != nil {
		return nil, err
	}
	return labelValues(ctx, q)
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "querier.v1.QuerierService",
		HandlerType: (*any)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "LabelValues", Handler: handle}},
	}, struct{}{})
	fmt.Println(listener.Addr())
	go server.Serve(listener)
	io.Copy(io.Discard, os.Stdin)
}
