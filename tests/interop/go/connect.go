package main

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"

	"connectrpc.com/connect"

	pb "interop/gen"
)

type connectClient struct {
	isHTTP2 bool
	http    *http.Client
	baseURL string
	options []connect.ClientOption
}

// Every dialect, codec, HTTP version and compression of connect-go.
func connectClients(address string) map[string]*connectClient {
	clients := map[string]*connectClient{}
	for version, isHTTP2 := range map[string]bool{"h1": false, "h2c": true} {
		protocols := new(http.Protocols)
		protocols.SetHTTP1(!isHTTP2)
		protocols.SetUnencryptedHTTP2(isHTTP2)
		for dialect, option := range map[string]connect.ClientOption{
			"connect":  connect.WithHTTPGet(),
			"grpc":     connect.WithGRPC(),
			"grpc-web": connect.WithGRPCWeb(),
		} {
			if dialect == "grpc" && !isHTTP2 {
				continue
			}
			for codec, codecOption := range map[string]connect.ClientOption{
				"proto": connect.WithClientOptions(), "json": connect.WithProtoJSON()} {
				for compression, sent := range map[string]connect.ClientOption{
					"identity": connect.WithAcceptCompression("gzip", nil, nil), "gzip": connect.WithSendGzip()} {
					clients[strings.Join([]string{dialect, codec, version, compression}, " ")] = &connectClient{
						isHTTP2: isHTTP2,
						http:    &http.Client{Transport: &http.Transport{Protocols: protocols}},
						baseURL: "http://" + address,
						options: []connect.ClientOption{option, codecOption, sent},
					}
				}
			}
		}
	}
	return clients
}

func method[Q, R any](c *connectClient, name string, options ...connect.ClientOption) *connect.Client[Q, R] {
	return connect.NewClient[Q, R](c.http, c.baseURL+service+name, append(options, c.options...)...)
}

func lower(h http.Header) map[string][]string {
	low := map[string][]string{}
	for name, values := range h {
		low[strings.ToLower(name)] = values
	}
	return low
}

func callUnary[Q, R any](ctx context.Context, m *connect.Client[Q, R], q *Q) (*reply[R], error) {
	r, err := m.CallUnary(ctx, connect.NewRequest(q))
	if err != nil {
		return nil, err
	}
	return &reply[R]{r.Msg, lower(r.Header()), lower(r.Trailer())}, nil
}

func (c *connectClient) unary(ctx context.Context, q *pb.UnaryRequest) (*reply[pb.UnaryResponse], error) {
	return callUnary(ctx, method[pb.UnaryRequest, pb.UnaryResponse](c, "Unary"), q)
}

func (c *connectClient) idempotent(ctx context.Context, q *pb.IdempotentUnaryRequest) (
	*reply[pb.IdempotentUnaryResponse], error) {
	m := method[pb.IdempotentUnaryRequest, pb.IdempotentUnaryResponse](c, "IdempotentUnary",
		connect.WithIdempotency(connect.IdempotencyNoSideEffects))
	return callUnary(ctx, m, q)
}

func (c *connectClient) unimplemented(ctx context.Context) error {
	m := method[pb.UnimplementedRequest, pb.UnimplementedResponse](c, "Unimplemented")
	_, err := callUnary(ctx, m, &pb.UnimplementedRequest{})
	return err
}

type connectReceiver[T any] struct {
	*connect.ServerStreamForClient[T]
}

func (r connectReceiver[T]) receive() (*T, error) {
	if r.Receive() {
		return r.Msg(), nil
	}
	if err := r.Err(); err != nil {
		return nil, err
	}
	return nil, io.EOF
}

func (c *connectClient) serverStream(ctx context.Context, q *pb.ServerStreamRequest) (
	receiver[pb.ServerStreamResponse], error) {
	m := method[pb.ServerStreamRequest, pb.ServerStreamResponse](c, "ServerStream")
	s, err := m.CallServerStream(ctx, connect.NewRequest(q))
	return connectReceiver[pb.ServerStreamResponse]{s}, err
}

func (c *connectClient) clientStream(ctx context.Context, requests []*pb.ClientStreamRequest) (
	*pb.ClientStreamResponse, error) {
	s := method[pb.ClientStreamRequest, pb.ClientStreamResponse](c, "ClientStream").CallClientStream(ctx)
	for _, q := range requests {
		if err := s.Send(q); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	r, err := s.CloseAndReceive()
	if err != nil {
		return nil, err
	}
	return r.Msg, nil
}

type connectDuplex struct {
	*connect.BidiStreamForClient[pb.BidiStreamRequest, pb.BidiStreamResponse]
}

func (d connectDuplex) send(q *pb.BidiStreamRequest) error { return d.Send(q) }
func (d connectDuplex) closeSend() error                   { return d.CloseRequest() }

func (d connectDuplex) receive() (*pb.BidiStreamResponse, error) {
	m, err := d.Receive()
	if errors.Is(err, io.EOF) {
		return nil, io.EOF
	}
	return m, err
}

func (c *connectClient) bidiStream(ctx context.Context) duplex {
	return connectDuplex{method[pb.BidiStreamRequest, pb.BidiStreamResponse](c, "BidiStream").CallBidiStream(ctx)}
}
