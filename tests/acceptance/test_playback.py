"""An asset made from real footage plays in a real browser, with three independent players."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import clips
import services
from command_line import here
from kinds import kinds

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = {
    "hls.js": "master.m3u8",
    "shaka-player": "manifest.mpd",
    "dash.js": "manifest.mpd",
}
"""Each player and the manifest it is given."""
NODE_PACKAGES = ("playwright-core", "hls.js", "shaka-player", "dashjs")
COPIED = "copied"
"""A clip whose picture is copied as the top rendition, which the others' segments then follow."""
FRAMES = {"bigbuckbunny.mp4": 132, "bikes.mp4": 250, COPIED: 132}
"""Frames of each clip, at 25 a second."""
FITTING_RUNGS = ("--rendition", "360:2000", "--rendition", "270:500", "--rendition", "180:300")
DURATION_TOLERANCE_SECONDS = 0.05
HARMLESS = {"bufferStalledError", "bufferNudgeOnStall", "aborted"}
"""What hls.js says when this machine, not the asset, is slow, and when it gives up a fetch itself
because another rendition was chosen meanwhile."""
PLAY_SECONDS = 180

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Played:
    """One asset after the browser has played it."""

    clip: str
    """Name of the source."""
    resolutions: set[tuple[int, int]]
    """Width and height of every rendition that the multivariant playlist lists."""
    outcomes: dict[str, Any]
    """What each player saw, by its name, as the script printed it."""
    missing: list[str]
    """What a player asked for and the asset did not hold."""


@pytest.fixture(
    scope="session",
    params=kinds(("bigbuckbunny.mp4", COPIED, "bikes.mp4"), seldom=(COPIED, "bikes.mp4")),
)
def played_asset(
    request: pytest.FixtureRequest,
    real_clips: dict[str, Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> Played:
    """`adaptation encode CLIP FOLDER`, then all players at the same time in headless Chromium."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in NODE_PACKAGES:
        services.need_node_package(ROOT, name)
    folder = tmp_path_factory.mktemp("playback") / "asset"
    if request.param == COPIED:
        clip = make_fitting(folder.parent / "clip", real_clips["bigbuckbunny.mp4"])
        ended = here("encode", clip, folder, *FITTING_RUNGS, "--passthrough", "require")
    else:
        # It makes what the usual preset makes, of fewer tries: B-frames, CABAC, equal segments.
        ended = here("encode", real_clips[request.param], folder, "--preset", "superfast")
    assert ended.status == 0, ended.err
    pairs = [f"{player}={manifest}" for player, manifest in PLAYERS.items()]
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(folder), "prove"]
    printed = subprocess.run(
        [*drive, *pairs], check=True, timeout=PLAY_SECONDS, stdout=subprocess.PIPE
    ).stdout
    outcomes = json.loads(printed)
    missing = outcomes.pop("missing")
    return Played(request.param, _resolutions(folder / "master.m3u8"), outcomes, missing)


def make_fitting(folder: Path, clip: Path) -> Path:
    """Big Buck Bunny in 640x360 with B-frames that refer to others, a key frame each second."""
    colours = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    code = f"-vf scale=640:360,setsar=1,{colours} -c:v libx264 -preset superfast -bf 3"
    keys = "-x264-params b-pyramid=normal:keyint=25:min-keyint=25 -pix_fmt yuv420p"
    return clips.ffmpeg(folder, f"-i '{clip}' {code} {keys} -c:a aac -ac 2 fitting.mp4")


def _resolutions(master: Path) -> set[tuple[int, int]]:
    streams = re.findall(r"^#EXT-X-STREAM-INF:.*RESOLUTION=(\d+)x(\d+)", master.read_text(), re.M)
    return {(int(width), int(height)) for width, height in streams}


@pytest.fixture(params=list(PLAYERS))
def outcome(request: pytest.FixtureRequest, played_asset: Played) -> dict[str, Any]:
    """What one player saw of the asset."""
    return dict(played_asset.outcomes[request.param])


def test_the_whole_asset_plays_to_its_end_without_an_error(
    played_asset: Played, outcome: dict[str, Any]
) -> None:
    assert outcome["errors"] == []
    assert set(outcome["warnings"]) <= HARMLESS
    duration = float(Fraction(FRAMES[played_asset.clip], 25))
    assert outcome["started_seconds"] > 0
    assert outcome["duration_seconds"] == pytest.approx(duration, abs=DURATION_TOLERANCE_SECONDS)
    assert outcome["ended_seconds"] == pytest.approx(duration, abs=DURATION_TOLERANCE_SECONDS)


def test_every_rendition_can_be_selected_and_is_seen_on_the_screen(
    played_asset: Played, outcome: dict[str, Any]
) -> None:
    selected = outcome["selected"]
    assert {(seen["width"], seen["height"]) for seen in selected} == played_asset.resolutions
    assert [seen["id"] for seen in selected] == [known["id"] for known in outcome["renditions"]]
    assert all(seen["advanced_seconds"] > 0 for seen in selected)


def test_a_seek_to_the_middle_plays_on_from_there(outcome: dict[str, Any]) -> None:
    middle = outcome["duration_seconds"] / 2
    assert middle < outcome["middle_seconds"] < outcome["ended_seconds"]


def test_no_player_asks_for_a_file_that_is_not_there(played_asset: Played) -> None:
    assert played_asset.missing == []
