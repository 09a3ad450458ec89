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
from adaptation.media.cpix import ContentKey, Document, Filter, Rule, cpix_text
from adaptation.wiring import Deployment, deploy

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLAY_SECONDS = 300
KEYS = {"a1" * 16: "0123456789abcdef" * 2, "b2" * 16: "fedcba9876543210" * 2}
CONTENT_KEYS = [
    {"key_id": kid, "key": key, "label": label}
    for (kid, key), label in zip(KEYS.items(), ("VIDEO", "AUDIO"), strict=True)
]
RIGHT = ",".join(f"{kid}:{key}" for kid, key in KEYS.items())
WRONG = ",".join(f"{kid}:{'00' * 16}" for kid in KEYS)
THREE = {
    f"{digit}{digit}" * 16: key
    for digit, key in zip("456", ("45" * 16, "56" * 16, "67" * 16), strict=True)
}
THREE_TOLD = ",".join(f"{kid}:{key}" for kid, key in THREE.items())
KEY_URI = "/asset/keys/{key_id}"
"""Where the server of the players has the keys of AES-128."""
PLAYED = {
    "cenc in DASH": f"cenc/manifest.mpd#{RIGHT}",
    "cenc in HLS": f"cenc/master.m3u8#{RIGHT}",
    "cbcs in DASH": f"cbcs/manifest.mpd#{RIGHT}",
    "cbcs in HLS": f"cbcs/master.m3u8#{RIGHT}",
    "clear again": "clear/manifest.mpd#",
    "three keys, cenc in DASH": f"three_cenc/manifest.mpd#{THREE_TOLD}",
    "three keys, cbcs in DASH": f"three_cbcs/manifest.mpd#{THREE_TOLD}",
    "hls.js plays aes": "aes/master.m3u8#",
    "shaka-player plays aes": "aes/master.m3u8#",
    "three keys, one of them wrong": f"three_cenc/manifest.mpd#{THREE_TOLD[:-2]}00",
    "shaka-player plays aes by wrong keys": "aes_wrong/master.m3u8#",
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
    for name in ("playwright-core", "shaka-player", "hls.js", "dashjs"):
        services.need_node_package(ROOT, name)
    folder = tmp_path_factory.mktemp("drm")
    inputs = f"{clips.picture(seconds=2)} {clips.beep(seconds=2)}"
    film = clips.ffmpeg(folder, f"{inputs} {clips.X264} -c:a aac film.mp4")
    deployment = deploy()
    rungs = [{"height": 180, "bitrate": 200}, {"height": 90, "bitrate": 80}]
    deployment.encode(str(film), str(folder / "clear"), renditions=rungs, segment_seconds=1)
    for name, drm in {"cenc": ["cenc", "widevine"], "cbcs": ["cenc", "fairplay"]}.items():
        shutil.copytree(folder / "clear", folder / name)
        switch(deployment, folder / name, drm)
        shutil.copytree(folder / "clear", folder / f"three_{name}")
        switch(deployment, folder / f"three_{name}", drm, cpix=True, download_cpix=three(folder))
    for name, keys in {"aes": KEYS, "aes_wrong": dict.fromkeys(KEYS, "00" * 16)}.items():
        shutil.copytree(folder / "clear", folder / name)
        uri = KEY_URI.replace("keys", f"keys/{name}")
        switch(deployment, folder / name, ["aes"], hls_key_uri=uri)
        (folder / "keys" / name).mkdir(parents=True)
        for kid, key in keys.items():
            (folder / "keys" / name / kid).write_bytes(bytes.fromhex(key))
    switch(deployment, folder / "clear", ["cenc"])
    switch(deployment, folder / "clear", [])
    deployment.close()
    return watched(folder)


def watched(folder: Path) -> dict[str, Any]:
    """What the pages of one browser saw; none asks for a file that is not there."""
    # Those without their keys, which wait for long, beside others that play.
    pairs = [f"{name}={place}" for n in range(4) for name, place in list(PLAYED.items())[n::4]]
    drive = [
        services.need_command("node", package="nodejs"),
        str(HERE / "playback" / "drive.mjs"),
        services.need_command(*services.CHROMIUMS, package="chromium"),
        str(folder),
        "unlock",
    ]
    printed = subprocess.run(
        [*drive, *pairs], check=True, timeout=PLAY_SECONDS, stdout=subprocess.PIPE
    ).stdout
    found: dict[str, Any] = json.loads(printed)
    assert found.pop("missing") == []
    return found


def three(folder: Path) -> str:
    """A document with a key for each of both pictures and one for the sound."""
    small, large, sound = (bytes.fromhex(kid) for kid in THREE)
    keys = tuple(ContentKey(bytes.fromhex(kid), bytes.fromhex(key)) for kid, key in THREE.items())
    rules = (
        Rule(small, "", (Filter("VideoFilter", (("maxPixels", 20_000),)),)),
        Rule(large, "", (Filter("VideoFilter", (("minPixels", 20_001),)),)),
        Rule(sound, "AUDIO", (Filter("AudioFilter"),)),
    )
    (folder / "three.xml").write_bytes(cpix_text(Document(keys, (), rules)))
    return str(folder / "three.xml")


def switch(deployment: Deployment, asset: Path, drm: list[str], **more: Any) -> None:
    given = {"folder": str(asset), "drm": drm, "content_keys": CONTENT_KEYS, **more}
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


@pytest.mark.parametrize("scheme", ["cenc", "cbcs"])
def test_each_picture_of_several_keys_can_be_chosen(outcomes: dict[str, Any], scheme: str) -> None:
    assert len(outcomes[f"three keys, {scheme} in DASH"]["renditions"]) == 2
