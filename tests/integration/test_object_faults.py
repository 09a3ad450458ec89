"""Uploads in parts, of which some fail: each is survived, or nothing of it stays."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from adaptation.adapters.object_store import PIECE_BYTES, ObjectStore
from adaptation.errors import Transient
from services import HERE
from storage_services import S3, Azure

PARTS = 4
CONTENT = bytes(range(256)) * ((PARTS - 1) * PIECE_BYTES // 256 + 4)


class Door(ThreadingHTTPServer):
    """Stands before a service, and refuses some parts of uploads."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.url = url
        self.own_url = f"http://127.0.0.1:{self.server_port}"
        self.refusals = dict[int, int]()
        """How often a part is still refused, by its number from 1."""
        self.refused = list[int]()
        self._blocks = list[str]()
        self._counting = threading.Lock()

    def part_of(self, path: str) -> int:
        """Which part of an upload a request brings, from 1; 0: none.

        S3 numbers them. In Azure they are blocks with names that tell nothing: the first one that
        comes is the first part.
        """
        asked = parse_qs(urlsplit(path).query)
        if asked.get("comp") != ["block"]:
            return int(asked.get("partNumber", ["0"])[0])
        (name,) = asked["blockid"]
        with self._counting:
            if name not in self._blocks:
                self._blocks.append(name)
            return self._blocks.index(name) + 1


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        part = self.server.part_of(self.path)
        if self.server.refusals.get(part, 0):
            self.server.refusals[part] -= 1
            self.server.refused.append(part)
            self._answer(503, {}, b"")
            return
        told = httpx2.request(
            self.command,
            f"{self.server.url}{self.path}",
            content=body,
            headers={k: v for k, v in self.headers.items() if k.lower() != "connection"},
            trust_env=False,
            timeout=60,
        )
        kept = {k: v for k, v in told.headers.items() if k.lower() in ("etag", "content-type")}
        self._answer(told.status_code, kept, told.content)

    do_GET = do_HEAD = do_POST = do_DELETE = do_PUT  # noqa: N815 - as the base class calls them

    def _answer(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.send_response_only(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Keep the test's output clean."""


@contextmanager
def door(url: str) -> Iterator[Door]:
    server = Door(url)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(params=["s3", "azure"])
def service(request: pytest.FixtureRequest) -> S3 | Azure:
    """Each kind in turn."""
    found: S3 | Azure = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def refusing(service: S3 | Azure) -> Iterator[tuple[Door, ObjectStore]]:
    with door(service.url) as found:
        config = service.config()
        there = config.endpoint.replace(service.url, found.own_url)
        yield found, ObjectStore(replace(config, endpoint=there), HERE)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(CONTENT)
    return path


def under_way(service: S3 | Azure, bucket: str) -> bool:
    """Whether the service tells of uploads that nobody has ended; Azure has no such list.

    It forgets blocks of no blob by itself, in a week.
    """
    if isinstance(service, Azure):
        return False
    told = httpx2.get(f"{service.url}/{bucket}?uploads", trust_env=False, timeout=60).text
    return "<Upload>" in told


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_any_part_may_fail_once(
    service: S3 | Azure,
    refusing: tuple[Door, ObjectStore],
    large: Path,
    tmp_path: Path,
    part: int,
) -> None:
    between, store = refusing
    between.refusals[part] = 1

    store.put_file(large, "film.mp4")

    assert between.refused == [part]
    there = store.config.endpoint.replace(between.own_url, service.url)
    ObjectStore(replace(store.config, endpoint=there), HERE).get_file("film.mp4", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert not under_way(service, store.config.bucket)


def test_of_an_upload_that_fails_for_good_nothing_stays(
    service: S3 | Azure, refusing: tuple[Door, ObjectStore], large: Path
) -> None:
    between, store = refusing
    between.refusals[2] = 100

    with pytest.raises(Transient) as error:
        store.put_file(large, "film.mp4")

    assert error.value.code == "storage_unreachable"
    assert store.objects("") == []
    assert not under_way(service, store.config.bucket)
