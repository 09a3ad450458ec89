"""A TCP connection that can be cut: silent as when a cable is pulled, or reset."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

CHUNK_BYTES = 65_536


class Wire:
    """Forwards a port of the loopback to another one."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._links: list[_Link] = []
        self._lock = threading.Lock()
        self._silent = False
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, name="wire", daemon=True).start()

    def go_silent(self) -> None:
        """Forward nothing any more, of old connections and new ones, and close none."""
        with self._lock:
            self._silent = True
            for link in self._links:
                link.dead = True

    def reset(self) -> None:
        """Reset every connection, on both sides."""
        with self._lock:
            links, self._links = self._links, []
        for link in links:
            link.reset()

    def mend(self) -> None:
        """Forward new connections; those that were silent stay so."""
        self._silent = False

    def close(self) -> None:
        """Listen no more, and reset what is left."""
        self._listener.close()
        self.reset()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if link := self._linked(near):
                    self._links.append(link)

    def _linked(self, near: socket.socket) -> _Link | None:
        if self._silent:
            return _Link(near, None)
        try:
            return _Link(near, socket.create_connection(("127.0.0.1", self._target)))
        except OSError:  # nobody is there: as if the port were closed
            near.close()
            return None


class _Link:
    """Both directions of one connection."""

    def __init__(self, near: socket.socket, far: socket.socket | None) -> None:
        self._ends = [near] if far is None else [near, far]
        self.dead = far is None
        if far is not None:
            for here, there in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=(here, there), daemon=True).start()

    def reset(self) -> None:
        for end in self._ends:
            with contextlib.suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def _pump(self, here: socket.socket, there: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while received := here.recv(CHUNK_BYTES):
                if not self.dead:
                    there.sendall(received)
        if not self.dead:
            with contextlib.suppress(OSError):
                there.shutdown(socket.SHUT_WR)


@contextmanager
def wire_to(target: int) -> Iterator[Wire]:
    """A wire to a port, for the length of a block."""
    wire = Wire(target)
    try:
        yield wire
    finally:
        wire.close()
