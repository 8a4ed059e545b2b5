"""The settings of the servers of tests/interop/http_servers.py that have a file for them, and their files."""

from __future__ import annotations

from pathlib import Path

from tests.interop.servers import contract


def write_files(root: Path) -> None:
    """What a server of files serves of the common paths."""
    (root / "bytes").mkdir(parents=True)
    (root / "auth").mkdir()
    for size in contract.SIZES:
        (root / "bytes" / str(size)).write_bytes(contract.octets(size))
    (root / "hello").write_bytes(contract.HELLO)
    (root / "gzip").write_bytes(contract.TEXT)
    (root / "auth" / "basic").write_bytes(b"hello jo\n")
    (root / "passwords").write_text("jo:{PLAIN}p4w\n")


def nginx(root: Path, origin: int, certificate: Path, listen: dict[str, str]) -> str:
    """The http block of nginx: files of its own, and `origin` behind it for what moves."""
    own = [f'location = /status/{each} {{ return {each} "{each}\\n"; }}' for each in contract.STATUSES]
    # An absolute URL in Location, made of the Host field.
    own += [
        f"location = /redirect/{n} {{ return 302 $outside://$http_host/redirect/{n - 1}; }}"
        for n in range(1, 31)
    ]
    return f"""
        default_type text/plain; charset off; etag on; sendfile on; server_tokens off;
        client_max_body_size 100m; gzip_types text/plain; gzip_vary on;
        ssl_certificate {certificate}; ssl_certificate_key {certificate}; ssl_protocols TLSv1.2 TLSv1.3;
        map $http_x_forwarded_proto $outside {{ default $scheme; https https; }}
        server {{
            listen {listen["plain"]}; listen {listen["prior"]} http2; listen {listen["tls"]} ssl http2;
            listen unix:{listen["unix"]};
            root {root};
            {" ".join(own)}
            location = /hello {{ }}
            location = /redirect/0 {{ try_files /hello =404; }}
            # Not from behind: before 1.29, nginx takes a 1xx response for the final one.
            location = /early-hints {{ try_files /hello =404; }}
            location /bytes/ {{ default_type application/octet-stream; }}
            location = /gzip {{ gzip on; }}
            location = /auth/basic {{ auth_basic netkit; auth_basic_user_file {root}/passwords; }}
            location = /full {{ client_max_body_size 1k; proxy_pass http://127.0.0.1:{origin}/echo; }}
            location / {{
                proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1; proxy_buffering off;
                proxy_request_buffering off; proxy_set_header Host $http_host;
                proxy_set_header Connection "";
            }}
            location = /upgrade {{
                proxy_pass http://127.0.0.1:{origin}; proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
            }}
        }}"""


def haproxy(origin: int, files: int, certificate: Path, descriptors: dict[str, int]) -> str:
    """haproxy in front of nginx (`files`), and of `origin` for what nginx takes away on the way."""
    return f"""
defaults
    mode http
    timeout connect 20s
    timeout client 60s
    timeout server 60s
userlist users
    user jo insecure-password p4w
frontend all
    bind fd@{descriptors["plain"]}
    bind fd@{descriptors["prior"]} proto h2
    bind fd@{descriptors["tls"]} ssl crt {certificate} alpn h2,http/1.1
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
    http-request auth realm netkit if {{ path /auth/basic }} !{{ http_auth(users) }}
    http-request return status 200 content-type text/plain string "hello jo\\n" if {{ path /auth/basic }}
    use_backend origin if {{ path /trailers /early-hints /upgrade }}
    default_backend files
backend files
    server nginx 127.0.0.1:{files}
backend origin
    server python 127.0.0.1:{origin}
"""


def h2o(root: Path, origin: int, certificate: Path, ports: dict[str, int]) -> str:
    """h2o: files and Ruby of its own, and `origin` behind it."""
    return f"""
user: root
num-threads: 1
pid-file: {root.parent}/h2o.pid
listen:
  host: 127.0.0.1
  port: {ports["plain"]}
listen:
  host: 127.0.0.1
  port: {ports["tls"]}
  ssl:
    certificate-file: {certificate}
    key-file: {certificate}
hosts:
  default:
    paths:
      /hello:
        mruby.handler: |
          lambda {{|env| [200, {{"content-type" => "text/plain"}}, ["hello\\n"]]}}
      /gzip:
        compress: [gzip]
        mruby.handler: |
          lambda {{|env|
            [200, {{"content-type" => "text/plain"}}, ["a line that compresses well\\n" * 1000]]
          }}
      /bytes:
        file.dir: {root}/bytes
      /:
        proxy.reverse.url: http://127.0.0.1:{origin}/
        proxy.preserve-host: ON
        proxy.timeout.keepalive: 0
"""
