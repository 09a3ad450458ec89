"""Switching the DRM of an asset over HTTP, and what FFmpeg and the files say of it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import clips
from adaptation.media import hls
from adaptation.media.asset import Asset
from adaptation.media.one_file import file_head
from adaptation.settings import load_settings
from adaptation.wiring import Deployment, deploy
from adaptation.workflows.manifests import leading_files
from api_kit import Api, Caller, running_api
from services import wait_until

PICTURE, SOUND = "a1" * 16, "b2" * 16
KEYS = {PICTURE: "0123456789abcdef" * 2, SOUND: "fedcba9876543210" * 2}
RUNGS = [{"height": 180, "bitrate": 200}, {"height": 90, "bitrate": 80}]
TRACKS = ("180p", "90p", "audio_und")


def made_asset(folder: Path) -> Path:
    """An asset of 2.2 s in 320x180 and 160x90 with sound."""
    film = clips.ffmpeg(
        folder, f"{clips.picture(seconds=2.2)} {clips.beep(seconds=2.2)} {clips.X264} film.mp4"
    )
    deployment = deploy()
    job = deployment.encode(str(film), str(folder / "asset"), renditions=RUNGS, segment_seconds=1)
    deployment.close()
    assert job.succeeded, job.error
    return folder / "asset"


def one_file_each(cut: Path, target: Path) -> Path:
    """The same asset with the segments of each track in one file, as `vodstream` makes it."""
    asset = Asset.from_json(json.loads((cut / "asset.json").read_text()))
    whole = asset.in_one_file_each()
    shutil.copytree(cut, target)
    for track in whole.tracks:
        folder = target / track.folder
        init, *segments = [folder / "init.mp4", *sorted(folder.glob("0*"))]
        head = file_head(track, init.read_bytes())
        content = head + b"".join(path.read_bytes() for path in segments)
        (folder / track.init_name).write_bytes(content)
        (folder / "playlist.m3u8").write_text(hls.media_playlist(track))
        for path in (init, *segments):
            path.unlink()
    leading_files(whole, target)
    return target


@contextmanager
def working_api() -> Iterator[Api]:
    """A server that works."""
    deployment = Deployment(load_settings())
    with running_api(deployment) as served, deployment.engine.running(2):
        yield served
    deployment.close()


def place(api: Api) -> Path:
    return api.deployment.settings.assets_root / "studio" / "film"


def switched(api: Api, caller: Caller, *drm: str, **more: Any) -> dict[str, Any]:
    """The job's row after the asset was switched."""
    given = {"folder": "film", "drm": list(drm), **more}
    job_id = caller.submit("drmswitch", given)
    assert wait_until(lambda: api.deployment.store.job(job_id).ended, 30)
    job = api.deployment.store.job(job_id)
    assert job.succeeded, job.error
    return dict(caller.get(f"/jobs/{job_id}"))


def refused(api: Api, caller: Caller, *drm: str, **more: Any) -> dict[str, Any]:
    """How a job ended that failed."""
    job_id = caller.submit("drmswitch", {"folder": "film", "drm": list(drm), **more})
    assert wait_until(lambda: api.deployment.store.job(job_id).ended, 30)
    job = api.deployment.store.job(job_id)
    assert not job.succeeded
    return dict(job.error or {})


def joined(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in [folder / "init.mp4", *sorted(folder.glob("0*"))])


def frames(content: bytes, folder: Path, key: str = "") -> str:
    """A digest of each decoded frame or piece of sound, as FFmpeg sees them."""
    path = folder / "judged.mp4"
    path.write_bytes(content)
    words = ["-decryption_key", key] if key else []
    command = [str(clips.tools().ffmpeg), "-v", "error", *words, "-i", str(path), "-f", "framemd5"]
    done = subprocess.run([*command, "-"], capture_output=True, text=True, check=False, timeout=60)
    return done.stdout if not done.stderr else done.stderr


def key_of(track: str) -> str:
    return KEYS[SOUND if track.startswith("audio") else PICTURE]


def manifests_lead_to(folder: Path, active: str) -> None:
    """Both manifests name tracks of one copy alone, and all of its media are there."""
    master = (folder / "master.m3u8").read_text()
    playlists = re.findall(r"[\w/]+/playlist\.m3u8", master)
    assert {path.split("/")[0] for path in playlists} == {active}
    for path in playlists:
        text = (folder / path).read_text()
        assert ("#EXT-X-KEY" in text) == (active != "clear")
        media = re.findall(r"\d+\.m4s|init\.mp4", text)
        assert all((folder / path).with_name(name).is_file() for name in media)
    manifest = (folder / "manifest.mpd").read_text()
    assert set(re.findall(r'initialization="(\w+)/', manifest)) == {active}
    values = re.findall(r'mp4protection:2011" value="(\w+)"', manifest)
    assert set(values) == ({active} if active != "clear" else set())


def media_inodes(folder: Path) -> dict[str, int]:
    return {str(path): path.stat().st_ino for path in folder.rglob("*.m4s")}


@contextmanager
def switching(folder: Path) -> Iterator[Callable[..., dict[str, Any]]]:
    """Switches an asset without a server; gives the error of the job, empty if it went well."""
    deployment = Deployment(load_settings())

    def switch(*drm: str, **more: Any) -> dict[str, Any]:
        given = {"folder": str(folder), "drm": list(drm), **more}
        job = deployment.engine.submit("drmswitch", given)
        with deployment.engine.running(2, job.id):
            assert wait_until(lambda: deployment.store.job(job.id).ended, 60)
        return dict(deployment.store.job(job.id).error or {})

    yield switch
    deployment.close()
