"""The site behind `adaptation play`: what it serves, and that its page plays in a browser."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path

import httpx2
import pytest

import clips
import services
from adaptation.adapters.static import asset_site, serve_asset
from adaptation.errors import ParameterError, SettingsError
from adaptation.media import dash, hls
from adaptation.media.index import INIT_NAME, Track
from adaptation.media.probe import SubtitleTrack
from adaptation.media.subtitles import Cue
from adaptation.media.texttrack import TextTrack, text_track
from adaptation.media.timeline import Timeline
from kinds import kinds
from segments import index_folder

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = ["the asset's segments", "hls.js", "dash.js"]
H264 = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -sc_threshold 0"
SERVE = """
import sys
from functools import partial
from pathlib import Path
from adaptation.adapters.static import serve_asset
modules = Path(sys.argv[2]) if sys.argv[2] else None
serve_asset(Path(sys.argv[1]), node_modules=modules, on_ready=partial(print, flush=True))
"""


@pytest.fixture(scope="session")
def asset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """3 s of `testsrc2` in two sizes and a beep, cut by Packager into segments of 1 s."""
    folder, made = tmp_path_factory.mktemp("asset"), tmp_path_factory.mktemp("made")
    picture, beep = clips.picture("640x360", seconds=3), clips.beep(seconds=3)
    inputs = {
        "v360": clips.ffmpeg(made, f"{picture} {H264} v360.mp4"),
        "v180": clips.ffmpeg(made, f"{picture} {H264} -bf 2 -vf scale=320:180 v180.mp4"),
        "audio_en": clips.ffmpeg(made, f"{beep} -c:a aac audio.mp4"),
    }
    tracks = [_cut(folder, name, path) for name, path in inputs.items()]
    text = _subtitles(folder)
    for track in tracks:
        (folder / track.folder / "playlist.m3u8").write_text(hls.media_playlist(track))
    (folder / "master.m3u8").write_text(hls.master_playlist(tracks, [text]))
    (folder / "manifest.mpd").write_text(dash.manifest(tracks, [text]))
    record = {
        "asset_id": "one",
        "duration_seconds": float(max(track.duration_seconds for track in tracks)),
        "manifests": {"hls": "master.m3u8", "dash": "manifest.mpd"},
        "tracks": [*(track.to_json() for track in tracks), {"kind": "text", **text.to_json()}],
    }
    (folder / "asset.json").write_text(json.dumps(record))
    return folder


def _cut(folder: Path, name: str, path: Path) -> Track:
    (folder / name).mkdir()
    kind = "audio" if name.startswith("audio") else "video"
    descriptor = f"in={path},stream={kind},init_segment={name}/{INIT_NAME}"
    descriptor += f",segment_template={name}/$Number%05d$.m4s"
    lengths = ["--segment_duration", "1", "--fragment_duration", "1", "--quiet"]
    subprocess.run([clips.tools().packager, descriptor, *lengths], cwd=folder, check=True)
    return index_folder(folder / name)


def _subtitles(folder: Path) -> TextTrack:
    """One cue from the first second to the third, in French."""
    cues = [Cue(Fraction(1, 2), Fraction(5, 2), "Bonjour")]
    timeline = Timeline(Fraction(1, 25), tuple(range(75)), 1)
    source = SubtitleTrack(2, "subrip", "fre", "Paris")
    record, files = text_track("text_fr", source, cues, timeline, (0, 25, 50))
    (folder / "text_fr").mkdir()
    for name, content in files.items():
        (folder / "text_fr" / name).write_bytes(content)
    (folder / "text_fr" / "playlist.m3u8").write_text(hls.media_playlist(record))
    return record


@contextmanager
def served(folder: Path, node_modules: Path | None = None) -> Iterator[str]:
    """Run `serve_asset` as a command line would, and interrupt it as a person does."""
    command = [sys.executable, "-c", SERVE, str(folder), str(node_modules or "")]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, text=True, stdout=pipe, stderr=pipe) as child:
        try:
            assert child.stdout is not None
            yield child.stdout.readline().strip()
        finally:
            child.send_signal(signal.SIGINT)
            rest, errors = child.communicate(timeout=10)
    assert (child.returncode, rest, errors) == (0, "", "")


@pytest.fixture(scope="session")
def site(asset: Path) -> Iterator[httpx2.Client]:
    with served(asset) as url, httpx2.Client(base_url=url, trust_env=False) as client:
        yield client


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/master.m3u8", "application/vnd.apple.mpegurl"),
        ("/v360/playlist.m3u8", "application/vnd.apple.mpegurl"),
        ("/manifest.mpd", "application/dash+xml"),
        ("/v360/00001.m4s", "video/iso.segment"),
        ("/v360/init.mp4", "video/mp4"),
        ("/text_fr/subtitles.vtt", "text/vtt"),
        ("/asset.json", "application/json"),
    ],
)
def test_files_have_their_types_and_are_open_to_players_elsewhere(
    site: httpx2.Client, asset: Path, path: str, content_type: str
) -> None:
    answer = site.get(path, headers={"Origin": "https://example.org"})
    assert answer.content == (asset / path[1:]).read_bytes()
    assert answer.headers["Content-Type"] == content_type
    assert answer.headers["Cache-Control"] == "no-cache"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"


def test_a_part_of_a_file_can_be_asked_for(site: httpx2.Client, asset: Path) -> None:
    whole = (asset / "v360/00001.m4s").read_bytes()
    answer = site.get("/v360/00001.m4s", headers={"Range": "bytes=10-19"})
    assert answer.status_code == 206
    assert answer.content == whole[10:20]
    assert answer.headers["Content-Range"] == f"bytes 10-19/{len(whole)}"


def test_a_file_that_did_not_change_is_not_sent_again(site: httpx2.Client) -> None:
    etag = site.get("/v360/00001.m4s").headers["ETag"]
    assert site.get("/v360/00001.m4s", headers={"If-None-Match": etag}).status_code == 304


def test_the_page_comes_with_our_scripts_and_nothing_from_elsewhere(site: httpx2.Client) -> None:
    page = site.get("/")
    assert page.headers["Content-Type"].startswith("text/html")
    assert "default-src 'self'" in page.headers["Content-Security-Policy"]
    assert "//" not in page.text
    assert site.get("/_player/").json() == ["page.js", "player.js"]
    assert site.get("/_player/page.js").headers["Content-Type"].startswith("text/javascript")


@pytest.mark.parametrize(
    "path", ["/absent", "/v360", "/%2e%2e/secret", "/..%2fsecret", "/_player/hls.min.js", "/%00"]
)
def test_nothing_but_the_asset_is_served(site: httpx2.Client, asset: Path, path: str) -> None:
    secret = asset.parent / "secret"
    secret.write_text("secret")
    assert site.get(path).status_code == 404


def test_a_folder_without_an_asset_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ParameterError, match=str(tmp_path)) as caught:
        asset_site(tmp_path)
    assert caught.value.code == "asset_missing"


def test_a_port_that_is_taken_is_named(site: httpx2.Client, asset: Path) -> None:
    port = site.base_url.port
    with pytest.raises(SettingsError, match=str(port)) as caught:
        serve_asset(asset, port=port or 0)
    assert caught.value.code == "address_taken"


@pytest.mark.slow
@pytest.mark.parametrize("player", kinds(PLAYERS, seldom={"dash.js"}))
def test_the_page_plays_the_asset_in_a_browser(asset: Path, player: str) -> None:
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in ("playwright-core", "hls.js", "dashjs"):
        services.need_node_package(ROOT, name)
    with served(asset, ROOT / "node_modules") as url:
        command = [node, str(HERE / "page.mjs"), chromium, url, player]
        done = subprocess.run(command, check=False, timeout=150, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["errors"] == []
    assert seen["alert"] == ""
    assert seen["duration"] == pytest.approx(3, abs=0.05)
    assert set(PLAYERS) <= set(seen["players"])
    assert seen["addresses"] == [f"{url}master.m3u8", f"{url}manifest.mpd"]
    assert seen["soundBytes"] > 0
    assert seen["cues"] == ["Bonjour"]
    if player == PLAYERS[0]:
        assert seen["texts"] == ["Paris"]
        assert seen["pictures"] == ["640x360", "320x180"]
