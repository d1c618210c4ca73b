// What every client of the Connect library for JavaScript is asked to do, in Node and in a browser.
import { createFileRegistry, equals, fromBinary, fromJson } from '@bufbuild/protobuf';
import { FileDescriptorSetSchema, anyUnpack } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient } from '@connectrpc/connect';

const PACKAGE = 'connectrpc.conformance.v1.';
const PIECES = ['first', 'second', '0'.repeat(100_000)];
const BROKEN = { code: 'CODE_ABORTED', message: '100% broken \u00fc' };
const LIMIT = { timeoutMs: 10_000 };

const base64 = (text) => btoa(text);
const text = (bytes) => new TextDecoder().decode(bytes);

export class Service {
  constructor(descriptorSet) {
    this.registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptorSet));
    this.descriptor = this.registry.getService(`${PACKAGE}ConformanceService`);
  }

  request(name, json) {
    return fromJson(this.registry.getMessage(`${PACKAGE}${name}Request`), json, { registry: this.registry });
  }
}

// The results of all transports; `what` tells which stream kinds there are and whether answer headers can be read.
export class Run {
  passed = 0;
  failures = [];

  constructor(service) {
    this.service = service;
  }

  check(name, isSo, why = '') {
    if (isSo) this.passed++;
    else this.failures.push(`FAILED ${name} ${String(why).slice(0, 300)}`);
  }

  async transport(name, transport, what) {
    const client = createClient(this.service.descriptor, transport);
    for (const [title, need, run] of CASES) {
      if (need && !what[need]) continue;
      try {
        await run(client, this.service, (isSo, why) => this.check(`${name}, ${title}`, isSo, why), what);
      } catch (e) {
        this.check(`${name}, ${title}`, false, e.stack ?? e);
      }
    }
  }

  closing() {
    return [...this.failures, `${this.passed} passed, ${this.failures.length} failed`].join('\n');
  }
}

async function codeOf(promise) {
  try {
    await promise;
    return new ConnectError('no error', Code.Unknown);
  } catch (e) {
    return ConnectError.from(e);
  }
}

function checkBroken(check, error, details) {
  check(error.code === Code.Aborted && error.rawMessage === BROKEN.message && error.details.length === details, error);
}

function tellsOf(service, payload, i, schemaName, request) {
  const told = payload.requestInfo?.requests[i];
  const schema = service.registry.getMessage(`${PACKAGE}${schemaName}Request`);
  return told !== undefined && equals(schema, anyUnpack(told, service.registry), request);
}

async function unary(client, service, check, what) {
  const request = service.request('Unary', {
    requestData: base64('asked'),
    responseDefinition: {
      responseHeaders: [{ name: 'x-head', value: ['one', 'two'] }],
      responseTrailers: [{ name: 'x-tail', value: ['three'] }],
      responseData: base64(PIECES[2]),
    },
  });
  let header, trailer;
  const keep = { onHeader: (h) => (header = h), onTrailer: (t) => (trailer = t) };
  const answer = await client.unary(request, { ...LIMIT, ...keep });
  check(text(answer.payload.data) === PIECES[2], 'data');
  check(tellsOf(service, answer.payload, 0, 'Unary', request), 'request told of');
  if (what.headers) check(header.get('x-head') === 'one, two' && trailer.get('x-tail') === 'three', 'header, trailer');
}

async function unaryError(client, service, check) {
  const detail = { '@type': `type.googleapis.com/${PACKAGE}Header`, name: 'x' };
  const request = service.request('Unary', { responseDefinition: { error: { ...BROKEN, details: [detail] } } });
  checkBroken(check, await codeOf(client.unary(request, LIMIT)), 2);
}

async function idempotent(client, service, check) {
  const request = service.request('IdempotentUnary', { responseDefinition: { responseData: base64(PIECES[0]) } });
  const answer = await client.idempotentUnary(request);
  check(text(answer.payload.data) === PIECES[0], 'data');
}

async function unimplemented(client, _service, check) {
  const error = await codeOf(client.unimplemented({}, LIMIT));
  check(error.code === Code.Unimplemented, error);
}

async function deadline(client, service, check) {
  const request = service.request('Unary', { responseDefinition: { responseDelayMs: 1500 } });
  const error = await codeOf(client.unary(request, { timeoutMs: 200 }));
  check(error.code === Code.DeadlineExceeded, error);
}

function streamRequest(service, data, more) {
  return service.request('ServerStream', { responseDefinition: { responseData: data.map(base64), ...more } });
}

async function serverStream(client, service, check) {
  const got = [];
  for await (const answer of client.serverStream(streamRequest(service, PIECES, { responseDelayMs: 5 }), LIMIT))
    got.push(text(answer.payload.data));
  check(got.join() === PIECES.join(), got.length);
}

async function serverStreamError(client, service, check) {
  const answers = client.serverStream(streamRequest(service, PIECES.slice(0, 1), { error: BROKEN }), LIMIT);
  const iterator = answers[Symbol.asyncIterator]();
  check(text((await iterator.next()).value.payload.data) === PIECES[0], 'data');
  checkBroken(check, await codeOf(iterator.next()), 0);
}

async function serverStreamCancel(client, service, check) {
  const abort = new AbortController();
  const request = streamRequest(service, PIECES, { responseDelayMs: 300 });
  const iterator = client.serverStream(request, { ...LIMIT, signal: abort.signal })[Symbol.asyncIterator]();
  await iterator.next();
  abort.abort();
  const error = await codeOf(iterator.next());
  check(error.code === Code.Canceled, error);
}

function requests(service, name, first) {
  return PIECES.map((p, i) => service.request(name, { requestData: base64(p), ...(i === 0 ? first : {}) }));
}

async function* each(list) {
  yield* list;
}

async function clientStream(client, service, check) {
  const asked = requests(service, 'ClientStream', { responseDefinition: { responseData: base64(PIECES[0]) } });
  const answer = await client.clientStream(each(asked), LIMIT);
  check(text(answer.payload.data) === PIECES[0], 'data');
  check(tellsOf(service, answer.payload, 2, 'ClientStream', asked[2]), 'requests told of');
}

async function halfDuplex(client, service, check) {
  const asked = requests(service, 'BidiStream', { responseDefinition: { responseData: PIECES.map(base64) } });
  const got = [];
  for await (const answer of client.bidiStream(each(asked), LIMIT)) got.push(text(answer.payload.data));
  check(got.join() === PIECES.join(), got.length);
}

// Each request is sent when the one before has been answered.
async function fullDuplex(client, service, check) {
  const responseDefinition = { responseData: PIECES.map(base64) };
  const asked = requests(service, 'BidiStream', { fullDuplex: true, responseDefinition });
  let n = 0, goOn = () => {};
  async function* inTurn() {
    for (const request of asked) {
      const answered = new Promise((resolve) => (goOn = resolve));
      yield request;
      await answered;
    }
  }
  for await (const answer of client.bidiStream(inTurn(), LIMIT)) {
    check(tellsOf(service, answer.payload, 0, 'BidiStream', asked[n]), `answer ${n}`);
    n++;
    goOn();
  }
  check(n === asked.length, n);
}

const CASES = [
  ['unary', '', unary],
  ['unary error', '', unaryError],
  ['idempotent', '', idempotent],
  ['unimplemented', '', unimplemented],
  ['deadline', '', deadline],
  ['server stream', '', serverStream],
  ['server stream, error behind a message', '', serverStreamError],
  ['server stream, cancelled', '', serverStreamCancel],
  ['client stream', 'clientStream', clientStream],
  ['half duplex', 'bidiStream', halfDuplex],
  ['full duplex', 'bidiStream', fullDuplex],
];
