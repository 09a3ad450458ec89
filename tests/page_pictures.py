"""The pictures of the pages of workflows, drawn from what their requests made."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import clips
import services

ROOT = Path(__file__).resolve().parent.parent
PICTURES = ROOT / "docs" / "pictures"
DRIVE = ROOT / "tests" / "acceptance" / "playback" / "drive.mjs"
KEY_ID, KEY = "a1" * 16, "0123456789abcdef" * 2
Drawing = Callable[[Path, Mapping[str, Any]], None]
"""Draws one picture, of a content's folder and the callback of its job."""


def draw(name: str, folder: Path, told: Mapping[str, Any]) -> None:
    """Draw the picture of a workflow's page, if there is something to see of it."""
    PICTURES.mkdir(exist_ok=True)
    if drawing := DRAWINGS.get(name):
        drawing(folder, told)


def _as_it_is(name: str) -> Drawing:
    def drawing(folder: Path, told: Mapping[str, Any]) -> None:
        shutil.copyfile(told["files"][0], PICTURES / name)

    return drawing


def _filtered(name: str, filters: str, source: str = "") -> Drawing:
    def drawing(folder: Path, told: Mapping[str, Any]) -> None:
        path = folder / source if source else told["files"][0]
        words = f"-i '{path}' -vf {filters} -frames:v 1 -q:v 4 -bitexact {name}"
        clips.ffmpeg(PICTURES, words)

    return drawing


def _unlocked(folder: Path, told: Mapping[str, Any]) -> None:
    """The asset in a browser: with its key, and with another."""
    keys = {"right": KEY, "wrong": "00" * 16}
    _shoot(
        folder,
        "unlock",
        {name: f"manifest.mpd#{KEY_ID}:{key}" for name, key in keys.items()},
        "drmswitch.jpg",
    )


def _subtitled(folder: Path, told: Mapping[str, Any]) -> None:
    """The asset in a browser, with its subtitles."""
    _shoot(folder, "prove", {"hls.js": "master.m3u8"}, "vodstream.jpg")


def _played(folder: Path, told: Mapping[str, Any]) -> None:
    """The asset in two browsers: as HLS, and as DASH."""
    pages = {"hls.js": "master.m3u8", "dash.js": "manifest.mpd"}
    _shoot(folder, "prove", pages, "encoding_workflow.jpg")


def _shoot(folder: Path, action: str, pages: Mapping[str, str], name: str) -> None:
    """What pages of `drive.mjs` show at the end of the film, beside each other."""
    chromium = services.need_command(*services.CHROMIUMS, package="chromium")
    pairs = [f"{page}={manifest}" for page, manifest in pages.items()]
    with TemporaryDirectory() as shots:
        subprocess.run(
            ["node", str(DRIVE), chromium, str(folder), action, *pairs],
            env={**os.environ, "SHOTS": shots},
            stdout=subprocess.DEVNULL,
            check=True,
            timeout=120,
        )
        sides = " ".join(f"-i '{Path(shots, page)}.png'" for page in pages)
        scaled = ";".join(f"[{n}]scale=320:-1[s{n}]" for n in range(len(pages)))
        row = "".join(f"[s{n}]" for n in range(len(pages)))
        row += f"hstack={len(pages)}" if len(pages) > 1 else "null"
        words = f"{sides} -filter_complex {scaled};{row} -frames:v 1 -q:v 4 -bitexact {name}"
        clips.ffmpeg(PICTURES, words)


DRAWINGS: Mapping[str, Drawing] = {
    "capture_frame": _as_it_is("capture_frame.jpg"),
    "generate_gif": _as_it_is("generate_gif.gif"),
    "build_thumbnails": _filtered("build_thumbnails.jpg", "scale=iw/2:-2"),
    "trickplay": _filtered("trickplay.jpg", "null", "trickplay/00001.jpg"),
    "createmp4": _filtered("createmp4.jpg", "fps=1,scale=160:-2,tile=3x2"),
    "drmswitch": _unlocked,
    "vodstream": _subtitled,
    "encoding_workflow": _played,
}
