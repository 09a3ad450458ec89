"""A proxy before a real server that loses answers, breaks streams and refuses, as a test asks."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx2

HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "date", "server"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request."""

    cut_after: int | None = None
    """Bytes of the answer's body that arrive; -1: the answer is lost whole."""
    status: int | None = None
    """Answered by the proxy itself; the server hears nothing."""
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b"{}"


LOST = Fault(cut_after=-1)
"""The server does what it is asked, and its answer never arrives."""


class FaultProxy(ThreadingHTTPServer):
    """Passes requests on to `target`; each takes the first of `faults`."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, target: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target.rstrip("/")
        self.faults: list[Fault] = []
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """Method, path, and headers with names in lower case."""
        self.url = f"http://127.0.0.1:{self.server_port}"

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: broken connections are what this is for."""


@contextmanager
def running_proxy(target: str) -> Iterator[FaultProxy]:
    """Run a proxy on a free port of the loopback for one block."""
    server = FaultProxy(target)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FaultProxy

    def do_GET(self) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, headers))
        body = self.rfile.read(int(headers.get("content-length", "0")))
        fault = self.server.faults.pop(0) if self.server.faults else Fault()
        # One request a connection: the client must not take the proxy's end for the server's.
        self.close_connection = True
        if fault.status is not None:
            self._send_head(fault.status, {"Content-Type": "application/json", **fault.headers})
            self.wfile.write(fault.body)
            return
        given = {name: value for name, value in headers.items() if name not in {"host"}}
        url = self.server.target + self.path
        self._pass_on(httpx2.Request(self.command, url, content=body, headers=given), fault)

    do_POST = do_PUT = do_PATCH = do_GET  # noqa: N815 - http.server names them so

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""

    def _pass_on(self, request: httpx2.Request, fault: Fault) -> None:
        with httpx2.Client(trust_env=False, timeout=30) as http:
            answer = http.send(request, stream=True)
            if fault.cut_after == -1:
                answer.read()
                return
            kept = {k: v for k, v in answer.headers.items() if k.lower() not in HOP_BY_HOP}
            self._send_head(answer.status_code, {**kept, "Transfer-Encoding": "chunked"})
            left = fault.cut_after
            with suppress(OSError):
                for piece in answer.iter_raw():
                    part = piece if left is None else piece[:left]
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(part), part))
                    left = None if left is None else left - len(part)
                    if left == 0:
                        answer.close()
                        return
                self.wfile.write(b"0\r\n\r\n")
            answer.close()

    def _send_head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
