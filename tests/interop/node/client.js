// Node's fetch as a client of a server, whose answers are those of tests/interop/test_http_server.py.
//
//   node client.js URL
//
// Any answer that is wrong ends it with an error.
'use strict';

const assert = require('node:assert');
const crypto = require('node:crypto');

const base = process.argv[2];
const large = Buffer.alloc(2_000_000, 'octets');
const sum = crypto.createHash('sha256').update(large).digest('hex');

async function echo(options) {
  const response = await fetch(base + '/echo?x=y', options);
  assert.strictEqual(response.status, 200);
  return response.json();
}

async function main() {
  for (let i = 0; i < 50; i++) assert.strictEqual((await echo()).target, '/echo?x=y');
  for (const method of ['POST', 'PUT', 'PATCH', 'DELETE']) {
    assert.strictEqual((await echo({ method, body: large })).sha256, sum);
    // A stream has no length, so it is chunked.
    const body = new ReadableStream({
      start(to) {
        for (let at = 0; at < large.length; at += 100_000) to.enqueue(large.subarray(at, at + 100_000));
        to.close();
      },
    });
    assert.strictEqual((await echo({ method, body, duplex: 'half' })).sha256, sum);
  }
  const head = await fetch(base + '/echo', { method: 'HEAD' });
  assert.ok(Number(head.headers.get('content-length')) > 0);
  assert.strictEqual((await fetch(base + '/empty')).status, 204);
  assert.strictEqual(await (await fetch(base + '/trailers')).text(), 'chunked');
  assert.strictEqual((await (await fetch(base + '/octets/5000000')).arrayBuffer()).byteLength, 5_000_000);
  await Promise.all(Array.from({ length: 200 }, () => echo()));
  await assert.rejects(fetch(base + '/broken').then((response) => response.text()));
}

main();
