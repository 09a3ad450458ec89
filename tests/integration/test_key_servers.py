"""Keys from a key server on the loopback that answers well, late, wrongly or not at all."""

from __future__ import annotations

import base64
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from lxml import etree

import cpix_kit
from adaptation.adapters import key_server
from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.errors import AdaptationError, Cancelled, SourceError, Transient
from adaptation.media.cpix import read_cpix
from adaptation.media.cpix_request import KeyRequest
from drm_kit import TRACKS, frames, joined, made_asset, switching

SPACE = {
    "c": "urn:dashif:org:cpix",
    "pskc": "urn:ietf:params:xml:ns:keyprov:pskc",
    "ds": "http://www.w3.org/2000/09/xmldsig#",
}
LOOPBACK = AddressPolicy((ip_network("127.0.0.0/8"),))
SECRET = {"X-Api-Key": "hunter2-hunter2"}
SIGNAL = '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://{}",KEYFORMAT="com.apple.streamingkeydelivery"'


def secret_of(kid: str) -> bytes:
    """The key of an id, as this server keeps it."""
    return UUID(kid).bytes[::-1]


@dataclass
class KeyServer:
    """Answers by SPEKE 2.0, after what a test wants first."""

    first: list[int] = field(default_factory=list)
    """Statuses of the first answers."""
    change: Callable[[bytes], bytes] = bytes
    """Made of a good answer."""
    hangs: threading.Event | None = None
    """Set: an answer is begun, and goes on when this happens."""
    recipient: cpix_kit.Identity | None = None
    """For whom keys are encrypted when the request names a certificate."""
    asked: list[tuple[dict[str, str], bytes]] = field(default_factory=list)
    """Headers and bodies."""
    url: str = ""

    def answer(self, body: bytes) -> bytes:
        """The request with keys, and what Apple's players are told."""
        root = etree.fromstring(body)
        certificate = root.findtext(".//ds:X509Certificate", namespaces=SPACE)
        kids = [str(one.get("kid")) for one in root.iterfind(".//c:ContentKey", SPACE)]
        if certificate and self.recipient:
            assert certificate == self.recipient.text
            keys = {UUID(kid).hex: secret_of(kid).hex() for kid in kids}
            return cpix_kit.encrypted_document(keys, [self.recipient])
        for element in root.iterfind(".//c:ContentKey", SPACE):
            data = etree.SubElement(element, f"{{{SPACE['c']}}}Data")
            secret = etree.SubElement(data, f"{{{SPACE['pskc']}}}Secret")
            value = base64.b64encode(secret_of(str(element.get("kid")))).decode()
            etree.SubElement(secret, f"{{{SPACE['pskc']}}}PlainValue").text = value
        for element in root.iterfind(".//c:DRMSystem", SPACE):
            for told in element:
                element.remove(told)
            if str(element.get("systemId")).startswith("94ce86fb"):
                line = base64.b64encode(SIGNAL.format(element.get("kid")).encode()).decode()
                name = f"{{{SPACE['c']}}}HLSSignalingData"
                etree.SubElement(element, name, playlist="media").text = line
        return etree.tostring(root)


@pytest.fixture
def server() -> Iterator[KeyServer]:
    known = KeyServer()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            known.asked.append(({k.lower(): v for k, v in self.headers.items()}, body))
            status = known.first.pop(0) if known.first else 200
            content = known.change(known.answer(body)) if status == 200 else b"no"
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.send_header("Location", "/elsewhere")
            self.end_headers()
            if known.hangs:
                self.wfile.write(content[:10])
                self.wfile.flush()
                known.hangs.wait(60)
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            """Keep the output of tests clean."""

    served = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=served.serve_forever)
    thread.start()
    known.url = f"http://127.0.0.1:{served.server_port}/speke?token=t0ken"
    yield known
    served.shutdown()
    thread.join()
    served.server_close()


@pytest.fixture(scope="module")
def original(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_asset(tmp_path_factory.mktemp("served"))


@pytest.fixture
def film(original: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(original, tmp_path / "film"))


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_server, "WAITS_SECONDS", (0.0, 0.0))


def given(server: KeyServer, **more: Any) -> dict[str, Any]:
    known = {"key_server": server.url, "key_server_secret": SECRET, "content_id": "film-42"}
    return {**known, "key_server_labels": ["VIDEO", "AUDIO"], **more}


@pytest.mark.usefixtures("home", "quick")
def test_a_film_is_encrypted_by_the_keys_of_a_server(
    server: KeyServer, film: Path, original: Path, tmp_path: Path
) -> None:
    server.first = [503, 429]
    with switching(film) as switch:
        assert switch("fairplay", "widevine", **given(server)) == {}
    assert len(server.asked) == 3, "it is asked again after answers that may pass"
    headers, body = server.asked[-1]
    assert (headers["x-api-key"], headers["x-speke-version"]) == ("hunter2-hunter2", "2.0")
    request = etree.fromstring(body)
    assert (request.get("contentId"), request.get("version")) == ("film-42", "2.3")
    rules = request.findall(".//c:ContentKeyUsageRule", SPACE)
    kids = {str(rule.get("intendedTrackType")): str(rule.get("kid")) for rule in rules}
    assert list(kids) == ["VIDEO", "AUDIO"]
    for track in TRACKS:
        kid = kids["AUDIO" if track.startswith("audio") else "VIDEO"]
        encrypted, clear = joined(film / "cbcs" / track), joined(original / track)
        assert frames(encrypted, tmp_path, secret_of(kid).hex()) == frames(clear, tmp_path)
        assert f'URI="skd://{kid}"' in (film / "cbcs" / track / "playlist.m3u8").read_text()


@pytest.mark.usefixtures("home")
def test_keys_may_be_encrypted_on_their_way(
    server: KeyServer,
    film: Path,
    original: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    server.recipient = cpix_kit.identity(tmp_path)
    monkeypatch.setenv("ADAPTATION_CPIX_KEY_FILE", str(server.recipient.file))
    with switching(film) as switch:
        assert switch("cenc", **given(server, key_server_labels=[])) == {}
    kid = etree.fromstring(server.asked[0][1]).find(".//c:ContentKey", SPACE)
    assert kid is not None
    key = secret_of(str(kid.get("kid")))
    assert key not in server.change(server.answer(server.asked[0][1]))
    for track in TRACKS:
        clear = frames(joined(original / track), tmp_path)
        assert frames(joined(film / "cenc" / track), tmp_path, key.hex()) == clear


def without_second_key(answer: bytes) -> bytes:
    root = etree.fromstring(answer)
    listed = root.find("c:ContentKeyList", SPACE)
    assert listed is not None
    listed.remove(listed[1])
    for name in ("DRMSystemList", "ContentKeyUsageRuleList"):
        gone = root.find(f"c:{name}", SPACE)
        assert gone is not None
        root.remove(gone)
    return etree.tostring(root)


LIES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "for another content": (lambda a: a.replace(b"film-42", b"film-43"), "key_server_answer"),
    "a key is missing": (without_second_key, "key_server_answer"),
    "no CPIX": (lambda _: b"<html>hello</html>", "cpix_invalid"),
    "no keys": (lambda a: a.replace(b"PlainValue", b"OtherValue"), "cpix_invalid"),
    "too much": (lambda a: a + b" " * 1_100_000, "key_server_refused"),
}


@pytest.mark.usefixtures("home", "quick")
def test_an_answer_that_cannot_be_used_leaves_the_asset_as_it_is(
    server: KeyServer, film: Path
) -> None:
    before = {path: path.stat().st_ino for path in film.rglob("*")}
    with switching(film) as switch:
        for what, (change, code) in LIES.items():
            server.change = change
            assert switch("cenc", **given(server))["code"] == code, what
        server.change = bytes
        for status in (401, 404, 302):
            server.first = [status]
            error = switch("cenc", **given(server))
            assert (error["code"], str(status) in error["message"]) == ("key_server_refused", True)
            assert "t0ken" not in str(error)
    assert {path: path.stat().st_ino for path in film.rglob("*")} == before


def asked(server: KeyServer, policy: AddressPolicy = LOOPBACK, **more: Any) -> bytes:
    request = KeyRequest("film", (), "cenc", ["cenc"])
    words = (server.url, request.text(), SECRET)
    return key_server.ask_key_server(*words, most_bytes=100_000, policy=policy, **more)


def test_a_server_that_fails_or_hangs_is_given_up_for_now(
    server: KeyServer, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.first = [500, 500, 500]
    with pytest.raises(Transient, match="it answered 500") as failed:
        asked(server)
    assert (failed.value.code, len(server.asked)) == ("key_server_failed", 3)
    monkeypatch.setattr(key_server, "ANSWER_SECONDS", 0.5)
    server.hangs = threading.Event()
    with pytest.raises(Transient) as failed:
        asked(server)
    server.hangs.set()
    assert failed.value.code == "key_server_failed"
    assert "t0ken" not in failed.value.message


def test_waiting_for_a_server_ends_when_the_job_is_cancelled(server: KeyServer) -> None:
    stop, server.hangs = threading.Event(), threading.Event()
    timer = threading.Timer(0.3, stop.set)
    timer.start()
    with pytest.raises((Cancelled, AdaptationError)) as ended:
        asked(server, cancelled=stop)
    server.hangs.set()
    timer.join()
    assert ended.value.code == "cancelled"


def test_only_allowed_addresses_are_asked(server: KeyServer) -> None:
    with pytest.raises(SourceError) as refused:
        asked(server, PUBLIC_ONLY)
    assert (refused.value.code, server.asked) == ("address_forbidden", [])


def test_a_request_is_read_back_and_the_same_each_time() -> None:
    request = KeyRequest("film", ("SD", "HD", "AUDIO"), "cbcs", ["fairplay", "playready"], b"der")
    assert request.text() == KeyRequest(**request.__dict__).text()
    assert len(set(request.key_ids.values())) == 3
    other = KeyRequest("other", ("SD",), "cbcs", ["fairplay"])
    assert other.key_ids["SD"] != request.key_ids["SD"]
    answer = read_cpix(KeyServer().answer(request.text()))
    assert request.answered(answer).rules == answer.rules
    one = KeyRequest("film", (), "cenc", ["cenc"])
    general = one.answered(read_cpix(KeyServer().answer(one.text())))
    assert [rule.is_general for rule in general.rules] == [True]
