package main

import (
	"context"

	"connectrpc.com/connect"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	_ "google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	pb "interop/gen"
)

type grpcClient struct{ conn *grpc.ClientConn }

func newGrpcClient(address, compressor string) (*grpcClient, error) {
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.UseCompressor(compressor)))
	return &grpcClient{conn}, err
}

// The same error as connect-go would make of it; io.EOF stays.
func asConnect(err error) error {
	s, isStatus := status.FromError(err)
	if err == nil || !isStatus {
		return err
	}
	e := connect.NewWireError(connect.Code(s.Code()), plainError(s.Message()))
	for _, a := range s.Proto().Details {
		detail, detailErr := connect.NewErrorDetail(a)
		if detailErr != nil {
			return detailErr
		}
		e.AddDetail(detail)
	}
	return e
}

type plainError string

func (e plainError) Error() string { return string(e) }

func invoke[R any](ctx context.Context, c *grpcClient, name string, q proto.Message) (*reply[R], error) {
	var header, trailer metadata.MD
	r := new(R)
	err := c.conn.Invoke(ctx, service+name, q, r, grpc.Header(&header), grpc.Trailer(&trailer))
	return &reply[R]{r, header, trailer}, asConnect(err)
}

func (c *grpcClient) unary(ctx context.Context, q *pb.UnaryRequest) (*reply[pb.UnaryResponse], error) {
	return invoke[pb.UnaryResponse](ctx, c, "Unary", q)
}

func (c *grpcClient) idempotent(ctx context.Context, q *pb.IdempotentUnaryRequest) (
	*reply[pb.IdempotentUnaryResponse], error) {
	return invoke[pb.IdempotentUnaryResponse](ctx, c, "IdempotentUnary", q)
}

func (c *grpcClient) unimplemented(ctx context.Context) error {
	_, err := invoke[pb.UnimplementedResponse](ctx, c, "Unimplemented", &pb.UnimplementedRequest{})
	return err
}

type grpcStream[R any] struct {
	grpc.ClientStream
	err error // at its beginning
}

func open[R any](ctx context.Context, c *grpcClient, name string) grpcStream[R] {
	s, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, service+name)
	return grpcStream[R]{s, asConnect(err)}
}

func (s grpcStream[R]) receive() (*R, error) {
	if s.err != nil {
		return nil, s.err
	}
	m := new(R)
	return m, asConnect(s.RecvMsg(m))
}

func (s grpcStream[R]) put(q proto.Message) error {
	if s.err != nil {
		return s.err
	}
	return asConnect(s.SendMsg(q))
}

func (s grpcStream[R]) send(q *pb.BidiStreamRequest) error { return s.put(q) }
func (s grpcStream[R]) closeSend() error                   { return s.CloseSend() }

func (c *grpcClient) serverStream(ctx context.Context, q *pb.ServerStreamRequest) (
	receiver[pb.ServerStreamResponse], error) {
	s := open[pb.ServerStreamResponse](ctx, c, "ServerStream")
	if err := s.put(q); err != nil {
		return nil, err
	}
	return s, s.closeSend()
}

func (c *grpcClient) clientStream(ctx context.Context, requests []*pb.ClientStreamRequest) (
	*pb.ClientStreamResponse, error) {
	s := open[pb.ClientStreamResponse](ctx, c, "ClientStream")
	for _, q := range requests {
		if err := s.put(q); err != nil {
			return nil, err
		}
	}
	if err := s.closeSend(); err != nil {
		return nil, err
	}
	return s.receive()
}

func (c *grpcClient) bidiStream(ctx context.Context) duplex {
	return open[pb.BidiStreamResponse](ctx, c, "BidiStream")
}
