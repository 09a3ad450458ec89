"""A small HTTP server on the loopback whose files arrive with the faults a test asks for."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal


@dataclass
class Resource:
    """One file and how it is sent; a test may change it between requests."""

    body: bytes = b""
    """The bytes."""
    content_type: str = "video/mp4"
    """Its type; empty sends none."""
    etag: str = ""
    """Sent as it stands; a Range with another If-Range gets the whole file."""
    last_modified: str = ""
    """Sent as it stands; the same rule."""
    framing: Literal["length", "chunked", "close"] = "length"
    """How the end of the body is told."""
    ranges: bool = True
    """Whether Range is honoured; otherwise every answer is the whole file."""
    conditions: bool = True
    """Whether If-Range is honoured; otherwise a Range gets its bytes of whatever is there."""
    cuts: list[int] = field(default_factory=list)
    """Each request takes the first: the connection is closed after that many bytes of its body."""
    stalls: list[int] = field(default_factory=list)
    """Each request takes the first: after that many bytes the server falls silent."""
    drop_seconds: float = 0.0
    """Seconds between one byte of the body and the next; 0: all at once."""
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Each request takes the first: a status and headers instead of the file."""
    headers: dict[str, str] = field(default_factory=dict)
    """More headers, or other values for the usual ones."""


@dataclass(frozen=True)
class Request:
    """What a client asked for."""

    path: str
    """Path and query."""
    headers: dict[str, str]
    """Its headers, names in lower case."""


class FaultServer(ThreadingHTTPServer):
    """Serves `resources`, by path without query, and keeps `requests`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, host: str = "127.0.0.1") -> None:
        super().__init__((host, 0), _Handler)
        self.host = host
        self.resources: dict[str, Resource] = {}
        self.requests: list[Request] = []
        self.closing = threading.Event()

    def add(self, path: str, resource: Resource) -> str:
        """Serve `resource` at `path` and give its URL."""
        self.resources[path] = resource
        return f"http://{self.host}:{self.server_port}{path}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: clients that hang up are what these tests are about."""

    def redirect(self, path: str, location: str, status: int = 302) -> str:
        """Redirect `path` for ever and give its URL."""
        return self.add(path, Resource(answers=[(status, {"Location": location})] * 100))


@contextmanager
def running(host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> Iterator[FaultServer]:
    """Run a server on a free port of the loopback for one block, with TLS if it is given any."""
    server = FaultServer(host)
    if tls is not None:
        server.socket = tls.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultServer

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append(Request(self.path, headers))
        resource = self.server.resources.get(self.path.partition("?")[0])
        if resource is None:
            self._refuse(404, {})
        elif resource.answers:
            self._refuse(*resource.answers.pop(0))
        else:
            self._send(resource, headers)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""

    def _refuse(self, status: int, headers: dict[str, str]) -> None:
        self._send_head(status, {"Content-Length": "0", **headers})

    def _send(self, resource: Resource, asked: dict[str, str]) -> None:
        first = _first_byte(resource, asked)
        if first is not None and first >= len(resource.body):
            self._refuse(416, {"Content-Range": f"bytes */{len(resource.body)}"})
            return
        body = resource.body[first or 0 :]
        self._send_head(200 if first is None else 206, _headers(resource, first, body))
        self._send_body(resource, body)

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {"Date": self.date_time_string(), **headers}.items():
            self.send_header(name, value)
        self.end_headers()

    def _send_body(self, resource: Resource, body: bytes) -> None:
        cut = resource.cuts.pop(0) if resource.cuts else None
        stall = resource.stalls.pop(0) if resource.stalls else None
        sent = body[: cut if stall is None else stall]
        if resource.drop_seconds:
            self._drip(sent, resource.drop_seconds)
            return
        chunked = resource.framing == "chunked"
        self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) if chunked and sent else sent)
        if stall is not None:
            self.server.closing.wait(30)
        if cut is not None or stall is not None or resource.framing == "close":
            self._hang_up()
        elif chunked:
            self.wfile.write(b"0\r\n\r\n")

    def _drip(self, body: bytes, seconds: float) -> None:
        for number in range(len(body)):
            self.wfile.write(body[number : number + 1])
            if self.server.closing.wait(seconds):
                break
        self._hang_up()

    def _hang_up(self) -> None:
        self.close_connection = True
        self.wfile.flush()
        self.connection.shutdown(socket.SHUT_WR)


def _first_byte(resource: Resource, asked: dict[str, str]) -> int | None:
    """The first byte that is asked for; None when the whole file is to be sent."""
    match = re.fullmatch(r"bytes=(\d+)-", asked.get("range", ""))
    condition = asked.get("if-range", "")
    if match is None or not resource.ranges:
        return None
    if (
        resource.conditions
        and condition
        and condition not in (resource.etag, resource.last_modified)
    ):
        return None
    return int(match[1])


def _headers(resource: Resource, first: int | None, body: bytes) -> dict[str, str]:
    framing = {
        "length": {"Content-Length": str(len(body))},
        "chunked": {"Transfer-Encoding": "chunked"},
        "close": {"Connection": "close"},
    }
    total = len(resource.body)
    where = {} if first is None else {"Content-Range": f"bytes {first}-{total - 1}/{total}"}
    described = {
        "Content-Type": resource.content_type,
        "ETag": resource.etag,
        "Last-Modified": resource.last_modified,
    }
    described = {name: value for name, value in described.items() if value}
    return {**framing[resource.framing], **where, **described, **resource.headers}
