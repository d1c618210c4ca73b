"""grpcio against ConformanceService, its blocking and its asyncio form: client.py HOST:PORT"""

import asyncio
import queue
import sys

import grpc
import grpc.aio
from tests.conformance import config_pb2, service_pb2 as pb, service_pb2_grpc as rpc

PIECES = [b"first", b"second", bytes(100_000)]
BROKEN = pb.Error(code=config_pb2.CODE_ABORTED, message="100% broken \u00fc")
LIMIT_S = 10
COMPRESSIONS = (grpc.Compression.NoCompression, grpc.Compression.Gzip)
passed = failed = 0


def check(name, is_so, why=""):
    global passed, failed
    passed, failed = passed + is_so, failed + (not is_so)
    if not is_so:
        print("FAILED", name, str(why)[:300])


def check_error(name, e, code, message=None):
    check(name, e.code() == code and (message is None or e.details() == message), repr(e))


# --- what is asked ----------------------------------------------------------------------------------------------------


def unary_request():
    return pb.UnaryRequest(request_data=b"asked", response_definition=pb.UnaryResponseDefinition(
        response_data=PIECES[2], response_headers=[pb.Header(name="x-head", value=["one", "two"])],
        response_trailers=[pb.Header(name="x-tail-bin", value=["AQID"])]))


def error_request():
    return pb.UnaryRequest(response_definition=pb.UnaryResponseDefinition(error=BROKEN))


def late_request():
    return pb.UnaryRequest(response_definition=pb.UnaryResponseDefinition(response_delay_ms=1500))


def stream_request(data=tuple(PIECES), delay_ms=5, error=None):
    return pb.ServerStreamRequest(response_definition=pb.StreamResponseDefinition(
        response_data=data, response_delay_ms=delay_ms, error=error))


def client_requests():
    return [pb.ClientStreamRequest(request_data=p, response_definition=pb.UnaryResponseDefinition(
        response_data=PIECES[0]) if p is PIECES[0] else None) for p in PIECES]


def bidi_requests(is_full):
    return [pb.BidiStreamRequest(request_data=p, full_duplex=is_full and p is PIECES[0],
                                 response_definition=pb.StreamResponseDefinition(response_data=PIECES)
                                 if p is PIECES[0] else None) for p in PIECES]


def is_echo(info, i, request):
    told = type(request)()
    return len(info.requests) > i and info.requests[i].Unpack(told) and told == request


def datas(messages):
    return [m.payload.data for m in messages]


def is_client_answer(a):
    return a.payload.data == PIECES[0] and len(a.payload.request_info.requests) == len(PIECES)


# --- blocking ---------------------------------------------------------------------------------------------------------


def ask(name, call, code):
    """The call fails with `code`."""
    try:
        check(name, False, call())
    except grpc.RpcError as e:
        check_error(name, e, code, BROKEN.message if code == grpc.StatusCode.ABORTED else None)


def blocking_unary(stub, of):
    answer, call = stub.Unary.with_call(unary_request(), timeout=LIMIT_S)
    check("unary" + of, answer.payload.data == PIECES[2] and is_echo(answer.payload.request_info, 0, unary_request()))
    heads = [m.value for m in call.initial_metadata() if m.key == "x-head"]
    check("header" + of, heads in (["one", "two"], ["one, two"]), heads)
    check("binary trailer" + of, ("x-tail-bin", b"\1\2\3") in [(m.key, m.value) for m in call.trailing_metadata()])
    check("idempotent" + of, stub.IdempotentUnary(pb.IdempotentUnaryRequest(), timeout=LIMIT_S).HasField("payload"))
    ask("unary error" + of, lambda: stub.Unary(error_request(), timeout=LIMIT_S), grpc.StatusCode.ABORTED)
    ask("deadline" + of, lambda: stub.Unary(late_request(), timeout=0.2), grpc.StatusCode.DEADLINE_EXCEEDED)
    ask("unimplemented" + of, lambda: stub.Unimplemented(pb.UnimplementedRequest(), timeout=LIMIT_S),
        grpc.StatusCode.UNIMPLEMENTED)


def blocking_streams(stub, of):
    got = datas(stub.ServerStream(stream_request(), timeout=LIMIT_S))
    check("server stream" + of, got == PIECES)
    broken = stub.ServerStream(stream_request(PIECES[:1], 0, BROKEN), timeout=LIMIT_S)
    check("server stream, a message" + of, next(broken).payload.data == PIECES[0])
    ask("server stream, error behind it" + of, lambda: next(broken), grpc.StatusCode.ABORTED)
    slow = stub.ServerStream(stream_request(delay_ms=300), timeout=LIMIT_S)
    next(slow)
    slow.cancel()
    ask("server stream, cancelled" + of, lambda: next(slow), grpc.StatusCode.CANCELLED)
    check("client stream" + of, is_client_answer(stub.ClientStream(iter(client_requests()), timeout=LIMIT_S)))
    check("half duplex" + of, datas(stub.BidiStream(iter(bidi_requests(False)), timeout=LIMIT_S)) == PIECES)


def blocking_ping_pong(stub, of):
    asked, all_echo = queue.SimpleQueue(), True
    answers = stub.BidiStream(iter(asked.get, None), timeout=LIMIT_S)
    for request in bidi_requests(True):
        asked.put(request)
        all_echo &= is_echo(next(answers).payload.request_info, 0, request)
    asked.put(None)
    check("full duplex" + of, all_echo and next(answers, None) is None)


# --- asyncio ----------------------------------------------------------------------------------------------------------


async def aio_full_duplex(stub, of):
    call, all_echo = stub.BidiStream(timeout=LIMIT_S), True
    for request in bidi_requests(True):
        await call.write(request)
        answer = await call.read()
        all_echo &= answer is not grpc.aio.EOF and is_echo(answer.payload.request_info, 0, request)
    await call.done_writing()
    check("full duplex" + of, all_echo and await call.read() is grpc.aio.EOF)


async def aio_client(address, compression):
    of = f", asyncio {compression.name}"
    async with grpc.aio.insecure_channel(address, compression=compression) as channel:
        stub = rpc.ConformanceServiceStub(channel)
        check("unary" + of, (await stub.Unary(unary_request(), timeout=LIMIT_S)).payload.data == PIECES[2])
        check("server stream" + of, datas([m async for m in stub.ServerStream(stream_request())]) == PIECES)
        check("client stream" + of, is_client_answer(await stub.ClientStream(client_requests(), timeout=LIMIT_S)))
        check("half duplex" + of, datas([m async for m in stub.BidiStream(bidi_requests(False))]) == PIECES)
        await aio_full_duplex(stub, of)


def blocking_client(address, compression):
    with grpc.insecure_channel(address, compression=compression) as channel:
        stub = rpc.ConformanceServiceStub(channel)
        for part in (blocking_unary, blocking_streams, blocking_ping_pong):
            try:
                part(stub, f", {compression.name}")
            except (grpc.RpcError, StopIteration) as e:
                check(f"{part.__name__}, {compression.name}", False, repr(e))


for each in COMPRESSIONS:
    blocking_client(sys.argv[1], each)
    asyncio.run(aio_client(sys.argv[1], each))
print(f"{passed} passed, {failed} failed")
sys.exit(failed > 0)
