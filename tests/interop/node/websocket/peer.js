// A peer of WebSocket, the package ws, which the tests start as a server or as a client, over HTTP/1.1 or HTTP/2.
//
//     node peer.js server       prints its ports (HTTP/1.1, and HTTP/2 without TLS), and then a line for each
//                               connection that is over
//     node peer.js client URL   does everything below with a server of the tests
//     node peer.js h2 URL       the same over one connection of node:http2 (RFC 8441)
//     node peer.js echo URL     only sends messages, and gets them back
//
// Both sides know the paths of tests/interop/websocket_peers.py. What is not as it should be is said, and the
// exit code is 1. The package is where NODE_PATH says.
"use strict";

const assert = require("node:assert");
const http2 = require("node:http2");
const { once } = require("node:events");
const { PerMessageDeflate, WebSocket, WebSocketServer, extension } = require("ws");

const DEFLATE = PerMessageDeflate.extensionName;
const SIZES = [0, 1, 125, 126, 65535, 65536, 3 << 20];
// A frame with an opcode that is reserved (RFC 6455 section 5.2): a client's is masked.
const RESERVED = { server: Buffer.of(0x83, 0), client: Buffer.of(0x83, 0x80, 1, 2, 3, 4) };
const FORGETS = { serverNoContextTakeover: true, clientNoContextTakeover: true };
const SETTINGS = { enableConnectProtocol: true };

// ws has no HTTP/2 of its own: this gives it a stream, with what the opening handshake agreed on.
function attach(stream, isServer, deflate, protocol) {
  const ws = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 10000 });
  ws._isServer = isServer;
  ws._protocol = protocol;
  if (deflate) ws._extensions[DEFLATE] = deflate;
  ws.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true });
  return ws;
}

function extensionsOf(fields) {
  const value = fields["sec-websocket-extensions"];
  return value ? extension.parse(value) : {};
}

// The server

function serve(ws, path) {
  ws.on("message", (message, isBinary) => ws.send(message, { binary: isBinary }));
  ws.on("close", (code, reason) => console.log("closed", code, reason.toString()));
  ws.on("error", (error) => console.log("failed", error.message));
  if (path === "/closes") ws.close(4001, "enough");
  if (path === "/breaks") ws._socket.write(RESERVED.server);
  if (path === "/fragments") fragments(ws);
  if (path === "/pings") {
    ws.on("pong", () => ws.send("answered"));
    ws.ping("hello");
  }
}

function fragments(ws) {
  for (const fin of [false, false, true]) ws.send("piece ", { fin });
}

function acceptStream(stream, fields) {
  const [path, query] = fields[":path"].split("?");
  if (fields[":method"] !== "CONNECT" || fields[":protocol"] !== "websocket" || path === "/nowhere") {
    stream.respond({ ":status": 404 }, { endStream: true });
    return;
  }
  const answer = { ":status": 200 };
  const offers = extensionsOf(fields);
  let deflate;
  if (offers[DEFLATE] && query !== "plain") {
    deflate = new PerMessageDeflate({ isServer: true, threshold: 0, ...(query === "forgets" ? FORGETS : {}) });
    deflate.accept(offers[DEFLATE]);
    answer["sec-websocket-extensions"] = extension.format({ [DEFLATE]: [deflate.params] });
  }
  const protocol = (fields["sec-websocket-protocol"] ?? "").split(/, */).includes("chat") ? "chat" : "";
  if (protocol) answer["sec-websocket-protocol"] = protocol;
  stream.respond(answer);
  serve(attach(stream, true, deflate, protocol), path);
}

async function server() {
  const first = require("node:http").createServer();
  const kinds = { plain: false, forgets: { threshold: 0, ...FORGETS }, "": { threshold: 0 } };
  const servers = {};
  for (const [query, perMessageDeflate] of Object.entries(kinds)) {
    servers[query] = new WebSocketServer({ noServer: true, perMessageDeflate });
  }
  first.on("upgrade", (request, socket, head) => {
    const [path, query] = request.url.split("?");
    if (path === "/nowhere") return socket.end("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
    servers[query ?? ""].handleUpgrade(request, socket, head, (ws) => serve(ws, path));
  });
  const second = http2.createServer({ settings: SETTINGS });
  second.on("stream", acceptStream);
  second.on("sessionError", () => {});
  for (const each of [first, second]) await once(each.listen(0, "127.0.0.1"), "listening");
  console.log(first.address().port, second.address().port);
}

// The clients

async function dial(url, deflate) {
  const ws = new WebSocket(url, ["chat"], { perMessageDeflate: deflate && { threshold: 0, ...deflate } });
  await once(ws, "open");
  return ws;
}

async function dialStream(session, path, deflate) {
  const asked = { ":method": "CONNECT", ":protocol": "websocket", ":path": path, "sec-websocket-version": "13" };
  asked["sec-websocket-protocol"] = "chat";
  const made = deflate && new PerMessageDeflate({ threshold: 0, ...deflate });
  if (made) asked["sec-websocket-extensions"] = extension.format({ [DEFLATE]: [made.offer()] });
  const stream = session.request(asked, { endStream: false });
  const [fields] = await once(stream, "response");
  if (fields[":status"] !== 200) {
    stream.close();
    throw new Error(`Unexpected server response: ${fields[":status"]}`);
  }
  const answered = extensionsOf(fields);
  if (made) made.accept(answered[DEFLATE]);
  else assert.deepStrictEqual(Object.keys(answered), []);
  return attach(stream, false, made || undefined, fields["sec-websocket-protocol"]);
}

async function sendBack(ws) {
  for (const size of SIZES) {
    const text = "x".repeat(size % 2) + "ü".repeat(size >> 1);
    const octets = Buffer.from(Uint8Array.from({ length: size }, (_, at) => (at * 7 + at) >> 8));
    for (const sent of [text, octets]) {
      ws.send(sent);
      const [got, isBinary] = await once(ws, "message");
      assert.strictEqual(isBinary, sent === octets, `${size}`);
      assert.ok(got.equals(Buffer.from(sent)), `${got.length} octets of ${size} came back`);
    }
  }
}

async function closed(ws, code, reason) {
  const [gotCode, gotReason] = await once(ws, "close");
  assert.strictEqual(gotCode, code);
  if (reason !== undefined) assert.strictEqual(gotReason.toString(), reason);
}

async function all(open) {
  for (const deflate of [false, FORGETS, {}]) {
    const ws = await open("/echo", deflate);
    assert.strictEqual(ws.protocol, "chat");
    assert.strictEqual(ws.extensions, deflate ? DEFLATE : "");
    await sendBack(ws);
    fragments(ws);
    assert.strictEqual((await once(ws, "message"))[0].toString(), "piece piece piece ");
    ws.ping("hello");
    assert.strictEqual((await once(ws, "pong"))[0].toString(), "hello");
    ws.close(4000, "done");
    await closed(ws, 4000);
  }
  await closed(await open("/closes", {}), 4001, "enough");

  const asked = await open("/pings", {});
  assert.strictEqual((await once(asked, "message"))[0].toString(), "answered");
  asked.close();
  await closed(asked, 1005);

  const pieces = await open("/fragments", {});
  assert.strictEqual((await once(pieces, "message"))[0].toString(), "piece piece piece ");
  pieces.close(1000);
  await closed(pieces, 1000);

  const breaks = await open("/echo", {});
  breaks._socket.write(RESERVED.client);
  await closed(breaks, 1002);

  await assert.rejects(open("/nowhere", {}), /Unexpected server response: 404/);
}

async function main() {
  const [what, url] = process.argv.slice(2);
  if (what === "server") return server();
  if (what === "client") await all((path, deflate) => dial(url + path, deflate));
  if (what === "echo") {
    const ws = await dial(`${url}/echo`, {});
    await sendBack(ws);
    ws.close(1000);
    await once(ws, "close");
  }
  if (what === "h2") {
    const session = http2.connect(url.replace("ws", "http"), { maxSessionMemory: 100 });
    await once(session, "remoteSettings");
    assert.ok(session.remoteSettings.enableConnectProtocol);
    await all((path, deflate) => dialStream(session, path, deflate));
    session.close();
  }
  console.log("right");
}

main().catch((error) => {
  console.log(String(error && error.stack));
  process.exit(1);
});
