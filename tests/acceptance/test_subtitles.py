"""Subtitles of a source can be chosen in real players, and stand on the screen in their time."""

from __future__ import annotations

import html
import json
import re
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

import clips
import services
from command_line import here

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = {
    "hls.js": "master.m3u8",
    "shaka-player-hls": "master.m3u8",
    "shaka-player": "manifest.mpd",
    "dash.js": "manifest.mpd",
}
"""Each player and the manifest it is given."""
NODE_PACKAGES = ("playwright-core", "hls.js", "shaka-player", "dashjs")
SECONDS = 4
FIRST = [
    (0.4, SECONDS - 0.2, "all along"),
    (SECONDS / 2 - 0.2, SECONDS / 2 + 0.8, "in the middle"),
    (SECONDS - 0.1, SECONDS, "past the end"),
]
SPOKEN = [
    ("en", FIRST),
    ("en (forced)", [(0.5, SECONDS - 0.5, "Sign EXIT")]),
    ("de (SDH)", [(0.1, SECONDS - 0.1, "[door] Hi & bye")]),
    ("en", FIRST),
]
"""What is shown with each of the tracks and then with the first one again: seconds and words."""
MARKUP = re.compile(r"<[^>]*>")
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
    options = ("--segment-seconds", "1", "--preset", "ultrafast", "--quiet")
    ended = here("encode", clip, folder / "asset", *options)
    assert ended.status == 0, ended.err
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(folder / "asset"), "caption"]
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


def test_each_track_is_shown_in_its_time_and_so_is_the_first_one_again(
    outcome: dict[str, Any],
) -> None:
    shown = [(label, joined(cues)) for label, cues in outcome["read"]]
    assert [label for label, _ in shown] == [label for label, _ in SPOKEN]
    for (_, found), (_, wanted) in zip(shown, SPOKEN, strict=True):
        assert [cue[2] for cue in found] == [cue[2] for cue in wanted]
        for cue, (start, end, _) in zip(found, wanted, strict=True):
            assert cue[:2] == pytest.approx((start, end), abs=0.002)


def joined(cues: Iterable[dict[str, Any]]) -> list[tuple[float, float, str]]:
    """Start, end and words; shaka-player shows a cue over several segments once in each."""
    whole = list[tuple[float, float, str]]()
    for cue in sorted(cues, key=lambda cue: float(cue["startTime"])):
        words = html.unescape(" ".join(MARKUP.sub("", cue["text"]).split()))
        start, end = float(cue["startTime"]), float(cue["endTime"])
        before = [
            n for n, one in enumerate(whole) if one[2] == words and abs(one[1] - start) < 0.002
        ]
        if before:
            whole[before[0]] = (whole[before[0]][0], end, words)
        else:
            whole.append((start, end, words))
    return whole


def test_no_player_asks_for_a_file_of_text_that_is_not_there(
    played_subtitles: dict[str, Any],
) -> None:
    assert played_subtitles["missing"] == []
