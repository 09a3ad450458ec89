"""What a playlist names is judged like everything else: a canary counts who connects to it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import canary
import fault_server
from adaptation.context import Context
from adaptation.engine.model import Claim
from adaptation.engine.tasks import TaskRun
from adaptation.errors import SourceError
from adaptation.wiring import Deployment, deploy
from adaptation.workflows.steps import download_file
from canary import Canary
from fault_server import FaultServer, Resource
from spellings import LOOPBACK_NAMES, LOOPBACK_NUMBERS, own_names

# With a dot at their end they are names that no resolver here knows.
HOSTS = [
    host for host in (*LOOPBACK_NUMBERS, *LOOPBACK_NAMES, *own_names()) if not host.endswith(".")
]
HEAD = "#EXTM3U\n#EXT-X-VERSION:7\n"
SEGMENT = "#EXTINF:1,\n"
TAIL = "#EXT-X-ENDLIST\n"
MEDIA = f"{HEAD}#EXT-X-TARGETDURATION:1\n#EXT-X-PLAYLIST-TYPE:VOD\n"
STREAM = '#EXT-X-STREAM-INF:BANDWIDTH=1000,CODECS="avc1.64001f"\n'
DASH = """<?xml version="1.0"?>
<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static" mediaPresentationDuration="PT1S"
 profiles="urn:mpeg:dash:profile:isoff-live:2011" minBufferTime="PT1S">
<BaseURL>{url}</BaseURL>
<Period><AdaptationSet contentType="video" mimeType="video/mp4">
<Representation id="1" bandwidth="1000" width="160" height="90" codecs="avc1.64001f">
<SegmentTemplate media="$Number$.m4s" initialization="init.mp4" duration="1" startNumber="1"/>
</Representation></AdaptationSet></Period></MPD>
"""
KINDS = {
    "variant": f"{HEAD}{STREAM}{{url}}media.m3u8\n",
    "segment": f"{MEDIA}{SEGMENT}{{url}}1.ts\n{TAIL}",
    "key": f'{MEDIA}#EXT-X-KEY:METHOD=AES-128,URI="{{url}}key"\n{SEGMENT}1.ts\n{TAIL}',
    "map": f'{MEDIA}#EXT-X-MAP:URI="{{url}}init.mp4"\n{SEGMENT}1.m4s\n{TAIL}',
    "manifest": DASH,
}


@pytest.fixture
def everywhere() -> Iterator[Canary]:
    with canary.listening() as found:
        yield found


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.running("127.0.0.3") as found:
        found.add("/1.ts", Resource(b"\x47" * 188))
        found.add("/1.m4s", Resource(b"\0\0\0\x08free"))
        yield found


@pytest.fixture
def reaching(
    home: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Deployment:
    """An engine that may reach where the playlists lie, and nothing else of this machine."""
    networks = getattr(request, "param", "127.0.0.3/32")
    monkeypatch.setenv("ADAPTATION_ALLOWED_NETWORKS", networks)
    return deploy()


def outcome(deployment: Deployment, url: str, folder: Path, number: int) -> str:
    """The code that the first task of a job ends with."""
    claim = Claim(
        1, 1, number, 1, "id", "encoding_workflow", "1", "download_file", {}, 1, Context()
    )
    run = TaskRun(replace(claim, limits={}), folder, deployment.resources)
    try:
        download_file.function({**Context(url=url, job_id=number, main_task_id="id")}, run)
    except SourceError as error:
        return error.code
    return ""


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_that_a_playlist_names_is_connected_to(
    reaching: Deployment, server: FaultServer, everywhere: Canary, tmp_path: Path, kind: str
) -> None:
    hosts = HOSTS if kind in {"variant", "segment"} else HOSTS[::8]
    outcomes = {}
    for number, host in enumerate(hosts, 1):
        text = KINDS[kind].format(url=f"http://{host}:{everywhere.port}/")
        url = server.add(f"/{number}", Resource(text.encode(), "text/plain"))
        outcomes[host] = outcome(reaching, url, tmp_path, number)
    assert everywhere.hits == 0
    assert all(outcomes.values()), outcomes
    assert sum(code == "address_forbidden" for code in outcomes.values()) > 0.7 * len(hosts)
    assert len(server.requests) >= len(hosts), "each playlist was read"


@pytest.mark.parametrize("reaching", ["127.0.0.3/32,127.20.0.0/16"], indirect=True)
@pytest.mark.parametrize("kind", KINDS)
def test_what_a_playlist_names_in_an_allowed_network_is_fetched(
    reaching: Deployment, server: FaultServer, everywhere: Canary, tmp_path: Path, kind: str
) -> None:
    text = KINDS[kind].format(url=f"http://127.20.3.4:{everywhere.port}/")
    url = server.add("/0", Resource(text.encode(), "text/plain"))
    assert outcome(reaching, url, tmp_path, 1) != "address_forbidden"
    assert everywhere.hits >= 1
