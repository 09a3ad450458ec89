"""Fetching from a server that misbehaves in every way we know."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx2
import pytest

import disks
import fault_server
from adaptation.adapters import http, web
from adaptation.errors import AdaptationError, Cancelled, SourceError, Transient
from fault_server import FaultServer, Resource
from services import HERE, need_command, wait_until

FILM = random.Random(1).randbytes(3_000_000)
fetch = partial(web.fetch, policy=HERE, retry_delay_seconds=0.0)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.running() as server:
        yield server


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "scratch" / "source"


def assert_whole(target: Path, body: bytes = FILM) -> None:
    assert hashlib.sha256(target.read_bytes()).digest() == hashlib.sha256(body).digest()
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_file_arrives_whole_and_progress_says_how_far(server: FaultServer, target: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    url = server.add("/film.mp4", Resource(FILM, "video/mp4; codecs=avc1", etag='"1"'))
    fetched = fetch(url, target, on_progress=lambda *far: seen.append(far))
    assert_whole(target)
    assert fetched == web.Fetched(len(FILM), True, "video/mp4", '"1"', url)
    assert seen[-1] == (len(FILM), len(FILM))
    assert seen == sorted(seen)
    assert server.requests[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize("framing", ["length", "chunked"])
@pytest.mark.parametrize(
    "told", [{"etag": '"1"'}, {"last_modified": "Sun, 06 Nov 2022 08:49:37 GMT"}]
)
def test_a_cut_transfer_goes_on_where_it_was_cut(
    server: FaultServer, target: Path, framing: str, told: dict[str, str]
) -> None:
    resource = Resource(FILM, framing=framing, cuts=[900_000, 1_100_000], **told)  # type: ignore[arg-type]
    fetched = fetch(server.add("/film.mp4", resource), target)
    assert_whole(target)
    assert fetched.length_known
    ranges = [request.headers.get("range") for request in server.requests]
    assert ranges == [None, "bytes=900000-", "bytes=2000000-"]


def test_a_connection_reset_without_announced_length_is_seen_and_resumed(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_TIMEOUTS", httpx2.Timeout(0.3))
    resource = Resource(FILM, etag='"1"', framing="close", stalls=[1_000_000])
    assert fetch(server.add("/film.mp4", resource), target).length_known  # told by Content-Range
    assert_whole(target)


def test_without_length_and_chunks_a_cut_cannot_be_seen_and_the_answer_says_so(
    server: FaultServer, target: Path
) -> None:
    url = server.add("/film.mp4", Resource(FILM, framing="close", cuts=[1_000_000]))
    fetched = fetch(url, target)
    assert fetched.size_bytes == 1_000_000
    assert not fetched.length_known


def test_a_file_that_is_cut_again_and_again_but_grows_is_fetched(
    server: FaultServer, target: Path
) -> None:
    body = FILM * 4
    url = server.add("/film.mp4", Resource(body, etag='"1"', cuts=[1_500_000] * 7))
    fetch(url, target, retries=1)
    assert_whole(target, body)


def test_a_server_without_ranges_or_validator_is_read_from_the_start_again(
    server: FaultServer, target: Path
) -> None:
    fetch(server.add("/a", Resource(FILM, etag='"1"', ranges=False, cuts=[900_000])), target)
    assert_whole(target)
    fetch(server.add("/b", Resource(FILM, cuts=[900_000])), target)
    assert_whole(target)
    assert "range" not in server.requests[-1].headers


@pytest.mark.parametrize("etag", ['W/"1"', ""])
def test_a_weak_validator_is_never_used_to_resume(
    server: FaultServer, target: Path, etag: str
) -> None:
    just_now = {"Date": "Sun, 06 Nov 2022 08:49:37 GMT"}
    modified = "Sun, 06 Nov 2022 08:49:37 GMT"
    resource = Resource(FILM, etag=etag, last_modified=modified, cuts=[900_000], headers=just_now)
    fetch(server.add("/film.mp4", resource), target)
    assert_whole(target)
    assert "range" not in server.requests[-1].headers


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_a_file_that_is_always_cut_is_incomplete_after_the_tries(
    server: FaultServer, target: Path, framing: str
) -> None:
    resource = Resource(FILM, framing=framing, cuts=[1000] * 10)  # type: ignore[arg-type]
    with pytest.raises(Transient, match="cut after 1,000") as caught:
        fetch(server.add("/film.mp4", resource), target, retries=2)
    assert caught.value.code == "fetch_incomplete"
    assert len(server.requests) == 3
    assert not target.exists()


def test_a_file_that_changes_in_between_starts_anew(server: FaultServer, target: Path) -> None:
    resource = Resource(bytes(3_000_000), etag='"old"', cuts=[900_000])
    url = server.add("/film.mp4", resource)

    def replace_it(done_bytes: int, total_bytes: int | None) -> None:
        resource.body, resource.etag = FILM, '"new"'

    fetched = fetch(url, target, on_progress=replace_it)
    assert_whole(target)
    assert fetched.etag == '"new"'


def test_a_file_that_keeps_changing_is_refused(server: FaultServer, target: Path) -> None:
    resource = Resource(FILM, etag='"0"', cuts=[900_000] * 9)
    url = server.add("/film.mp4", resource)

    def change_it(done_bytes: int, total_bytes: int | None) -> None:
        resource.etag = f'"{len(server.requests)}"'

    with pytest.raises(SourceError) as caught:
        fetch(url, target, on_progress=change_it)
    assert caught.value.code == "source_changing"
    assert len(server.requests) == 3
    assert list(target.parent.iterdir()) == []


KILLED = """
import os, sys
from pathlib import Path
from adaptation.adapters.web import fetch
from adaptation.wiring import deploy
fetch(sys.argv[1], Path(sys.argv[2]), policy=deploy().policy)
"""


def killed_fetch(url: str, target: Path) -> None:
    """Fetch in another process and kill -9 it once the server has fallen silent."""
    part = target.with_name(target.name + ".part")
    with subprocess.Popen([sys.executable, "-c", KILLED, url, str(target)]) as child:
        arrived = wait_until(lambda: part.exists() and part.stat().st_size == 1_000_000)
        child.send_signal(signal.SIGKILL)
    assert arrived


def test_a_killed_process_is_resumed_by_the_next(server: FaultServer, target: Path) -> None:
    url = server.add("/film.mp4", Resource(FILM, etag='"1"', stalls=[1_000_000]))
    killed_fetch(url, target)
    fetch(url, target)
    assert_whole(target)
    assert server.requests[-1].headers["range"] == "bytes=1000000-"


def test_what_is_left_of_another_url_or_version_is_not_resumed(
    server: FaultServer, target: Path
) -> None:
    left = Resource(bytes(3_000_000), etag='"1"', stalls=[1_000_000])
    killed_fetch(server.add("/other.mp4", left), target)
    fetch(server.add("/film.mp4", Resource(FILM, etag='"1"')), target)
    assert_whole(target)
    assert "range" not in server.requests[-1].headers

    left.stalls = [1_000_000]
    killed_fetch(server.add("/other.mp4", left), target)
    left.body, left.etag = FILM, '"2"'
    fetch(server.add("/other.mp4", left), target)
    assert_whole(target)
    assert len(server.requests) == 4


def test_a_broken_record_beside_the_part_means_a_new_start(
    server: FaultServer, target: Path
) -> None:
    target.parent.mkdir(parents=True)
    target.with_name("source.part").write_bytes(b"something else")
    target.with_name("source.part.json").write_text('{"url": 1')
    fetch(server.add("/film.mp4", Resource(FILM, etag='"1"')), target)
    assert_whole(target)


def test_a_whole_part_that_was_never_renamed_costs_one_byte(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.add("/film.mp4", Resource(FILM, etag='"1"'))
    with monkeypatch.context() as patch:
        patch.setattr("adaptation.adapters.partial.Partial.publish", _killed)
        with pytest.raises(KeyboardInterrupt):
            fetch(url, target)
    fetch(url, target)
    assert_whole(target)
    assert server.requests[-1].headers["range"] == f"bytes={len(FILM) - 1}-"


def _killed(self: object) -> None:
    raise KeyboardInterrupt


def test_a_file_that_became_shorter_is_read_anew(server: FaultServer, target: Path) -> None:
    resource = Resource(FILM, etag='"1"', framing="chunked", cuts=[2_000_000])
    url = server.add("/film.mp4", resource)

    def shorten(done_bytes: int, total_bytes: int | None) -> None:
        resource.body = FILM[:1_000_000]

    fetch(url, target, on_progress=shorten)
    assert_whole(target, FILM[:1_000_000])


def test_two_fetches_to_one_target_do_not_mix(server: FaultServer, target: Path) -> None:
    url = server.add("/film.mp4", Resource(FILM, etag='"1"', stalls=[1_000_000]))
    stop, part = threading.Event(), target.with_name("source.part")
    slow = threading.Thread(target=_until_cancelled, args=(url, target, stop))
    slow.start()
    try:
        assert wait_until(lambda: part.exists() and part.stat().st_size == 1_000_000)
        fetch(url, target)
        assert target.read_bytes() == FILM
    finally:
        stop.set()
        slow.join()
    assert sorted(path.name for path in target.parent.iterdir()) == [
        "source",
        "source.part",
        "source.part.json",
    ]


def _until_cancelled(url: str, target: Path, stop: threading.Event) -> None:
    with pytest.raises(Cancelled):
        fetch(url, target, cancelled=stop)


@pytest.mark.parametrize("silent_after", [0, 1_000_000])
def test_cancelling_ends_a_silent_transfer_within_a_second(
    server: FaultServer, target: Path, silent_after: int
) -> None:
    url = server.add("/film.mp4", Resource(FILM, etag='"1"', stalls=[silent_after] * 9))
    stop = threading.Event()
    slow = threading.Thread(target=_until_cancelled, args=(url, target, stop))
    slow.start()
    assert wait_until(lambda: len(server.requests) == 1)
    stop.set()
    slow.join(1.0)
    assert not slow.is_alive()


def test_a_silent_server_times_out_and_is_asked_again(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_TIMEOUTS", httpx2.Timeout(0.3))
    url = server.add("/film.mp4", Resource(FILM, etag='"1"', stalls=[1_000_000, 0]))
    fetch(url, target)
    assert_whole(target)
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (404, "source_not_found"),
        (410, "source_not_found"),
        (401, "source_forbidden"),
        (403, "source_forbidden"),
        (405, "source_refused"),
        (304, "source_refused"),
    ],
)
def test_a_refusal_is_final(server: FaultServer, target: Path, status: int, code: str) -> None:
    url = server.add("/film.mp4", Resource(FILM, answers=[(status, {})]))
    with pytest.raises(SourceError, match=str(status)) as caught:
        fetch(url, target)
    assert caught.value.code == code
    assert caught.value.hint
    assert len(server.requests) == 1
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_a_busy_server_is_asked_again(server: FaultServer, target: Path, status: int) -> None:
    fetch(server.add("/film.mp4", Resource(FILM, answers=[(status, {})] * 3)), target)
    assert_whole(target)
    url = server.add("/film.mp4", Resource(FILM, answers=[(status, {})] * 9))
    with pytest.raises(Transient, match=str(status)) as caught:
        fetch(url, target)
    assert caught.value.code == "fetch_failed"
    assert len(server.requests) == 8


def test_retry_after_is_honoured_up_to_a_limit(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Watched(threading.Event):
        waits: list[float] = []  # noqa: RUF012  (one test, one instance)

        def wait(self, timeout: float | None = None) -> bool:
            self.waits.append(timeout or 0)
            return self.is_set()

    asked = ["2", "9999", "Fri, 01 Jan 2100 00:00:00 GMT"]
    answers: list[tuple[int, dict[str, str]]] = [(503, {"Retry-After": value}) for value in asked]
    fetch(server.add("/film.mp4", Resource(FILM, answers=answers)), target, cancelled=Watched())
    assert [seconds for seconds in Watched.waits if seconds] == [2, 60, 60]


def test_a_host_that_cannot_be_reached_is_transient(target: Path) -> None:
    for url in ("http://127.0.0.1:9/film.mp4", "http://nobody.invalid/film.mp4"):
        with pytest.raises(Transient, match="Cannot reach") as caught:
            fetch(url, target, retries=1)
        assert caught.value.code == "fetch_failed"


def test_redirects_are_followed_and_judged(server: FaultServer, target: Path) -> None:
    server.add("/film.mp4", Resource(FILM, etag='"1"', cuts=[900_000]))
    url = server.redirect("/a", "/b")
    server.redirect("/b", server.redirect("/c", "film.mp4?token=1", 307), 301)
    fetch(url, target)
    assert_whole(target)
    assert server.requests[-1].headers["range"] == "bytes=900000-"


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("/loop", "source_redirects"),
        ("file:///etc/passwd", "source_url"),
        ("ftp://h/f", "source_url"),
    ],
)
def test_a_redirect_that_leads_nowhere_is_final(
    server: FaultServer, target: Path, location: str, code: str
) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(server.redirect("/loop", location), target)
    assert caught.value.code == code
    assert len(server.requests) <= 6


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://h/f.mp4", "film.mp4", "http://", "http://[::1", "", "\0"]
)
def test_an_address_that_is_not_http_is_refused(target: Path, url: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(url, target)
    assert caught.value.code == "source_url"


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<p>Log in", "text/html; charset=utf-8"),
        (b"\xef\xbb\xbf\n<!DOCTYPE html><title>Log in</title>", "video/mp4"),
        (b"<HTML><body>Log in", ""),
    ],
)
def test_a_web_page_is_not_a_source(
    server: FaultServer, target: Path, body: bytes, content_type: str
) -> None:
    with pytest.raises(SourceError, match="web page") as caught:
        fetch(server.add("/film.mp4", Resource(body, content_type)), target)
    assert caught.value.code == "source_is_web_page"
    assert list(target.parent.iterdir()) == []


@pytest.mark.parametrize("framing", ["length", "chunked", "close"])
def test_an_empty_file_is_not_a_source(server: FaultServer, target: Path, framing: str) -> None:
    with pytest.raises(SourceError) as caught:
        fetch(server.add("/film.mp4", Resource(b"", framing=framing)), target)  # type: ignore[arg-type]
    assert caught.value.code == "source_empty"


def test_a_body_that_is_compressed_all_the_same_is_refused(
    server: FaultServer, target: Path
) -> None:
    resource = Resource(FILM, headers={"Content-Encoding": "gzip"})
    with pytest.raises(SourceError) as caught:
        fetch(server.add("/film.mp4", resource), target)
    assert caught.value.code == "source_encoded"


def test_a_password_is_sent_to_its_host_only_and_never_shown(
    server: FaultServer, target: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    with fault_server.running() as other:
        away = other.add("/film.mp4", Resource(FILM, answers=[(403, {})]))
        url = server.redirect("/a", away).replace("//", "//ann:hunter2@") + "?X-Amz-Signature=f00"
        with pytest.raises(SourceError) as caught:
            fetch(url, target)
        assert "authorization" in server.requests[0].headers
        assert "authorization" not in other.requests[0].headers
    shown = f"{caught.value!r} {caught.value.hint} {caplog.text}"
    assert "hunter2" not in shown
    assert "f00" not in shown
    assert "/a?X-Amz-Signature=***" in str(caught.value)


def test_a_proxy_in_the_environment_is_not_used(
    server: FaultServer, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    fetch(server.add("/film.mp4", Resource(FILM)), target)
    assert_whole(target)


def test_a_source_larger_than_the_disk_is_refused_before_it_is_read(
    server: FaultServer, target: Path
) -> None:
    resource = Resource(FILM, etag='"1"', headers={"Content-Length": str(1 << 60)})
    with pytest.raises(Transient, match="has room for") as caught:
        fetch(server.add("/film.mp4", resource), target)
    assert caught.value.code == "scratch_full"


def test_a_disk_that_fills_up_is_named(server: FaultServer, tmp_path: Path) -> None:
    url = server.add("/film.mp4", Resource(FILM, framing="chunked"))
    with (
        disks.mounted(tmp_path / "small", "size=1m") as disk,
        pytest.raises(Transient, match=str(disk)) as caught,
    ):
        fetch(url, disk / "source")
    assert caught.value.code == "scratch_full"
    assert len(server.requests) == 1


def test_a_certificate_nobody_vouches_for_is_final(tmp_path: Path) -> None:
    """`openssl req -x509 -newkey … -subj /CN=localhost` makes one for `openssl s_server`."""
    openssl = need_command("openssl", package="openssl")
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "cert.pem")
    made = [openssl, "req", "-x509", "-nodes", "-newkey", "rsa:2048", "-subj", "/CN=localhost"]
    made += ["-days", "2", "-keyout", key, "-out", certificate]
    subprocess.run(made, check=True, capture_output=True)
    serve = [
        openssl,
        "s_server",
        "-accept",
        "127.0.0.1:0",
        "-key",
        key,
        "-cert",
        certificate,
        "-www",
    ]
    with subprocess.Popen(
        serve, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as child:
        try:
            assert child.stdout is not None
            port = next(
                line.rpartition(":")[2].strip() for line in child.stdout if "ACCEPT" in line
            )
            with pytest.raises(SourceError, match="certificate") as caught:
                fetch(f"https://127.0.0.1:{port}/film.mp4", tmp_path / "source")
        finally:
            child.kill()
    assert caught.value.code == "source_certificate"


def test_every_error_has_a_hint(server: FaultServer, target: Path) -> None:
    bad = [Resource(answers=[(500, {})] * 9), Resource(b""), Resource(FILM, cuts=[1] * 9)]
    for number, resource in enumerate(bad):
        with pytest.raises(AdaptationError) as caught:
            fetch(server.add(f"/{number}", resource), target)
        assert caught.value.hint
