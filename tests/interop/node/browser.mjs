// connect-web in a headless Chromium: serves the page, waits for what it reports.  browser.mjs CHROMIUM HOST:PORT
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const LIMIT_MS = 120_000;
const [chromium, address] = process.argv.slice(2);
const script = readFileSync(new URL('page.js', import.meta.url));
const profile = mkdtempSync(join(tmpdir(), 'interop-'));
let report;
const reported = new Promise((resolve) => (report = resolve));

const server = createServer((request, response) => {
  if (request.url === '/page.js') {
    response.setHeader('content-type', 'text/javascript').end(script);
  } else if (request.url === '/results') {
    let body = '';
    request.on('data', (piece) => (body += piece)).on('end', () => {
      response.end();
      report(body);
    });
  } else {
    response.setHeader('content-type', 'text/html').end('<!doctype html><script src="/page.js"></script>');
  }
});
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));

const browser = spawn(chromium, [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`,
  `http://127.0.0.1:${server.address().port}/#${address}`,
], { stdio: 'ignore' });
const ended = new Promise((resolve) => browser.on('exit', resolve));
setTimeout(() => report(`FAILED the page reported nothing in ${LIMIT_MS} ms`), LIMIT_MS).unref();
ended.then((code) => report(`FAILED ${chromium} ended with ${code}`));

const results = await reported;
browser.kill();
await ended;
rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 }); // its helpers are still leaving
console.log(results);
process.exit(results.includes('FAILED') ? 1 : 0);
