// Node's http and http2 with the common paths.
//
//   node http.js PLAIN PRIOR TLS CERTIFICATE KEY
//
// The first three are descriptors of sockets that listen already: HTTP/1.1 without TLS, HTTP/2 with prior
// knowledge, and TLS with either by ALPN.
'use strict';

const crypto = require('node:crypto');
const fs = require('node:fs');
const http = require('node:http');
const http2 = require('node:http2');
const zlib = require('node:zlib');

const TEXT = 'a line that compresses well\n'.repeat(1000);
const HINT = '</style.css>; rel=preload; as=style';
const BODY = 'body\n';

function octets(count) {
  const made = Buffer.alloc(count);
  for (let i = 0; i < count; i++) made[i] = (i ^ (i >> 8) ^ (i >> 16)) & 255;
  return made;
}

function sha256(data) {
  return crypto.createHash('sha256').update(data).digest('hex');
}

// HTTP/2's answers have a stream; they are of the compatibility interface, which has http's methods.
function isHttp2(request) {
  return request.httpVersionMajor === 2;
}

function hello(request, response) {
  response.writeHead(200, { 'content-type': 'text/plain', 'content-length': 6 });
  response.end('hello\n');
}

function echo(request, response) {
  const hash = crypto.createHash('sha256');
  let length = 0;
  request.on('data', (piece) => {
    hash.update(piece);
    length += piece.length;
  });
  request.on('end', () => {
    const fields = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2) {
      const name = request.rawHeaders[i].toLowerCase();
      if (name === ':authority') fields.push(['host', request.rawHeaders[i + 1]]);
      else if (!name.startsWith(':')) fields.push([name, request.rawHeaders[i + 1]]);
    }
    const trailers = Object.entries({ ...request.trailers });
    response.writeHead(200, { 'content-type': 'application/json' });
    response.end(JSON.stringify({
      method: request.method, target: request.url, version: `HTTP/${request.httpVersion}`,
      fields, length, sha256: hash.digest('hex'), trailers,
    }));
  });
}

function sized(request, response, rest) {
  const content = octets(Number(rest));
  const etag = `"${rest}"`;
  const fields = { etag, 'accept-ranges': 'bytes', 'content-type': 'application/octet-stream' };
  if (request.headers['if-none-match'] === etag) {
    response.writeHead(304, fields);
    response.end();
    return;
  }
  const asked = (request.headers['if-range'] ?? etag) === etag ? request.headers.range : undefined;
  const found = /^bytes=(\d*)-(\d*)$/.exec(asked ?? '');
  if (!found || (found[1] === '' && found[2] === '')) {
    response.writeHead(200, { ...fields, 'content-length': content.length });
    response.end(request.method === 'HEAD' ? undefined : content);
    return;
  }
  const begin = found[1] === '' ? Math.max(0, content.length - Number(found[2])) : Number(found[1]);
  const last = found[1] !== '' && found[2] !== '' ? Number(found[2]) : Infinity;
  const end = Math.min(last, content.length - 1);
  if (begin > end) {
    response.writeHead(416, { 'content-range': `bytes */${content.length}`, 'content-length': 0 });
    response.end();
    return;
  }
  fields['content-range'] = `bytes ${begin}-${end}/${content.length}`;
  response.writeHead(206, { ...fields, 'content-length': end - begin + 1 });
  response.end(content.subarray(begin, end + 1));
}

function gzip(request, response) {
  if (!(request.headers['accept-encoding'] ?? '').includes('gzip')) {
    response.end(TEXT);
    return;
  }
  response.writeHead(200, { 'content-encoding': 'gzip', vary: 'accept-encoding' });
  response.end(zlib.gzipSync(TEXT));
}

function chunked(request, response, rest) {
  const content = octets(Number(rest));
  const step = Math.max(1, Math.min(content.length >> 1, 30_000));
  response.writeHead(200);
  for (let at = 0; at < content.length; at += step) response.write(content.subarray(at, at + step));
  response.end();
}

function status(request, response, rest) {
  response.statusCode = Number(rest);
  response.end(rest === '204' || rest === '304' ? undefined : `${rest}\n`);
}

function redirect(request, response, rest) {
  if (rest === '0') {
    hello(request, response);
    return;
  }
  response.writeHead(302, { location: `/redirect/${rest - 1}` });
  response.end();
}

function trailers(request, response) {
  response.writeHead(200, { trailer: 'x-checksum' });
  response.write(BODY);
  response.addTrailers({ 'x-checksum': sha256(BODY) });
  response.end();
}

function earlyHints(request, response) {
  if (isHttp2(request)) response.stream.additionalHeaders({ ':status': 103, link: HINT });
  else response.writeEarlyHints({ link: HINT });
  hello(request, response);
}

function slowHead(request, response) {
  const seconds = Number(new URL(request.url, 'http://any').searchParams.get('after') ?? 30);
  const timer = setTimeout(() => hello(request, response), seconds * 1000);
  response.on('close', () => clearTimeout(timer));
}

function sse(request, response) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  ['one', 'two', 'three'].forEach((word, i) => {
    response.write(`event: tick\nid: ${i}\ndata: ${word}\n\n`);
  });
  response.end();
}

function auth(request, response) {
  if (request.headers.authorization === `Basic ${Buffer.from('jo:p4w').toString('base64')}`) {
    response.end('hello jo\n');
    return;
  }
  response.writeHead(401, { 'www-authenticate': 'Basic realm="netkit"' });
  response.end('who are you?\n');
}

// A client that sent SETTINGS_ENABLE_PUSH=0 must not be pushed to (RFC 9113 section 8.4).
function push(request, response) {
  response.end(isHttp2(request) && response.stream.pushAllowed ? 'push allowed\n' : 'push refused\n');
}

// The stream, or in HTTP/1.1 the connection, ends in the body.
function reset(request, response) {
  response.writeHead(200, { 'content-length': 100 });
  response.write('part of ', () => {
    if (isHttp2(request)) response.stream.close(http2.constants.NGHTTP2_INTERNAL_ERROR);
    else request.socket.destroy();
  });
}

// RST_STREAM with REFUSED_STREAM, the first time that a URL is asked for; then an answer.
const refused = new Set();
function refuse(request, response) {
  if (isHttp2(request) && !refused.has(request.url)) {
    refused.add(request.url);
    response.stream.close(http2.constants.NGHTTP2_REFUSED_STREAM);
    return;
  }
  hello(request, response);
}

// The connection takes no request after this one: GOAWAY, or Connection: close.
function last(request, response) {
  if (isHttp2(request)) response.stream.session.goaway(0);
  else response.setHeader('connection', 'close');
  hello(request, response);
}

const PATHS = {
  hello, echo, bytes: sized, gzip, chunked, status, redirect, trailers, 'early-hints': earlyHints,
  'slow-head': slowHead, sse, auth, push, reset, refuse, last,
};

function answer(request, response) {
  const [name, rest] = request.url.split('?')[0].slice(1).split('/');
  response.on('error', () => {});
  if (Object.hasOwn(PATHS, name)) PATHS[name](request, response, rest);
  else {
    response.statusCode = 404;
    response.end('no such path\n');
  }
}

// 101, and then every octet comes back. A server without this listener ignores Upgrade.
function upgrade(request, socket, head) {
  socket.on('error', () => {});
  if (request.headers.upgrade !== 'echo') {
    socket.end('HTTP/1.1 426 Upgrade Required\r\nUpgrade: echo\r\nConnection: close, Upgrade\r\n\r\n');
    return;
  }
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n');
  socket.write(head);
  socket.pipe(socket);
}

const [plain, prior, secured] = process.argv.slice(2, 5).map(Number);
const [certificate, key] = process.argv.slice(5).map((path) => fs.readFileSync(path));
const servers = [
  [http.createServer(answer).on('upgrade', upgrade), plain],
  [http2.createServer(answer), prior],
  [http2.createSecureServer({ allowHTTP1: true, cert: certificate, key }, answer), secured],
];
for (const [server, descriptor] of servers) {
  server.on('sessionError', () => {});
  server.on('clientError', (error, socket) => socket.destroy());
  server.listen({ fd: descriptor });
}
