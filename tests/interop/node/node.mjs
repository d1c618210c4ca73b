// connect-node: every transport, codec, HTTP version and compression.  node.mjs HOST:PORT
import { readFileSync } from 'node:fs';
import { compressionGzip } from '@connectrpc/connect-node';
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from '@connectrpc/connect-node';
import { Run, Service } from './cases.mjs';

const service = new Service(readFileSync(new URL('service.binpb', import.meta.url)));
const run = new Run(service);
const make = { connect: createConnectTransport, grpc: createGrpcTransport, 'grpc-web': createGrpcWebTransport };

for (const [dialect, create] of Object.entries(make)) {
  for (const httpVersion of dialect === 'grpc' ? ['2'] : ['1.1', '2']) {
    for (const useBinaryFormat of [true, false]) {
      for (const sendCompression of [undefined, compressionGzip]) {
        const codec = useBinaryFormat ? 'proto' : 'json';
        const name = `${dialect} h${httpVersion} ${codec} ${sendCompression?.name ?? 'identity'}`;
        const transport = create({
          baseUrl: `http://${process.argv[2]}`, httpVersion, useBinaryFormat, sendCompression, compressMinBytes: 0,
          acceptCompression: sendCompression ? [sendCompression] : [], useHttpGet: true,
          jsonOptions: { registry: service.registry },
        });
        await run.transport(name, transport, { headers: true, clientStream: true, bidiStream: httpVersion === '2' });
      }
    }
  }
}
console.log(run.closing());
process.exit(run.failures.length > 0 ? 1 : 0);
