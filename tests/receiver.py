"""An end point of callbacks as a process of its own: it answers as it is told, and writes it down.

usage: python receiver.py LOG [MODE]

It prints its port. Each request becomes a JSON line in LOG: time, path, mode, headers, body. The
mode is the first part of the path if that is one, else what LOG.mode says, else MODE:
ok, 500, hang, slow (0.5 s), redirect, 410, busy (503, Retry-After 1), stall (200, and half a body
that never ends), flood (200, and a body without an end), cut (200, and half a body).
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

STATUS = {"ok": 200, "slow": 200, "500": 500, "redirect": 302, "410": 410, "busy": 503}
ENDLESS = {"stall", "flood", "cut"}
HANG_SECONDS = 60.0
_lock = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    """Writes a request down and answers it."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:
            return  # who sent it was killed in the midst of it
        mode = self._mode()
        facts = {
            "time": time.time(),
            "path": self.path,
            "mode": mode,
            "headers": {name.lower(): value for name, value in self.headers.items()},
            "body": body.decode(),
        }
        with _lock, Path(sys.argv[1]).open("a") as log:
            log.write(json.dumps(facts) + "\n")
        time.sleep({"hang": HANG_SECONDS, "slow": 0.5}.get(mode, 0))
        self.send_response(STATUS.get(mode, 200))
        if mode == "redirect":
            self.send_header("Location", "/ok/elsewhere")
        if mode == "busy":
            self.send_header("Retry-After", "1")
        self.send_header("Content-Length", "2" if mode not in ENDLESS else "1000000000")
        self.end_headers()
        self.wfile.write(b"{}")
        self._go_on(mode)

    def _go_on(self, mode: str) -> None:
        """A body that does not end well."""
        if mode not in ENDLESS:
            return
        self.close_connection = True
        if mode == "stall":
            time.sleep(HANG_SECONDS)
        with suppress(OSError):
            while mode == "flood":
                self.wfile.write(b" " * 65_536)

    def log_message(self, *words: object) -> None:
        """Say nothing."""

    def _mode(self) -> str:
        first = self.path.strip("/").partition("/")[0]
        if first in {*STATUS, *ENDLESS, "hang"}:
            return first
        told = Path(sys.argv[1] + ".mode")
        return told.read_text() if told.exists() else (sys.argv[2:] or ["ok"])[0]


@dataclass(frozen=True)
class Receiver:
    """A running end point."""

    url: str
    log: Path

    def be(self, mode: str) -> None:
        """Answer so from now on, where the path does not say how."""
        Path(f"{self.log}.mode").write_text(mode)

    def requests(self, path: str | None = None) -> list[dict[str, Any]]:
        """What came, oldest first, with the body as JSON under `json`."""
        if not self.log.exists():
            return []
        # The last line may be half written.
        lines = self.log.read_text().rpartition("\n")[0].splitlines()
        found = [json.loads(line) for line in lines]
        mine = [one for one in found if path is None or one["path"] == path]
        return [{**one, "json": json.loads(one["body"])} for one in mine]


@contextmanager
def receiving(log: Path, mode: str = "ok") -> Iterator[Receiver]:
    """Run an end point for the length of a block."""
    command = [sys.executable, __file__, str(log), mode]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Receiver(f"http://127.0.0.1:{process.stdout.readline().strip()}", log)
        finally:
            process.kill()


def main() -> None:
    """Serve until it is killed."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main()
