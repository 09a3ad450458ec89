"""Sources that are HLS playlists and DASH manifests: gathered by us, whole, and nothing else."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import clips
import fault_server
import judges
import streams
from adaptation.adapters import gather
from adaptation.context import Context
from adaptation.engine.model import Claim, Job
from adaptation.engine.tasks import TaskRun
from adaptation.errors import Cancelled, SourceError
from adaptation.wiring import deploy
from adaptation.workflows.steps import download_file
from fault_server import FaultServer, Resource

FRAMES = 50
WANTED: dict[str, Any] = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}
LONGER = 'mediaPresentationDuration="PT2.05S"'
"""A moment more than five segments of 0.4 s, as the manifest calls them."""
MAKERS = {
    "hls": streams.hls,
    "hls in fragmented MP4": streams.hls_fragmented,
    "hls by ranges": streams.hls_ranges,
    "hls with AES-128": streams.hls_encrypted,
    "hls with AES-128 by number": streams.hls_encrypted_by_number,
    "hls with sound apart": streams.hls_apart,
    "dash by time": streams.dash_by_time,
    "dash by number": streams.dash_by_number,
    "dash by a list": streams.dash_list,
    "dash by ranges": streams.dash_ranges,
    "dash on demand": streams.dash_on_demand,
}


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return streams.make_clip(tmp_path_factory.mktemp("clip"))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.running() as server:
        yield server


def attempt(folder: Path, job: int = 1, **limits: int | list[str] | None) -> Any:
    claim = Claim(1, 1, job, 1, "id", "encoding_workflow", "1", "download_file", {}, 1, Context())
    return TaskRun(replace(claim, limits=limits), folder, deploy().resources)


def gathered(url: object, folder: Path, run: Any = None) -> Path:
    """The source that the first task of a job makes of it."""
    run = run or attempt(folder)
    given = Context(url=str(url), job_id=1, main_task_id="id")
    context = download_file.function({**given}, run)
    assert isinstance(context, dict)
    return Path(run.resources.work.open_local(context["source_key"]))


def pictures(path: Path) -> list[str]:
    """The digest of each decoded picture, in the order they are shown."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", f"file:{path}", "-map", "0:v"]
    command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    rows = [line for line in printed.splitlines() if not line.startswith("#")]
    return [row.rpartition(",")[2].strip() for row in rows]


def lateness(path: Path, sound: int = 0) -> Fraction:
    """By how much the sound begins behind the picture."""
    first = [judges.packets_of(path, stream)[0][0] for stream in ("v:0", f"a:{sound}")]
    return first[1] - min(start for start, _ in judges.packets_of(path, "v:0"))


@pytest.mark.parametrize("name", MAKERS)
def test_a_playlist_becomes_the_film_that_it_was_made_of(
    name: str, clip: Path, server: FaultServer, tmp_path: Path
) -> None:
    playlist = MAKERS[name](clip, tmp_path / "made")
    streams.serve(server, playlist.parent)
    made = gathered(f"http://127.0.0.1:{server.server_port}/made/{playlist.name}?a=b", tmp_path)
    assert pictures(made) == pictures(clip)
    assert len(pictures(clip)) == FRAMES
    assert abs(lateness(made) - lateness(clip)) < Fraction(1, 20)


def test_all_languages_are_taken_and_the_default_one_comes_first(
    clip: Path, server: FaultServer, tmp_path: Path
) -> None:
    playlist = streams.hls_apart(clip, tmp_path / "made")
    made = gathered(playlist, tmp_path)
    found = [stream for stream in judges.streams(made) if stream["codec_type"] == "audio"]
    assert [stream["tags"]["language"] for stream in found] == ["fra", "eng"]
    assert {stream["nb_read_packets"] for stream in found} == {
        stream["nb_read_packets"]
        for stream in judges.streams(clip)
        if stream["codec_type"] == "audio"
    }
    assert abs(lateness(made, 1) - lateness(clip)) < Fraction(1, 20)


def test_a_track_may_end_a_moment_before_the_others(
    clip: Path, server: FaultServer, tmp_path: Path
) -> None:
    manifest = streams.dash_by_number(clip, tmp_path / "made")
    streams.serve(server, manifest.parent)
    text = re.sub(r'mediaPresentationDuration="[^"]*"', LONGER, manifest.read_text())
    url = server.add("/made/longer.mpd", Resource(text.encode(), "application/dash+xml"))
    assert pictures(gathered(url, tmp_path)) == pictures(clip)
    del server.resources["/made/chunk-stream0-00002.m4s"]
    with pytest.raises(SourceError) as caught:
        gathered(url, tmp_path / "again", attempt(tmp_path, 2))
    assert caught.value.code == "source_not_found"


def encode(url: object, output: Path) -> Job:
    deployment = deploy()
    try:
        return deployment.encode(str(url), str(output), **WANTED)
    finally:
        deployment.store.close()


@pytest.mark.parametrize("is_local", [True, False])
def test_a_job_encodes_all_frames_of_a_playlist(
    is_local: bool, clip: Path, server: FaultServer, tmp_path: Path, home: Path
) -> None:
    playlist = streams.hls_fragmented(clip, tmp_path / "made").rename(tmp_path / "made/film.mp4")
    streams.serve(server, playlist.parent)
    url = f"http://127.0.0.1:{server.server_port}/made/film.mp4"
    job = encode(playlist if is_local else url, tmp_path / "asset")
    assert job.succeeded, job.error
    (rendition,) = judges.hls_pictures(tmp_path / "asset")
    played = judges.streams(tmp_path / "asset" / rendition.name / "playlist.m3u8")
    assert [int(stream["nb_read_packets"]) for stream in played] == [FRAMES]
    assert not [path for path in home.glob("downloads/*") if any(path.iterdir())]


def test_a_film_that_is_shorter_than_its_playlist_says_is_cut_short(
    clip: Path, tmp_path: Path
) -> None:
    playlist = streams.hls(clip, tmp_path / "made")
    playlist.write_text(playlist.read_text().replace("#EXTINF:0.48", "#EXTINF:1.48"))
    job = encode(playlist, tmp_path / "asset")
    assert job.error
    assert job.error["code"] == "source_truncated"


def media(*lines: str, end: str = "#EXT-X-ENDLIST") -> str:
    body = "\n".join(lines)
    return f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n{body}\n{end}\n"


SEGMENT = ("#EXTINF:2,", "one.ts")
MPD = '<MPD xmlns="urn:mpeg:dash:schema:mpd:2011" mediaPresentationDuration="PT2S" {0}>{1}</MPD>'
SET = '<AdaptationSet contentType="video">{0}<Representation id="1" bandwidth="1">{1}'
SET += "</Representation></AdaptationSet>"
PERIOD = "<Period>{0}</Period>"
REFUSED = {
    "live hls": (media(*SEGMENT, end=""), "source_is_live"),
    "live dash": (MPD.format('type="dynamic"', ""), "source_is_live"),
    "sample aes": (
        media('#EXT-X-KEY:METHOD=SAMPLE-AES,URI="k"', *SEGMENT),
        "source_encrypted",
    ),
    "fairplay": (
        media('#EXT-X-KEY:METHOD=AES-128,URI="k",KEYFORMAT="com.apple"', *SEGMENT),
        "source_encrypted",
    ),
    "cenc": (
        MPD.format("", PERIOD.format(SET.format("<ContentProtection/>", "<BaseURL>a</BaseURL>"))),
        "source_encrypted",
    ),
    "a bad key": (
        media('#EXT-X-KEY:METHOD=AES-128,URI="one.ts"', *SEGMENT),
        "source_encrypted",
    ),
    "too many": (media(*SEGMENT * 20_001), "source_playlist_unsupported"),
    "endless timeline": (
        MPD.format(
            "",
            PERIOD.format(
                SET.format(
                    "",
                    '<SegmentTemplate media="$Time$"><SegmentTimeline><S d="1" r="999999999999"/>'
                    "</SegmentTimeline></SegmentTemplate>",
                )
            ),
        ),
        "source_playlist_unsupported",
    ),
    "two recordings": (
        media(*SEGMENT, "#EXT-X-DISCONTINUITY", *SEGMENT),
        "source_playlist_unsupported",
    ),
    "two init segments": (
        media('#EXT-X-MAP:URI="a"', *SEGMENT, '#EXT-X-MAP:URI="b"', *SEGMENT),
        "source_playlist_unsupported",
    ),
    "two periods": (MPD.format("", "<Period/><Period/>"), "source_playlist_unsupported"),
    "xlink": (
        MPD.format("", '<Period xmlns:x="http://www.w3.org/1999/xlink" x:href="a"/>'),
        "source_playlist_unsupported",
    ),
    "a master of masters": (
        "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\nnested.m3u8\n",
        "source_playlist_unsupported",
    ),
    "nothing in it": (media(), "source_playlist_invalid"),
    "a malformed tag": (media("#EXTINF:x,", "one.ts"), "source_playlist_invalid"),
    "a range of nothing": (
        media("#EXTINF:1,", "#EXT-X-BYTERANGE:9", "one.ts"),
        "source_playlist_invalid",
    ),
    "bad xml": (MPD.format("", "<Period>"), "source_playlist_invalid"),
    "no addresses": (
        MPD.format("", PERIOD.format(SET.format("", "<SegmentTemplate duration='1'/>"))),
        "source_playlist_invalid",
    ),
    "a range past the end": (
        media("#EXTINF:1,", "#EXT-X-BYTERANGE:99@5", "one.ts"),
        "source_truncated",
    ),
    "a missing segment": (media("#EXTINF:1,", "absent.ts"), "source_missing"),
    "no media": (media(*SEGMENT), "source_unreadable"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_gathered_is_refused_with_a_reason_and_a_remedy(
    name: str, tmp_path: Path
) -> None:
    text, code = REFUSED[name]
    (tmp_path / "made").mkdir()
    playlist = tmp_path / "made" / "film.mp4"
    playlist.write_text(text)
    (tmp_path / "made" / "one.ts").write_text("no media at all")
    (tmp_path / "made" / "nested.m3u8").write_text(REFUSED["a master of masters"][0])
    with pytest.raises(SourceError) as caught:
        gathered(playlist, tmp_path)
    assert caught.value.code == code
    assert caught.value.hint


def test_drm_of_a_packager_is_seen(clip: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        gathered(streams.dash_encrypted(clip, tmp_path / "made"), tmp_path)
    assert caught.value.code == "source_encrypted"


def test_a_second_attempt_fetches_only_what_is_missing(
    clip: Path, server: FaultServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gather, "PARALLEL", 1)
    playlist = streams.hls(clip, tmp_path / "made")
    streams.serve(server, playlist.parent)
    url = f"http://127.0.0.1:{server.server_port}/made/index.m3u8"
    last = server.resources.pop("/made/index3.ts")
    with pytest.raises(SourceError) as caught:
        gathered(url, tmp_path)
    assert caught.value.code == "source_not_found"
    server.resources["/made/index3.ts"] = last
    first = [request.path for request in server.requests]
    server.requests.clear()
    assert pictures(gathered(url, tmp_path)) == pictures(clip)
    second = [request.path for request in server.requests]
    assert set(first) & set(second) == {"/made/index.m3u8", "/made/index3.ts"}


def test_gathering_stops_when_it_is_asked_to(
    clip: Path, server: FaultServer, tmp_path: Path
) -> None:
    playlist = streams.hls(clip, tmp_path / "made")
    streams.serve(server, playlist.parent)
    run = attempt(tmp_path)
    server.resources["/made/index2.ts"].stalls.append(100)
    url = f"http://127.0.0.1:{server.server_port}/made/index.m3u8"

    def stop_when_asked(fraction: float, **_: object) -> None:
        if any(request.path == "/made/index2.ts" for request in server.requests):
            run.cancelled.set()

    run.progress = stop_when_asked
    with pytest.raises(Cancelled):
        gathered(url, tmp_path, run)


def test_a_busy_server_is_a_reason_to_try_again(
    clip: Path, server: FaultServer, tmp_path: Path
) -> None:
    playlist = streams.hls(clip, tmp_path / "made")
    streams.serve(server, playlist.parent)
    server.resources["/made/index1.ts"].answers += [(503, {"Retry-After": "0"})]
    url = f"http://127.0.0.1:{server.server_port}/made/index.m3u8"
    assert pictures(gathered(url, tmp_path)) == pictures(clip)
    assert [request.path for request in server.requests].count("/made/index1.ts") == 2


@pytest.mark.parametrize("is_local", [True, False])
def test_all_files_together_are_held_to_the_size_of_a_source(
    is_local: bool, clip: Path, server: FaultServer, tmp_path: Path
) -> None:
    playlist = streams.hls(clip, tmp_path / "made")
    streams.serve(server, playlist.parent)
    sizes = [path.stat().st_size for path in playlist.parent.glob("*.ts")]
    url = f"http://127.0.0.1:{server.server_port}/made/index.m3u8"
    given = playlist if is_local else url
    with pytest.raises(SourceError) as caught:
        gathered(given, tmp_path, attempt(tmp_path, 1, source_bytes=sum(sizes) - 1))
    assert caught.value.code == "source_too_large"
    assert gathered(given, tmp_path, attempt(tmp_path, 2, source_bytes=sum(sizes)))


def test_a_forecast_of_a_playlist_is_a_rough_one(clip: Path, tmp_path: Path) -> None:
    playlist = streams.hls(clip, tmp_path / "made")
    told = deploy().forecast("encoding_workflow", {"url": str(playlist), "output_folder": "x"})
    assert told["sure"] == "rough"
    assert "gathered" in told["based_on"]
