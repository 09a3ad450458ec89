"""Names, roles and needs of sounds and subtitles, as a real player tells its viewers of them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

import services
from adaptation.wiring import deploy
from many_sounds import WANTED, make_source

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAYERS = {"shaka-player": "manifest.mpd", "shaka-player-hls": "master.m3u8"}
PLAY_SECONDS = 120

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What shaka-player offers of DASH and of HLS, after the properties were laid over."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in ("playwright-core", "shaka-player", "hls.js", "dashjs"):
        services.need_node_package(ROOT, name)
    folder = tmp_path_factory.mktemp("properties")
    deployment = deploy()
    rungs = [{"height": 90, "bitrate": 80}]
    asset = folder / "asset"
    deployment.encode(
        str(make_source(folder)), str(asset), renditions=rungs, segment_seconds=1, surround=True
    )
    given = {"folder": str(asset), "track_properties": WANTED}
    job = deployment.engine.submit("track_properties", given)
    with deployment.engine.running(2, job.id):
        assert services.wait_until(lambda: deployment.store.job(job.id).ended, 60)
    assert deployment.store.job(job.id).succeeded
    deployment.close()
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(asset), "tell"]
    drive += [f"{player}={manifest}" for player, manifest in PLAYERS.items()]
    printed = subprocess.run(drive, check=True, timeout=PLAY_SECONDS, stdout=subprocess.PIPE).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def test_dash_tells_languages_roles_and_needs(outcomes: dict[str, Any]) -> None:
    seen = outcomes["shaka-player"]
    assert seen["errors"] == []
    assert sounds(seen) == [
        ("en", "English", ["main"], 2, None, True),
        ("en", "English (2)", ["description"], 2, "visually impaired", False),
        ("fr", "fr", ["dub"], 2, None, False),
        ("en", "English (5.1)", ["alternate"], 6, None, False),
    ]
    assert texts(seen) == [
        ("en", "Signs", ["forced-subtitle"], True, None),
        ("de", "de (SDH)", ["caption"], False, "hard of hearing"),
        ("nb", "Lettlest", ["easyreader"], False, None),
    ]


def test_hls_tells_languages_names_and_needs(outcomes: dict[str, Any]) -> None:
    seen = outcomes["shaka-player-hls"]
    assert seen["errors"] == []
    # The player tells of characteristics as roles.
    described = "public.accessibility.describes-video"
    assert sounds(seen) == [
        ("en", "English", [], 2, None, True),
        ("en", "English (2)", [described], 2, "visually impaired", False),
        ("fr", "fr", [], 2, None, False),
        ("en", "English", [], 6, None, True),
    ]
    dialog = "public.accessibility.transcribes-spoken-dialog"
    music = "public.accessibility.describes-music-and-sound"
    assert texts(seen) == [
        ("en", "Signs", ["subtitle"], True, None),
        ("de", "de (SDH)", [dialog, music], False, None),
        ("nb", "Lettlest", ["public.easy-to-read"], False, None),
    ]


def test_no_file_is_missing(outcomes: dict[str, Any]) -> None:
    assert outcomes["missing"] == []


def sounds(seen: dict[str, Any]) -> list[tuple[Any, ...]]:
    fields = ("language", "label", "roles", "channelsCount", "accessibilityPurpose", "primary")
    return [tuple(one.get(field) for field in fields) for one in seen["sounds"]]


def texts(seen: dict[str, Any]) -> list[tuple[Any, ...]]:
    fields = ("language", "label", "roles", "forced", "accessibilityPurpose")
    return [tuple(one.get(field) for field in fields) for one in seen["texts"]]
