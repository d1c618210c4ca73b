// connect-web in the page that browser.mjs serves: the server is of another origin, so every call is subject to CORS.
import { createConnectTransport, createGrpcWebTransport } from '@connectrpc/connect-web';
import { Run, Service } from './cases.mjs';
import descriptors from './service.binpb';

async function results() {
  const service = new Service(descriptors);
  const run = new Run(service);
  const baseUrl = `http://${location.hash.slice(1)}`;
  for (const useBinaryFormat of [true, false]) {
    const options = { baseUrl, useBinaryFormat, useHttpGet: true, jsonOptions: { registry: service.registry } };
    const codec = useBinaryFormat ? 'proto' : 'json';
    await run.transport(`connect ${codec}`, createConnectTransport(options), {});
    await run.transport(`grpc-web ${codec}`, createGrpcWebTransport(options), {});
  }
  return run.closing();
}

results().catch((e) => `FAILED ${e.stack}`).then((body) => fetch('/results', { method: 'POST', body }));
