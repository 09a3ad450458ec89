"""Many browsers' ends of the streams of pages, as plain sockets: hundreds cost a test nothing."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlsplit

import httpx2

from adaptation.dashboard.session import COOKIE
from api_kit import Api, Caller
from contract.browser import Browser

PATIENCE_SECONDS = 60.0


@dataclass
class Looking:
    """One open stream."""

    socket: socket.socket
    heard: bytes = b""

    def until(self, words: str) -> str:
        """All that was heard, up to where these words came since they were asked for last."""
        wanted = words.encode()
        while wanted not in self.heard:
            part = self.socket.recv(65_536)
            assert part, f"the stream ended without {words!r}: {self.heard[-500:]!r}"
            self.heard += part
        before, found, self.heard = self.heard.partition(wanted)
        return (before + found).decode()

    def rest(self) -> str:
        """All that comes until the other end closes."""
        while part := self.socket.recv(65_536):
            self.heard += part
        return self.heard.decode()


def cookie_of(api: Api, caller: Caller) -> str:
    """What a browser sends in which a client has signed in."""
    with httpx2.Client(trust_env=False, timeout=30) as web:
        Browser(api.url.rstrip("/"), web).sign_in(caller)
        return f"{COOKIE}={web.cookies[COOKIE]}"


@contextmanager
def looking_at(
    api: Api, path: str, cookie: str, buffer_bytes: int | None = None
) -> Iterator[Looking]:
    """A stream of a page.

    Args:
        api: the server.
        path: of the stream.
        cookie: of the session.
        buffer_bytes: what the socket takes in while nobody reads; None: as usual.
    """
    host = urlsplit(api.url)
    with socket.socket() as opened:
        if buffer_bytes is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer_bytes)
        opened.settimeout(PATIENCE_SECONDS)
        opened.connect((host.hostname, host.port))
        # HTTP/1.0: what comes is the stream itself, not its chunks.
        lines = f"GET {path} HTTP/1.0", f"Host: {host.netloc}", f"Cookie: {cookie}"
        opened.sendall("\r\n".join([*lines, "", ""]).encode())
        stream = Looking(opened)
        assert " 200 " in stream.until("\r\n")
        yield stream
