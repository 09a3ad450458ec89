"""Real players find the thumbnails of an asset, and take its key frames when they hurry."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import searching
import services

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = {
    "hls.js": "master.m3u8",
    "shaka-player": "manifest.mpd",
    "shaka-player-hls": "master.m3u8",
    "dash.js": "manifest.mpd",
}
"""Each player and the manifest it is given."""
WITHOUT = "hls.js"
"""It knows no thumbnails, and plays what has some as if it had none."""
NODE_PACKAGES = ("playwright-core", "hls.js", "shaka-player", "dashjs")
SIZE = (80, 44)
TOOL_SECONDS = 120

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def searched(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """An asset of four colours, a second each, made searchable, in all players at once."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in NODE_PACKAGES:
        services.need_node_package(ROOT, name)
    folder = tmp_path_factory.mktemp("searched")
    asset = searching.make_asset(folder)
    searching.make_searchable(
        asset,
        folder / "home",
        trickplay_thumbnail_interval=1,
        trickplay_thumbnail_size=80,
        trickplay_thumbnail_quality=90,
    )
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(asset), "search"]
    drive += [f"{player}={manifest}" for player, manifest in PLAYERS.items()]
    printed = subprocess.run(drive, check=True, timeout=TOOL_SECONDS, stdout=subprocess.PIPE).stdout
    outcomes: dict[str, Any] = json.loads(printed)
    return outcomes


@pytest.mark.parametrize("player", PLAYERS)
def test_it_plays_to_its_end(searched: dict[str, Any], player: str) -> None:
    assert searched[player]["errors"] == []


@pytest.mark.parametrize("player", sorted(PLAYERS.keys() - {WITHOUT}))
def test_a_moment_has_the_thumbnail_of_its_second(searched: dict[str, Any], player: str) -> None:
    outcome = searched[player]
    assert len(outcome["thumbnails"]) == 3
    for number, seen in enumerate(outcome["thumbnails"]):
        assert seen["path"] == "/asset/trickplay/00001.jpg"
        assert (seen["x"], seen["y"]) == (number * SIZE[0], 0)
        assert (seen["width"], seen["height"]) == SIZE
        assert searching.is_near(tuple(seen["colour"]), searching.SHOWN[number])


def test_no_player_asks_for_a_file_that_is_not_there(searched: dict[str, Any]) -> None:
    assert searched["missing"] == []


def test_who_hurries_fetches_single_pictures(searched: dict[str, Any]) -> None:
    fetched = searched["shaka-player"]["fetched"]
    assert [path for path in fetched if path.startswith("/asset/trickplay/90p/0")]
