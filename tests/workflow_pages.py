"""The pages of the workflows: their requests are sent as they stand, what came of it is written in.

usage: PYTHONPATH=src:tests python tests/workflow_pages.py

It writes the callbacks into each page of a workflow, and the pictures of docs/pictures.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import clips
import page_pictures
from services import wait_until
from whole_jobs import Studio, a_studio

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = {path.stem: path for path in (*DOCS.glob("workflows/*.md"), DOCS / "encoding_workflow.md")}
"""Where the page of each workflow is, by its name."""
BASE, END_POINT, ASSETS = "http://127.0.0.1:8080", "https://example.org/told", "/srv/assets"
"""What the pages call the server, who is told, and the folder of outputs."""
FRAGMENT = re.compile(r"(<!-- callbacks: .*? -->\n).*?(<!-- end -->\n)", re.S)
WIDTH = 110
MOST_FILES = 6
NAMED_BY_CONTENT, FIXED_NAME = re.compile(r"media_[0-9a-f]{16}"), "media_32fcfbcf4f73a20c"
"""What encoders of other versions make has another name."""
"""Of longer lists a page shows so many."""
MOST_TASKS = 3
"""Of more tasks a page shows the callbacks of the first: others may run beside each other."""
JOB_SECONDS = 60.0
KEYS = [{"key_id": "a1" * 16, "key": "0123456789abcdef" * 2}]
RUNGS = [{"height": 180, "bitrate": 400}, {"height": 90, "bitrate": 150}]
ON_SOURCES = {
    *("capture_frame", "generate_gif", "build_thumbnails"),
    *("encoding_workflow", "vodstream"),
}
"""Workflows whose source is no asset."""
FILM = "mandelbrot=s=320x180:rate=25:start_scale=2.2:end_scale=0.02:end_pts=150:maxiter=700"
"""Generated; nobody's picture."""


@dataclass(frozen=True)
class Ran:
    """What the request of a page did."""

    name: str
    folder: Path
    """The content's folder of outputs, as the job left it."""
    before: frozenset[str]
    """The files that were in it."""
    told: list[dict[str, Any]]
    """Bodies of the callbacks in the order they came."""
    assets: Path
    """The folder of all outputs."""

    @property
    def fragment(self) -> str:
        """The callbacks as the page shows them."""
        tasks = dict.fromkeys(one["task_id"] for one in self.told if "task_id" in one)
        ids = dict(zip(tasks, itertools.count(20), strict=False))
        told = json.loads(json.dumps(self.told).replace(str(self.assets), ASSETS))
        if len(ids) > MOST_TASKS:
            told = [one for one in told if ids.get(one.get("task_id"), 20) == 20]
        shown = [_shown(one, ids.get(one.get("task_id"))) for one in told]
        return "\n".join(["```json", *shown, "```", ""])

    @property
    def files(self) -> frozenset[str]:
        """The files that are in the folder now."""
        return files_in(self.folder)


def page(name: str) -> str:
    """The text of a workflow's page."""
    return PAGES[name].read_text()


def names() -> list[str]:
    """Workflows with a page that shows what is told of them."""
    return sorted(name for name in PAGES if FRAGMENT.search(page(name)))


def request(name: str) -> str:
    """The first request on a page, as a shell takes it."""
    found = re.search(r"```sh\n(curl .*?)```", page(name), re.S)
    assert found, f"{name} shows no request"
    return found.group(1)


def files_in(folder: Path) -> frozenset[str]:
    """The files below a folder, by their paths in it."""
    return frozenset(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@contextmanager
def a_world(folder: Path) -> Iterator[Studio]:
    """A studio with `film.mp4` among its sources, and the asset `film-42` of it below `kept`."""
    with a_studio(folder) as studio:
        store = studio.deployment.store
        store.change_client("studio", defaults={"output_root": "studio", "content_keys": KEYS})
        film = make_film(studio.sources)
        make_folder(film, studio.sources / "film-42")
        studio.done(
            "encoding_workflow",
            url="film.mp4",
            output_folder="film-42",
            renditions=RUNGS,
            preset="veryfast",
            segment_seconds=1,
        )
        (studio.assets / "studio" / "film-42").rename(folder / "kept")
        yield studio


def make_film(folder: Path) -> Path:
    """6 s of 320x180 with sound: into the Mandelbrot set, a key frame each second."""
    x264 = "-c:v libx264 -preset veryfast -pix_fmt yuv420p -g 25 -c:a aac"
    return clips.ffmpeg(folder, f"-f lavfi -i {FILM} {clips.beep(seconds=6)} -t 6 {x264} film.mp4")


def make_folder(film: Path, folder: Path) -> None:
    """The film as a source of several files: with a small rendition, and subtitles."""
    folder.mkdir()
    shutil.copyfile(film, folder / "film.mp4")
    small = "-vf scale=160:-2 -an -c:v libx264 -preset veryfast -g 25"
    clips.ffmpeg(folder, f"-i '{film}' {small} small.mp4")
    cues = (f"00:00:0{n}.000 --> 00:00:0{n + 2}.500\nDeeper and deeper: {n}\n" for n in (1, 4))
    (folder / "film_eng.vtt").write_text("\n".join(["WEBVTT\n", *cues]))


def ran(studio: Studio, name: str) -> Ran:
    """Send the request of a page as it stands, and wait for the last callback."""
    folder = studio.assets / "studio" / "film-42"
    shutil.rmtree(folder, ignore_errors=True)
    if name not in ON_SOURCES:
        shutil.copytree(studio.sources.parent / "kept", folder)
    before, path = files_in(folder), f"/ok/page-{name}"
    script = request(name).replace(BASE, studio.client.url.rstrip("/"))
    script = script.replace(END_POINT, studio.receiver.url + path)
    variables = {**os.environ, "KEY": studio.client.key, "no_proxy": "*"}
    done = subprocess.run(
        ["bash", "-c", script],
        env=variables,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert json.loads(done.stdout)["result"] == "accepted", done.stdout

    def told() -> list[dict[str, Any]]:
        return [one["json"] for one in studio.receiver.requests(path)]

    assert wait_until(lambda: any("status" in one for one in told()), JOB_SECONDS)
    return Ran(name, folder, before, told(), studio.assets)


def _shown(body: Mapping[str, Any], task_id: int | None) -> str:
    """A callback, with numbers and a time that are the same each time."""
    fixed = {**body, "job_id": 7, "time": "2026-11-27T04:21:30.868Z"}
    if task_id is not None:
        fixed["task_id"] = task_id
    if "files" in fixed:
        fixed["files"] = [NAMED_BY_CONTENT.sub(FIXED_NAME, name) for name in body["files"]]
    if len(fixed.get("files", ())) > MOST_FILES:
        fixed["files"] = [*fixed["files"][:MOST_FILES], "…"]
    lines = [""]
    for piece in _pieces(fixed):
        if len(lines[-1]) + len(piece) + 1 > WIDTH:
            lines.append("")
        lines[-1] += f" {piece}"
    return "\n".join(lines)[1:]


def _pieces(body: Mapping[str, Any]) -> Iterator[str]:
    """A document in pieces between which a line may end."""
    last = list(body)[-1]
    for name, value in body.items():
        text = json.dumps(value, ensure_ascii=False)
        many = isinstance(value, list) and len(value) > 1
        parts = text.replace('", "', '",\n"').split("\n") if many else [text]
        parts[0] = f'{"{" if name == next(iter(body)) else ""}"{name}": {parts[0]}'
        yield from parts[:-1]
        yield parts[-1] + ("}" if name == last else ",")


def main() -> None:
    """Write everything anew."""
    os.environ["ADAPTATION_ALLOWED_NETWORKS"] = "127.0.0.0/8"
    with TemporaryDirectory() as place, a_world(Path(place).resolve()) as studio:
        for name in sys.argv[1:] or names():
            done = ran(studio, name)
            PAGES[name].write_text(
                FRAGMENT.sub(lambda m: m[1] + done.fragment + m[2], page(name))  # noqa: B023
            )
            page_pictures.draw(name, done.folder, done.told[-1])


if __name__ == "__main__":
    main()
