"""A server on every address of this machine that counts who so much as connects to it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nhere"


@dataclass
class Canary:
    """What came to a port."""

    port: int
    hits: int = 0
    """Connections that were accepted, whatever was said on them."""


@contextmanager
def listening(host: str = "::", port: int = 0) -> Iterator[Canary]:
    """Listen for the length of a block; by default on IPv6 and IPv4 alike."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server(
        (host, port), family=family, dualstack_ipv6=host == "::", backlog=128
    ) as server:
        canary = Canary(server.getsockname()[1])
        thread = threading.Thread(target=_answer, args=(server, canary))
        thread.start()
        try:
            yield canary
        finally:
            server.shutdown(socket.SHUT_RDWR)  # wakes who waits in accept
            thread.join()


def _answer(server: socket.socket, canary: Canary) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        canary.hits += 1
        with connection, suppress(OSError):
            connection.settimeout(2.0)
            connection.recv(65_536)
            connection.sendall(ANSWER)
