"""Subtitles of a source can be chosen in real players, and stand on the screen in their time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import clips
import services

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = {
    "hls.js": "master.m3u8",
    "shaka-player": "manifest.mpd",
    "dash.js": "manifest.mpd",
}
"""Each player and the manifest it is given."""
NODE_PACKAGES = ("playwright-core", "hls.js", "shaka-player", "dashjs")
SECONDS = 4
MIDDLE = [
    {"startTime": 0.4, "endTime": SECONDS - 0.2, "text": "all along"},
    {"startTime": SECONDS / 2 - 0.2, "endTime": SECONDS / 2 + 0.8, "text": "in the middle"},
]
"""What the first track shows half way, in seconds since the first frame."""
ENCODE_SECONDS = 120
PLAY_SECONDS = 180

pytestmark = pytest.mark.slow


@pytest.fixture(scope="session")
def played_subtitles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """`clips.make_subtitled_mkv`, encoded in segments of 1 s, in all players."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in NODE_PACKAGES:
        services.need_node_package(ROOT, name)
    folder = tmp_path_factory.mktemp("subtitles")
    clip = clips.make_subtitled_mkv(folder / "clip", SECONDS)
    encode = [sys.executable, "-m", "adaptation", "encode", str(clip), str(folder / "asset")]
    options = ["--segment-seconds", "1", "--preset", "ultrafast", "--quiet"]
    subprocess.run([*encode, *options], check=True, timeout=ENCODE_SECONDS, capture_output=True)
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(folder / "asset"), "prove"]
    drive += [f"{player}={manifest}" for player, manifest in PLAYERS.items()]
    printed = subprocess.run(drive, check=True, timeout=PLAY_SECONDS, stdout=subprocess.PIPE).stdout
    outcomes: dict[str, Any] = json.loads(printed)
    return outcomes


@pytest.fixture(params=list(PLAYERS))
def outcome(request: pytest.FixtureRequest, played_subtitles: dict[str, Any]) -> dict[str, Any]:
    """What one player saw of the asset."""
    return dict(played_subtitles[request.param])


def test_every_track_is_offered_by_its_language_and_name(outcome: dict[str, Any]) -> None:
    assert outcome["errors"] == []
    offered = [(text["language"], text["label"], text["forced"]) for text in outcome["texts"]]
    assert sorted(offered) == [
        ("de", "de (SDH)", False),
        ("en", "en", False),
        ("en", "en (forced)", True),
    ]


def test_a_cue_over_two_segments_is_shown_once_in_its_time(outcome: dict[str, Any]) -> None:
    seen = sorted(outcome["cues"], key=lambda cue: float(cue["startTime"]))
    assert [cue["text"] for cue in seen] == [cue["text"] for cue in MIDDLE]
    for cue, wanted in zip(seen, MIDDLE, strict=True):
        assert cue["startTime"] == pytest.approx(wanted["startTime"], abs=0.002)
        assert cue["endTime"] == pytest.approx(wanted["endTime"], abs=0.002)


def test_no_player_asks_for_a_file_of_text_that_is_not_there(
    played_subtitles: dict[str, Any],
) -> None:
    assert played_subtitles["missing"] == []
