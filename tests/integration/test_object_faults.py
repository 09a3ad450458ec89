"""Uploads in parts, of which some fail: each is survived, or nothing of it stays."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx2
import pytest

from adaptation.adapters.object_store import PIECE_BYTES, ObjectStore
from adaptation.errors import Transient
from services import HERE
from storage_services import S3

PARTS = 4
CONTENT = bytes(range(256)) * ((PARTS - 1) * PIECE_BYTES // 256 + 4)


class Door(ThreadingHTTPServer):
    """Stands before a service, and refuses some parts of uploads."""

    def __init__(self, url: str) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.url = url
        self.refusals = dict[str, int]()
        """How often a part is still refused, by its number."""
        self.refused = list[str]()


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Door

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        part = re.search(r"partNumber=(\d+)", self.path)
        if part and self.server.refusals.get(part[1], 0):
            self.server.refusals[part[1]] -= 1
            self.server.refused.append(part[1])
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


@pytest.fixture
def refusing(s3: S3) -> Iterator[tuple[Door, ObjectStore]]:
    with door(s3.url) as found:
        config = replace(s3.config(), endpoint=f"http://127.0.0.1:{found.server_port}")
        yield found, ObjectStore(config, HERE)


@pytest.fixture
def large(tmp_path: Path) -> Path:
    path = tmp_path / "large"
    path.write_bytes(CONTENT)
    return path


def under_way(s3: S3, bucket: str) -> str:
    """What the service tells of uploads that nobody has ended."""
    return httpx2.get(f"{s3.url}/{bucket}?uploads", trust_env=False, timeout=60).text


@pytest.mark.parametrize("part", range(1, PARTS + 1))
def test_any_part_may_fail_once(
    s3: S3, refusing: tuple[Door, ObjectStore], large: Path, tmp_path: Path, part: int
) -> None:
    service, store = refusing
    service.refusals[str(part)] = 1

    store.put_file(large, "film.mp4")

    assert service.refused == [str(part)]
    ObjectStore(replace(store.config, endpoint=s3.url), HERE).get_file(
        "film.mp4", tmp_path / "back"
    )
    assert (tmp_path / "back").read_bytes() == CONTENT
    assert "<Upload>" not in under_way(s3, store.config.bucket)


def test_of_an_upload_that_fails_for_good_nothing_stays(
    s3: S3, refusing: tuple[Door, ObjectStore], large: Path
) -> None:
    service, store = refusing
    service.refusals["2"] = 100

    with pytest.raises(Transient) as error:
        store.put_file(large, "film.mp4")

    assert error.value.code == "storage_unreachable"
    assert store.objects("") == []
    assert "<Upload>" not in under_way(s3, store.config.bucket)
