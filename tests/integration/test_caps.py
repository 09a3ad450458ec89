"""A source that is too large, too slow or without an end holds nothing up for long."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

import pytest

import fault_server
from adaptation.adapters import caps, http, web
from adaptation.errors import AdaptationError, SourceError, Transient
from fault_server import FaultServer, Resource
from services import HERE

FILM = bytes(range(256)) * 4_000
fetch = partial(web.fetch, policy=HERE, retry_delay_seconds=0.0)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.running() as found:
        yield found


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "source"


def left_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.stat().st_size]


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_what_is_larger_than_allowed_is_not_fetched_whole(
    server: FaultServer, target: Path, framing: Literal["length", "chunked", "close"]
) -> None:
    url = server.add("/film.mp4", Resource(FILM, framing=framing))
    seen: list[int] = []
    with pytest.raises(SourceError) as caught:
        fetch(url, target, most_bytes=len(FILM) // 2, on_progress=lambda done, _: seen.append(done))
    assert caught.value.code == "source_too_large"
    assert max(seen, default=0) <= len(FILM) // 2
    assert not seen or framing != "length", "an announced size is refused before a byte is read"
    assert len(server.requests) == 1
    assert left_in(target.parent) == []


def test_what_is_just_as_large_as_allowed_is_fetched(server: FaultServer, target: Path) -> None:
    fetched = fetch(server.add("/film.mp4", Resource(FILM)), target, most_bytes=len(FILM))
    assert fetched.size_bytes == len(FILM)


def test_a_rest_that_makes_it_too_large_is_refused(server: FaultServer, target: Path) -> None:
    """Each part is small enough, the whole is not."""
    resource = Resource(FILM, etag='"1"', framing="chunked", cuts=[600_000])
    with pytest.raises(SourceError) as caught:
        fetch(server.add("/film.mp4", resource), target, most_bytes=700_000)
    assert caught.value.code == "source_too_large"
    assert len(server.requests) == 2


def test_a_server_that_sends_drops_is_asked_anew_and_then_given_up(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caps, "PACE_SECONDS", 0.2)
    url = server.add("/film.mp4", Resource(FILM, etag='"1"', drop_seconds=0.01))
    with pytest.raises(Transient) as caught:
        fetch(url, target, retries=1)
    assert caught.value.code == "fetch_too_slow"
    assert caught.value.retryable
    assert len(server.requests) == 2
    brought = target.with_name("source.part").stat().st_size
    assert int(server.requests[1].headers["range"].strip("bytes=-")) > 0
    assert brought > 0, "the next attempt goes on from there"


def test_a_slow_stretch_is_no_reason_to_give_up_what_is_fast_enough(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(caps, "PACE_SECONDS", 0.2)
    url = server.add("/film.mp4", Resource(FILM[:100], drop_seconds=0.005))
    assert fetch(url, target, least_bytes_per_second=10).size_bytes == 100
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    "resource",
    [Resource(FILM, drop_seconds=0.01), Resource(FILM, stalls=[1000] * 9)],
    ids=["drops", "silence"],
)
def test_the_time_for_all_tries_has_an_end(
    server: FaultServer, target: Path, resource: Resource
) -> None:
    begun = time.monotonic()
    with pytest.raises(Transient) as caught:
        fetch(server.add("/film.mp4", resource), target, total_seconds=0.6, retries=1000)
    assert caught.value.code == "fetch_too_slow"
    assert "ADAPTATION_FETCH_SECONDS" in caught.value.hint
    assert time.monotonic() - begun < 5


@contextmanager
def dripping_headers() -> Iterator[str]:
    """A server whose headers have no end."""
    over = threading.Event()

    def answer() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with connection, suppress(OSError):
                    connection.sendall(b"HTTP/1.1 200 OK\r\nX-Long: ")
                    while not over.wait(0.02):
                        connection.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=answer)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/film.mp4"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()


def test_headers_that_have_no_end_are_cut(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "HEAD_SECONDS", 0.4)
    begun = time.monotonic()
    with dripping_headers() as url, pytest.raises(AdaptationError) as caught:
        fetch(url, target, retries=1)
    assert caught.value.code == "fetch_failed"
    assert time.monotonic() - begun < 5
