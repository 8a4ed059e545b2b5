// A client of HTTP/2, node's own, against a server of the tests.
//
//     node h2_client.js URL [ROOT]      ROOT is the file of the authority that signed the server's certificate
//
// It sends a large body and gets it back with trailers, and then asks 200 times at once on one connection. What
// is not as it should be is said, and the exit code is 1.
"use strict";

const assert = require("node:assert");
const fs = require("node:fs");
const http2 = require("node:http2");

const SIZE = 10 << 20;
const STREAMS = 200;

const [url, root] = process.argv.slice(2);
// Its own limit of memory (in MB) would refuse streams while a large body is under way.
const session = http2.connect(url, { maxSessionMemory: 100, ...(root ? { ca: fs.readFileSync(root) } : {}) });

function ask(headers, body, trailers) {
  return new Promise((resolve, reject) => {
    const stream = session.request(headers, { endStream: body === undefined, waitForTrailers: Boolean(trailers) });
    const reply = { pieces: [], trailers: {} };
    stream.on("response", (fields) => (reply.fields = fields));
    stream.on("trailers", (fields) => (reply.trailers = fields));
    stream.on("wantTrailers", () => stream.sendTrailers(trailers));
    stream.on("data", (piece) => reply.pieces.push(piece));
    stream.on("error", reject);
    stream.on("close", () => resolve({ ...reply, body: Buffer.concat(reply.pieces), code: stream.rstCode }));
    if (body !== undefined) stream.end(body);
  });
}

async function main() {
  const sent = Buffer.alloc(SIZE, "netkit\0\xff");
  const echoed = await ask({ ":method": "POST", ":path": "/echo" }, sent, { sum: "of the request" });
  assert.strictEqual(echoed.fields[":status"], 200);
  assert.ok(echoed.body.equals(sent), `${echoed.body.length} octets of ${sent.length} came back`);
  assert.strictEqual(echoed.trailers.sum, "of the request");

  const numbers = [...Array(STREAMS).keys()];
  const replies = await Promise.all(numbers.map((number) => ask({ ":path": `/${number}` })));
  replies.forEach((reply, number) => assert.strictEqual(reply.body.toString(), `/${number}`));

  const refused = await ask({ ":method": "POST", ":path": "/refuse" }, sent);
  assert.strictEqual(refused.fields[":status"], 403);
  assert.strictEqual(refused.code, http2.constants.NGHTTP2_NO_ERROR);
  session.close();
  console.log("right");
}

main().catch((error) => {
  console.log(String(error && error.stack));
  process.exit(1);
});
