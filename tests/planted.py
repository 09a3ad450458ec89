"""Secrets planted in a run, and the places in which none of them may be found."""

from __future__ import annotations

import base64
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, urlsplit

import psutil
from sqlalchemy import MetaData, Text, cast, select

from adaptation.engine.store import Store

TOOLS = ("ffmpeg", "ffprobe", "packager")
"""What the names of our tools' programs begin with."""
LOOK_SECONDS = 0.02
"""Between looks at the processes: tools live for moments only, and a look costs some."""


def dump(store: Store) -> str:
    """All that is in the tables, as it is stored."""
    found = MetaData()
    with store.database.read() as connection:
        found.reflect(connection)
        return "\n".join(
            str(row)
            for table in found.sorted_tables
            for row in connection.execute(select(*(cast(one, Text) for one in table.columns)))
        )


def forms(secret: str) -> set[str]:
    """A secret in clear, quoted for a URL or for JSON, and in base64."""
    coded = base64.b64encode(secret.encode()).decode().rstrip("=")
    clear = {secret, quote(secret), quote(secret, safe=""), json.dumps(secret)[1:-1]}
    return clear | {coded, coded.translate(str.maketrans("+/", "-_"))}


def hits(secrets: dict[str, str], places: dict[str, str]) -> list[str]:
    """Which secret stands in which place."""
    return [
        f"{name} in {place}: …{text[max(0, text.index(form) - 80) : text.index(form) + 20]}…"
        for name, secret in secrets.items()
        for place, text in places.items()
        for form in forms(secret)
        if form in text
    ]


@dataclass
class Web(ThreadingHTTPServer):
    """One server for all: a source at /film.mp4, end points that repeat what they are told.

    A GET of /film.mp4 gives the film to whoever shows the password; /gone says 404 and repeats
    the request; /ready is a semaphore that never answers well. A POST to /loud fails and repeats
    the request, any other is taken.
    """

    film: bytes
    password: str
    heard: list[tuple[str, dict[str, str], str]] = field(default_factory=list)
    """Of each request: its line, headers and body."""

    def __post_init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that leave."""

    def url(self, path: str, password: str = "") -> str:
        """An address here, with a user's password."""
        user = f"user:{quote(password, safe='')}@" if password else ""
        return f"http://{user}127.0.0.1:{self.server_port}{path}"

    def knows(self, headers: dict[str, str]) -> bool:
        """Whether the password is shown."""
        basic = base64.b64encode(f"user:{self.password}".encode()).decode()
        return headers.get("authorization") == f"Basic {basic}"


class _Answering(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Web

    def do_GET(self) -> None:
        headers = self._heard("")
        path = urlsplit(self.path).path
        if path == "/film.mp4" and self.server.knows(headers):
            self._answer(200, self.server.film, "video/mp4")
        elif path == "/ready":
            self._answer(503, b"not yet")
        else:
            self._answer(404, self._repeated(headers))

    def do_HEAD(self) -> None:
        self.do_GET()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        headers = self._heard(body)
        loud = self.path.startswith("/loud")
        self._answer(500 if loud else 200, self._repeated(headers) if loud else b"{}")

    def _heard(self, body: str) -> dict[str, str]:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.heard.append((f"{self.command} {self.path}", headers, body))
        return headers

    def _repeated(self, headers: dict[str, str]) -> bytes:
        return json.dumps({"you asked": self.path, **headers}).encode()

    def _answer(self, status: int, body: bytes, media_type: str = "application/json") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def serving(film: Path, password: str) -> Iterator[Web]:
    """Serve for the length of a block."""
    web = Web(film.read_bytes(), password)
    thread = threading.Thread(target=web.serve_forever, daemon=True)
    thread.start()
    try:
        yield web
    finally:
        web.shutdown()
        web.server_close()
        thread.join()


@dataclass
class Watch:
    """What was seen of the processes below some others."""

    commands: set[str] = field(default_factory=set)
    """Command lines of all."""
    environments: set[str] = field(default_factory=set)
    """Environments of tools."""
    tools: set[str] = field(default_factory=set)

    def look(self, parents: list[int]) -> None:
        """Look once."""
        for parent in parents:
            try:
                family = psutil.Process(parent).children(recursive=True)
            except psutil.Error:
                continue
            for process in family:
                self._note(process.pid)

    def _note(self, pid: int) -> None:
        place = Path("/proc", str(pid))
        try:
            words = (place / "cmdline").read_bytes()
            surroundings = (place / "environ").read_bytes()
        except OSError:
            return
        self.commands.add(words.replace(b"\0", b" ").decode(errors="replace"))
        name = Path(words.partition(b"\0")[0].decode(errors="replace")).name
        if name.startswith(TOOLS):
            self.tools.add(name)
            self.environments.add(surroundings.replace(b"\0", b"\n").decode(errors="replace"))


@contextmanager
def watching(*pids: int) -> Iterator[Watch]:
    """Look at what processes start, as often as it goes, for the length of a block."""
    watch, stop = Watch(), threading.Event()

    def on() -> None:
        while not stop.wait(LOOK_SECONDS):
            watch.look(list(pids))

    thread = threading.Thread(target=on, daemon=True)
    thread.start()
    try:
        yield watch
    finally:
        stop.set()
        thread.join()
