"""Encrypted assets play in a real browser by ClearKey: with their keys, and with no others."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import clips
import services
from adaptation.wiring import Deployment, deploy

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAY_SECONDS = 120
KEYS = {"a1" * 16: "0123456789abcdef" * 2, "b2" * 16: "fedcba9876543210" * 2}
CONTENT_KEYS = [
    {"key_id": kid, "key": key, "label": label}
    for (kid, key), label in zip(KEYS.items(), ("VIDEO", "AUDIO"), strict=True)
]
RIGHT = ",".join(f"{kid}:{key}" for kid, key in KEYS.items())
WRONG = ",".join(f"{kid}:{'00' * 16}" for kid in KEYS)
PLAYED = {
    "cenc in DASH": f"cenc/manifest.mpd#{RIGHT}",
    "cenc in HLS": f"cenc/master.m3u8#{RIGHT}",
    "cbcs in DASH": f"cbcs/manifest.mpd#{RIGHT}",
    "cbcs in HLS": f"cbcs/master.m3u8#{RIGHT}",
    "clear again": "clear/manifest.mpd#",
    "clear again in HLS": "clear/master.m3u8#",
    "cenc by wrong keys": f"cenc/manifest.mpd#{WRONG}",
    "cbcs by wrong keys": f"cbcs/manifest.mpd#{WRONG}",
    "cenc in HLS by wrong keys": f"cenc/master.m3u8#{WRONG}",
    "cbcs in HLS by wrong keys": f"cbcs/master.m3u8#{WRONG}",
}
FRAMES, SECONDS = 50, 2.0

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def outcomes(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What shaka-player saw, one page each, of an asset of 2 s in three states."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    node = services.need_command("node", package="nodejs")
    for name in ("playwright-core", "shaka-player", "hls.js", "dashjs"):
        services.need_node_package(ROOT, name)
    folder = tmp_path_factory.mktemp("drm")
    inputs = f"{clips.picture(seconds=2)} {clips.beep(seconds=2)}"
    film = clips.ffmpeg(folder, f"{inputs} {clips.X264} -c:a aac film.mp4")
    deployment = deploy()
    rungs = [{"height": 180, "bitrate": 200}]
    deployment.encode(str(film), str(folder / "clear"), renditions=rungs, segment_seconds=1)
    for name, drm in {"cenc": ["cenc", "widevine"], "cbcs": ["cenc", "fairplay"]}.items():
        shutil.copytree(folder / "clear", folder / name)
        switch(deployment, folder / name, drm)
    switch(deployment, folder / "clear", ["cenc"])
    switch(deployment, folder / "clear", [])
    deployment.close()
    pairs = [f"{name}={manifest}" for name, manifest in PLAYED.items()]
    drive = [node, str(HERE / "playback" / "drive.mjs"), chromium, str(folder), "unlock"]
    printed = subprocess.run(
        [*drive, *pairs], check=True, timeout=PLAY_SECONDS, stdout=subprocess.PIPE
    ).stdout
    found: dict[str, Any] = json.loads(printed)
    return found


def switch(deployment: Deployment, asset: Path, drm: list[str]) -> None:
    given = {"folder": str(asset), "drm": drm, "content_keys": CONTENT_KEYS}
    job = deployment.engine.submit("drmswitch", given)
    with deployment.engine.running(2, job.id):
        assert services.wait_until(lambda: deployment.store.job(job.id).ended, 60)
    assert deployment.store.job(job.id).succeeded


@pytest.mark.parametrize("name", [name for name in PLAYED if "wrong" not in name])
def test_an_asset_plays_to_its_end_with_its_keys(outcomes: dict[str, Any], name: str) -> None:
    seen = outcomes[name]
    assert seen["errors"] == []
    assert seen["frames"] == FRAMES
    assert seen["ended_seconds"] == pytest.approx(SECONDS, abs=0.05)


@pytest.mark.parametrize("name", [name for name in PLAYED if "wrong" in name])
def test_it_does_not_play_with_other_keys(outcomes: dict[str, Any], name: str) -> None:
    assert outcomes[name]["errors"]
    assert outcomes[name].get("ended_seconds", 0) < SECONDS / 2


def test_no_player_asks_for_a_file_that_is_not_there(outcomes: dict[str, Any]) -> None:
    assert outcomes["missing"] == []
