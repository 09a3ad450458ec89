"""Starts a server of its own on the loopback, and signs in to its pages."""

from __future__ import annotations

import http.client
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from urllib.parse import urlencode

from benchmarks.processes import BenchError, Command, failure, started, wait_until
from benchmarks.progress import note

START_SECONDS = 180.0
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@dataclass(frozen=True)
class Server:
    """A server that answers."""

    port: int
    process_id: int

    def connect(self) -> http.client.HTTPConnection:
        """A connection whose small requests are sent at once."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.connect()
        connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    def cpu_seconds(self) -> float:
        """What the server has taken so far, to the nanosecond: the clock of its process."""
        return time.clock_gettime(~self.process_id << 3 | 2)

    def signed_in(self, name: str, key: str) -> dict[str, str]:
        """The headers of a browser in which a client has signed in.

        Raises:
            BenchError: it may not.
        """
        connection = self.connect()
        body = urlencode({"client": name, "api-key": key})
        connection.request("POST", "/ui/login", body, FORM)
        cookie = connection.getresponse().headers.get("set-cookie")
        connection.close()
        if cookie is None:
            raise BenchError(f"client {name} cannot sign in")
        return {"Cookie": cookie.partition(";")[0]}


@contextmanager
def serving(command: Callable[[int], Command]) -> Iterator[Server]:
    """A server for the length of a block.

    Args:
        command: starts it on a port.

    Raises:
        BenchError: it does not answer; with the end of what it said.
    """
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = int(free.getsockname()[1])
    wanted = command(port)
    note(f"starting {' '.join(wanted.argv[1:4])}")
    with tempfile.TemporaryFile() as said, started(wanted, said) as process:
        if not wait_until(lambda: _answers(port), START_SECONDS):
            raise BenchError(failure(wanted, process.poll() or 0, said))
        yield Server(port, process.pid)


def got(
    connection: http.client.HTTPConnection, path: str, headers: Mapping[str, str]
) -> http.client.HTTPResponse:
    """The answer to a GET, read whole.

    Raises:
        BenchError: it is not 200.
    """
    connection.request("GET", path, headers=dict(headers))
    answer = connection.getresponse()
    said = answer.read()
    if answer.status != 200:
        raise BenchError(f"{path} is answered with {answer.status}: {said[:500].decode()}")
    return answer


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
