"""Files that were taken as they are play in a real browser, and players switch between them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import folder_films
import services
from whole_jobs import a_studio

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = {"hls.js": "master.m3u8", "shaka-player": "manifest.mpd", "dash.js": "manifest.mpd"}
"""Each player and the manifest it is given."""
NODE_PACKAGES = ("playwright-core", "hls.js", "shaka-player", "dashjs")
HARMLESS = {"bufferStalledError", "bufferNudgeOnStall", "aborted"}
"""What hls.js says when this machine, not the asset, is slow, and of fetches it gives up itself."""
SECONDS = 6
PLAY_SECONDS = 180

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Three files with 50 and 25 frames a second and two languages, in all players at once."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in NODE_PACKAGES:
        services.need_node_package(ROOT, name)
    with a_studio(tmp_path_factory.mktemp("studio")) as studio:
        film = studio.sources / "film"
        folder_films.rendition(film, "a.mp4", size="480x270", rate="50", keys=50)
        folder_films.rendition(film, "b.mkv", size="320x180")
        folder_films.rendition(film, "c.ts", size="160x90", options="-output_ts_offset 10")
        folder_films.sound(film, "d_eng.m4a")
        folder_films.sound(film, "d_fre.m4a", pitch=880)
        studio.done("vodstream", source_folder="film", create_thumbnail=False)
        asset = studio.assets / "studio" / "film"
        drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(asset), "prove"]
        drive += [f"{player}={manifest}" for player, manifest in PLAYERS.items()]
        done = subprocess.run(drive, check=True, timeout=PLAY_SECONDS, stdout=subprocess.PIPE)
    outcomes: dict[str, Any] = json.loads(done.stdout)
    return outcomes


@pytest.mark.parametrize("player", PLAYERS)
def test_it_plays_to_its_end(played: dict[str, Any], player: str) -> None:
    outcome = played[player]
    assert outcome["errors"] == []
    assert set(outcome["warnings"]) <= HARMLESS
    assert outcome["ended_seconds"] == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("player", PLAYERS)
def test_every_file_is_seen_on_the_screen(played: dict[str, Any], player: str) -> None:
    selected = {(seen["width"], seen["height"]) for seen in played[player]["selected"]}
    assert selected == {(480, 270), (320, 180), (160, 90)}


def test_no_player_asks_for_a_file_that_is_not_there(played: dict[str, Any]) -> None:
    assert played["missing"] == []
