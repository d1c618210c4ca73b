package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"connectrpc.com/connect"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	pb "interop/gen"
)

// A client of one library in one dress.  Errors are *connect.Error, whatever the library makes of them.
type client interface {
	unary(context.Context, *pb.UnaryRequest) (*reply[pb.UnaryResponse], error)
	idempotent(context.Context, *pb.IdempotentUnaryRequest) (*reply[pb.IdempotentUnaryResponse], error)
	unimplemented(context.Context) error
	serverStream(context.Context, *pb.ServerStreamRequest) (receiver[pb.ServerStreamResponse], error)
	clientStream(context.Context, []*pb.ClientStreamRequest) (*pb.ClientStreamResponse, error)
	bidiStream(context.Context) duplex
}

type reply[T any] struct {
	message         *T
	header, trailer map[string][]string // keys in lower case
}

type receiver[T any] interface {
	receive() (*T, error) // io.EOF at a good end
}

type duplex interface {
	receiver[pb.BidiStreamResponse]
	send(*pb.BidiStreamRequest) error
	closeSend() error
}

var (
	headers  = []*pb.Header{{Name: "x-head", Value: []string{"one", "two"}}}
	trailers = []*pb.Header{{Name: "x-tail", Value: []string{"three"}}}
	pieces   = [][]byte{[]byte("first"), []byte("second"), make([]byte, 100_000)}
	broken   = &pb.Error{Code: pb.Code_CODE_ABORTED, XMessage: &pb.Error_Message{Message: "100% broken \u00fc"}}
)

func pause(ctx context.Context, ms time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, ms*time.Millisecond)
}

func wants(what string, got, want any) error {
	if fmt.Sprint(got) == fmt.Sprint(want) {
		return nil
	}
	return fmt.Errorf("%s: %v instead of %v", what, got, want)
}

func wantsCode(err error, code connect.Code) error { return wants("code", connect.CodeOf(err), code) }

// The definition's error with as many details, the last of which tells of the request.
func wantsBroken(err error, details int) error {
	var e *connect.Error
	if !errors.As(err, &e) {
		return fmt.Errorf("no error: %v", err)
	}
	return errors.Join(wantsCode(err, connect.CodeAborted), wants("message", e.Message(), broken.GetMessage()),
		wants("details", len(e.Details()), details))
}

func caseUnary(ctx context.Context, c client) error {
	q := &pb.UnaryRequest{RequestData: []byte("asked"), ResponseDefinition: &pb.UnaryResponseDefinition{
		ResponseHeaders: headers, ResponseTrailers: trailers,
		Response: &pb.UnaryResponseDefinition_ResponseData{ResponseData: pieces[2]}}}
	got, err := c.unary(ctx, q)
	if err != nil {
		return err
	}
	info := got.message.Payload.GetRequestInfo()
	return errors.Join(wants("bytes", len(got.message.Payload.Data), len(pieces[2])),
		wants("header", got.header["x-head"], headers[0].Value),
		wants("trailer", got.trailer["x-tail"], trailers[0].Value),
		wantsRequest(info, 0, q))
}

func wantsRequest(info *pb.ConformancePayload_RequestInfo, i int, q proto.Message) error {
	if len(info.GetRequests()) <= i {
		return fmt.Errorf("%d requests told of", len(info.GetRequests()))
	}
	told, err := info.Requests[i].UnmarshalNew()
	if err == nil && !proto.Equal(told, q) {
		err = fmt.Errorf("another request is told of: %v", told)
	}
	return err
}

func caseUnaryError(ctx context.Context, c client) error {
	detail, err := anypb.New(headers[0])
	if err != nil {
		return err
	}
	withDetail := proto.Clone(broken).(*pb.Error)
	withDetail.Details = append(withDetail.Details, detail)
	_, err = c.unary(ctx, &pb.UnaryRequest{ResponseDefinition: &pb.UnaryResponseDefinition{
		Response: &pb.UnaryResponseDefinition_Error{Error: withDetail}}})
	return wantsBroken(err, 2)
}

func caseIdempotent(ctx context.Context, c client) error {
	got, err := c.idempotent(ctx, &pb.IdempotentUnaryRequest{ResponseDefinition: &pb.UnaryResponseDefinition{
		Response: &pb.UnaryResponseDefinition_ResponseData{ResponseData: pieces[0]}}})
	if err != nil {
		return err
	}
	return wants("data", string(got.message.Payload.Data), string(pieces[0]))
}

func caseUnimplemented(ctx context.Context, c client) error {
	return wantsCode(c.unimplemented(ctx), connect.CodeUnimplemented)
}

func caseDeadline(ctx context.Context, c client) error {
	ctx, cancel := pause(ctx, 200)
	defer cancel()
	_, err := c.unary(ctx, &pb.UnaryRequest{ResponseDefinition: &pb.UnaryResponseDefinition{ResponseDelayMs: 1500}})
	return wantsCode(err, connect.CodeDeadlineExceeded)
}

func caseServerStream(ctx context.Context, c client) error {
	r, err := c.serverStream(ctx, &pb.ServerStreamRequest{ResponseDefinition: &pb.StreamResponseDefinition{
		ResponseData: pieces, ResponseDelayMs: 5}})
	if err != nil {
		return err
	}
	for _, piece := range pieces {
		m, err := r.receive()
		if err = errors.Join(err, wants("bytes", len(m.GetPayload().GetData()), len(piece))); err != nil {
			return err
		}
	}
	_, err = r.receive()
	return wants("end", err, io.EOF)
}

func caseServerStreamError(ctx context.Context, c client) error {
	r, err := c.serverStream(ctx, &pb.ServerStreamRequest{ResponseDefinition: &pb.StreamResponseDefinition{
		ResponseData: pieces[:1], Error: broken}})
	if err != nil {
		return err
	}
	if _, err = r.receive(); err != nil {
		return err
	}
	_, err = r.receive()
	return wantsBroken(err, 0)
}

func caseServerStreamCancel(ctx context.Context, c client) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	r, err := c.serverStream(ctx, &pb.ServerStreamRequest{ResponseDefinition: &pb.StreamResponseDefinition{
		ResponseData: pieces, ResponseDelayMs: 300}})
	if err != nil {
		return err
	}
	if _, err = r.receive(); err != nil {
		return err
	}
	cancel()
	_, err = r.receive()
	return wantsCode(err, connect.CodeCanceled)
}

func caseClientStream(ctx context.Context, c client) error {
	var requests []*pb.ClientStreamRequest
	for _, piece := range pieces {
		requests = append(requests, &pb.ClientStreamRequest{RequestData: piece})
	}
	requests[0].ResponseDefinition = &pb.UnaryResponseDefinition{
		Response: &pb.UnaryResponseDefinition_ResponseData{ResponseData: pieces[0]}}
	got, err := c.clientStream(ctx, requests)
	if err != nil {
		return err
	}
	return errors.Join(wants("data", string(got.Payload.Data), string(pieces[0])),
		wants("requests", len(got.Payload.RequestInfo.Requests), len(requests)),
		wantsRequest(got.Payload.RequestInfo, 2, requests[2]))
}

func caseClientStreamError(ctx context.Context, c client) error {
	_, err := c.clientStream(ctx, []*pb.ClientStreamRequest{{ResponseDefinition: &pb.UnaryResponseDefinition{
		Response: &pb.UnaryResponseDefinition_Error{Error: broken}}}})
	return wantsBroken(err, 1)
}

func caseHalfDuplex(ctx context.Context, c client) error {
	d := c.bidiStream(ctx)
	for i, piece := range pieces {
		q := &pb.BidiStreamRequest{RequestData: piece}
		if i == 0 {
			q.ResponseDefinition = &pb.StreamResponseDefinition{ResponseData: pieces}
		}
		if err := d.send(q); err != nil {
			return err
		}
	}
	if err := d.closeSend(); err != nil {
		return err
	}
	for i, piece := range pieces {
		m, err := d.receive()
		if err = errors.Join(err, wants("bytes", len(m.GetPayload().GetData()), len(piece))); err != nil {
			return err
		}
		if i == 0 {
			if err = wants("requests", len(m.Payload.RequestInfo.Requests), len(pieces)); err != nil {
				return err
			}
		}
	}
	_, err := d.receive()
	return wants("end", err, io.EOF)
}

func caseFullDuplex(ctx context.Context, c client) error {
	d := c.bidiStream(ctx)
	for i, piece := range pieces {
		q := &pb.BidiStreamRequest{RequestData: piece}
		if i == 0 {
			q.FullDuplex = true
			q.ResponseDefinition = &pb.StreamResponseDefinition{ResponseData: slices.Clone(pieces)}
		}
		if err := d.send(q); err != nil {
			return err
		}
		m, err := d.receive()
		if err = errors.Join(err, wantsRequest(m.GetPayload().GetRequestInfo(), 0, q)); err != nil {
			return err
		}
	}
	if err := d.closeSend(); err != nil {
		return err
	}
	_, err := d.receive()
	return wants("end", err, io.EOF)
}

type oneCase struct {
	name string
	run  func(context.Context, client) error
	bidi bool
}

var cases = []oneCase{
	{"unary", caseUnary, false},
	{"unary error", caseUnaryError, false},
	{"idempotent unary", caseIdempotent, false},
	{"unimplemented", caseUnimplemented, false},
	{"deadline", caseDeadline, false},
	{"server stream", caseServerStream, false},
	{"server stream, error behind a message", caseServerStreamError, false},
	{"server stream, cancelled", caseServerStreamCancel, false},
	{"client stream", caseClientStream, false},
	{"client stream, error", caseClientStreamError, false},
	{"half duplex", caseHalfDuplex, true},
	{"full duplex", caseFullDuplex, true},
}

// runCases returns how many passed and failed.
func runCases(name string, c client, hasBidi bool) (passed, failed int) {
	for _, one := range cases {
		if one.bidi && !hasBidi {
			continue
		}
		ctx, cancel := pause(context.Background(), 10_000)
		err := one.run(ctx, c)
		cancel()
		if err == nil {
			passed++
		} else {
			failed++
			fmt.Printf("FAILED %s, %s: %v\n", name, one.name, err)
		}
	}
	return passed, failed
}
