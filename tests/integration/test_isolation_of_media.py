"""Another client's file never comes out of what a client submits, whatever that calls itself."""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx2
import pytest

import clips
import crafted
import fault_server
import streams
import system_calls
import tricks
from adaptation.adapters import ffmpeg
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.errors import SourceError, ToolError
from adaptation.media.inspection import Inspection
from adaptation.wiring import Deployment, deploy
from api_kit import running_api
from crafted import Ground
from fault_server import FaultServer, Resource
from services import need_command, wait_until

WANTED: dict[str, Any] = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}
OWN_MATERIAL = frozenset(
    {
        *("numbered", "named concat", "named subfile", "named crypto", "named option"),
        *("linked segments", "include", "url of media", "path of media"),
    }
)
"""Tricks in which there is a film of one's own, which may be encoded; all others must fail."""
RARE = OWN_MATERIAL - {"named concat", "linked segments"}
"""Of these, the ones that differ little from others: an encode costs more than a refusal."""
FALLEN_FOR = (
    *("absolute", "file url", "above", "map", "nested", "sound", "innocent master", "link"),
    *("base url", "template with init", "identity", "list", "ffconcat to a playlist"),
)
"""Tricks by which a plain FFmpeg shows the other client's film; eight more are like these."""
WAIT_SECONDS = 120.0
_numbers = itertools.count(1)


class Internal(ThreadingHTTPServer):
    """A server inside, which counts who comes."""

    visits = 0

    def verify_request(self, *_: object) -> bool:
        self.visits += 1
        return True


class Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


@contextmanager
def internal_server(folder: Path) -> Iterator[Internal]:
    server = Internal(("127.0.0.2", 0), functools.partial(Silent, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture(scope="module")
def internal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Internal]:
    folder = tmp_path_factory.mktemp("ground")
    with internal_server(folder / "other") as server:
        yield server


@pytest.fixture(scope="module")
def ground(internal: Internal, tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.getbasetemp() / "ground0"
    return crafted.make_ground(folder, f"http://127.0.0.2:{internal.server_port}")


@pytest.fixture(autouse=True)
def only_one_address_is_open(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTATION_ALLOWED_NETWORKS", "127.0.0.1/32")
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(ground.own))


def colours(path: Path) -> list[tuple[int, int, int]]:
    """The mean colour of each picture of a file, by a plain FFmpeg."""
    command = [str(clips.tools().ffmpeg), "-v", "quiet", "-nostdin", "-i", str(path)]
    command += ["-vf", "scale=1:1:flags=area", "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, timeout=60, check=False).stdout
    return [(raw[n], raw[n + 1], raw[n + 2]) for n in range(0, len(raw) - 2, 3)]


def is_magenta(colour: tuple[int, int, int]) -> bool:
    red, green, blue = colour
    return red > 100 and blue > 100 and green < 100


def assert_nothing_came_out(home: Path, jobs: Iterable[Job], told: str) -> None:
    """Look for the canary in all files of the engine, in all pictures it made and all it said."""
    token = crafted.TOKEN.encode()
    assert crafted.TOKEN not in told
    holding = [path for path in home.rglob("*") if path.is_file() and token in path.read_bytes()]
    assert not holding
    for job in jobs:
        if job.succeeded and job.output:
            seen = colours(Path(job.output) / "master.m3u8")
            assert seen
            assert not any(map(is_magenta, seen)), job.output


def assert_refused(jobs: Mapping[str, Job]) -> None:
    for name, job in jobs.items():
        if job.succeeded:
            assert name in OWN_MATERIAL, f"{name} was encoded"
        else:
            assert job.error
            assert str(job.error["code"]).startswith(("source_", "address_")), (name, job.error)


def has_ended(store: Store, job: int) -> bool:
    return store.job(job).ended


def run_all(deployment: Deployment, ids: Mapping[str, int]) -> dict[str, Job]:
    """Let an engine end all jobs; returns them by their names."""
    store = deployment.store
    with deployment.engine.running(2):
        for job in ids.values():
            assert wait_until(functools.partial(has_ended, store, job), WAIT_SECONDS)
    return {name: store.job(job) for name, job in ids.items()}


def played(ground: Ground, name: str, number: int, *, lies: bool) -> Path:
    """A trick in a new folder of the hostile client, under its own or under another name."""
    folder = ground.own / f"{next(_numbers)}"
    path = tricks.write(name, ground, folder)
    return path.rename(folder / f"entry{tricks.lie(number, path)}") if lies else path


def test_a_plain_ffmpeg_falls_for_these_tricks(ground: Ground) -> None:
    """Else nothing would be proven by what follows."""
    for name in FALLEN_FOR:
        path = played(ground, name, 0, lies=False)
        assert any(map(is_magenta, colours(path))), name
    assert any(map(is_magenta, colours(ground.other / "secret.mp4")))
    assert not any(map(is_magenta, colours(ground.own / "own.mp4")))


def encoded(ground: Ground, names: Sequence[str], *, lies: bool) -> tuple[dict[str, Job], str]:
    """Every trick as a job of `adaptation encode`, and all that is told of them."""
    deployment, ids = deploy(), dict[str, int]()
    for number, name in enumerate(names):
        path = played(ground, name, number, lies=lies)
        given = {"url": str(path), "output_folder": f"{number}", **WANTED}
        ids[name] = deployment.submit_encoding(given)[0].id
    jobs = run_all(deployment, ids)
    lines = [str(line) for job in jobs.values() for line in deployment.store.logs(job.id)]
    deployment.store.close()
    return jobs, "".join([*lines, *(str(job.error) for job in jobs.values())])


def asked_for(ground: Ground, names: Sequence[str], *, lies: bool) -> tuple[dict[str, Job], str]:
    """Every trick as a job of a client of the API, and all that it is told of them."""
    deployment, ids = deploy(), dict[str, int]()
    with running_api(deployment) as api, httpx2.Client(trust_env=False) as kept:
        client = replace(api.client, web=kept)
        for number, name in enumerate(names):
            path = played(ground, name, number, lies=lies)
            given = {"url": str(path.relative_to(ground.own)), "output_folder": f"{number}"}
            ids[name] = client.submit("encoding_workflow", {**given, **WANTED})
        jobs = run_all(deployment, ids)
        told = str(client.get("/jobs", limit=len(names)))
        told += "".join(str(client.get(f"/logs/{job}")) for job in ids.values())
        link = ground.own / f"{next(_numbers)}.mp4"
        link.symlink_to(ground.other / "secret.mp4")
        body = {"job": {"workflow": "encoding_workflow"}, "parameters": {"url": link.name}}
        assert client.refused(400, "POST", "/job", body)["code"] == "path_outside"
    deployment.store.close()
    return jobs, told


MANY = tuple(name for name in tricks.ALL if name not in RARE)
REFUSED = tuple(name for name in tricks.ALL if name not in OWN_MATERIAL)


@pytest.mark.parametrize(
    ("play", "names", "lies"),
    [
        pytest.param(encoded, REFUSED, False, id="encode"),
        pytest.param(asked_for, MANY, True, id="API, lying names"),
        pytest.param(encoded, tricks.ALL, True, marks=pytest.mark.long, id="encode, lying names"),
        pytest.param(asked_for, tricks.ALL, False, marks=pytest.mark.long, id="API"),
    ],
)
def test_no_trick_reads_anothers_file(
    play: Callable[..., tuple[dict[str, Job], str]],
    names: Sequence[str],
    lies: bool,
    ground: Ground,
    internal: Internal,
    home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    internal.visits = 0
    jobs, told = play(ground, names, lies=lies)
    assert len(jobs) >= 48
    assert_refused(jobs)
    assert_nothing_came_out(home, jobs.values(), told + "".join(capfd.readouterr()))
    assert internal.visits == 0


WEB: dict[str, Callable[[Ground, str], str]] = {
    "file": lambda g, _: crafted.hls(f"file://{g.other}/secret.ts"),
    "path": lambda g, _: crafted.hls(f"{g.other}/secret.ts"),
    "internal": lambda g, _: crafted.hls(f"{g.internal}/secret.ts"),
    "internal without a scheme": lambda g, _: crafted.hls(f"{g.internal[5:]}/secret.ts"),
    "internal by a number": lambda g, _: crafted.hls(
        f"http://2130706434:{g.internal.rpartition(':')[2]}/secret.ts"
    ),
    "redirect to the inside": lambda _, own: crafted.hls(f"{own}/inside.ts"),
    "redirect to a file": lambda _, own: crafted.hls(f"{own}/file.ts"),
    "key of the inside": lambda g, _: crafted.hls(
        "own.ts", f'#EXT-X-KEY:METHOD=AES-128,URI="{g.internal}/secret.key"'
    ),
    "init of the inside": lambda g, _: crafted.hls(
        "own.ts", f'#EXT-X-MAP:URI="{g.internal}/secret.mp4"'
    ),
    "playlist of the inside": lambda g, _: tricks.master(f"{g.internal}/secret.m3u8"),
    "manifest of a file": lambda g, _: tricks.mpd("<SegmentBase/>", f"file://{g.other}/secret.mp4"),
    "manifest of the inside": lambda g, _: tricks.mpd(
        tricks.template("secret.ts"), f"{g.internal}/"
    ),
}


@pytest.fixture
def web(ground: Ground) -> Iterator[FaultServer]:
    """The hostile client's own server."""
    with fault_server.running() as server:
        server.add("/own.ts", Resource((ground.own / "own.ts").read_bytes(), "video/mp2t"))
        server.redirect("/inside.ts", f"{ground.internal}/secret.ts")
        server.redirect("/file.ts", f"file://{ground.other}/secret.ts")
        yield server


def test_no_playlist_of_the_web_leads_inside(
    ground: Ground,
    internal: Internal,
    web: FaultServer,
    home: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    internal.visits = 0
    deployment, ids = deploy(), dict[str, int]()
    own = f"http://127.0.0.1:{web.server_port}"
    for number, (name, text) in enumerate(WEB.items()):
        ending = tricks.LIES[number % len(tricks.LIES)]
        body = text(ground, own).encode()
        url = web.add(f"/{number}{ending}", Resource(body, "application/octet-stream"))
        given = {"url": url, "output_folder": f"{number}", **WANTED}
        ids[name] = deployment.submit_encoding(given)[0].id
    jobs = run_all(deployment, ids)
    lines = [str(line) for job in jobs.values() for line in deployment.store.logs(job.id)]
    deployment.store.close()
    assert not [name for name, job in jobs.items() if job.succeeded]
    assert_refused(jobs)
    assert_nothing_came_out(home, jobs.values(), "".join([*lines, *capfd.readouterr()]))
    assert internal.visits == 0


SYSTEM = ("/usr/", "/lib", "/etc/", "/proc/self/", "/proc/cpuinfo", "/sys/", "/dev/null")
"""Where programs find their libraries, and what machine they are on."""
CHANCE = ("/dev/urandom", "/dev/random")


def test_tools_open_nothing_but_the_source_and_the_jobs_own_folders(
    ground: Ground, internal: Internal, home: Path, tmp_path: Path
) -> None:
    strace = need_command("strace", package="strace")
    internal.visits = 0
    film = streams.hls_apart(streams.make_clip(tmp_path), tmp_path / "film")
    hostile = ("absolute", "list", "ffconcat to a playlist", "linked segments")
    sources = [film, *(played(ground, name, 0, lies=False) for name in hostile)]
    command = [sys.executable, streams.__file__.replace("streams", "encode_each")]
    calls = system_calls.traced(
        [*command, str(tmp_path / "out"), *map(str, sources)],
        strace,
        tmp_path / "log",
        {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    tools = {path.name for path in (clips.tools().ffmpeg, clips.tools().ffprobe)}
    theirs = [call for call in calls if call.program in tools]
    assert {call.program for call in theirs} == tools
    assert (tmp_path / "out" / "0" / "master.m3u8").exists()
    opened = {call.path for call in theirs if call.name.startswith("open")}
    allowed = (f"{home}/", *map(str, sources[1:]), *SYSTEM, *CHANCE)
    assert len([path for path in opened if path.startswith(f"{home}/")]) > 3
    assert not [path for path in opened if not path.startswith(allowed)]
    assert not [call for call in theirs if call.name == "connect" and "AF_INET" in call.told]
    assert internal.visits == 0


def test_a_decoder_that_is_not_on_the_list_is_not_run(tmp_path: Path) -> None:
    path = clips.ffmpeg(tmp_path, f"{clips.picture('64x64')} -c:v magicyuv -an odd.avi")
    with pytest.raises(SourceError) as caught:
        ffmpeg.inspect(path, clips.tools(), Inspection())
    assert (caught.value.code, "magicyuv" in str(caught.value)) == ("source_format_refused", True)
    for command in (["-i", f"file:{path}"], ["-i", f"file:{path}", "-i", f"file:{path}"]):
        with pytest.raises(ToolError) as failed:
            ffmpeg.study([*command, "-f", "null", "-"], clips.tools(), lambda _: None)
        assert "Codec (magicyuv) not on whitelist" in failed.value.stderr_tail
