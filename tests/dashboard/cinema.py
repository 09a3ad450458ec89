"""Films on jobs' pages: a server that works when it is asked to, a film in two colours, an eye."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import clips
import services
from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from api_kit import Caller

SECONDS = 6
HALF = 3
MARKS = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 25 -keyint_min 25 -sc_threshold 0"
SUBTITLES = "1\n00:00:01,000 --> 00:00:05,000\nBonjour\n"
FILM = "document.getElementById('film')"
THUMBNAIL = "document.getElementById('film-thumbnail')"
COLOUR = """(() => {
  const [source, x, y] = [SOURCE, 8, 8];
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [16, 16];
  canvas.getContext("2d").drawImage(source, 0, 0, 16, 16);
  const [red, , blue] = canvas.getContext("2d").getImageData(x, y, 1, 1).data;
  return red > 150 && blue < 90 ? "red" : blue > 150 && red < 90 ? "blue" : "other";
})()"""
"""What colour a picture has in its middle."""
CAPTION = "(document.querySelector('.shaka-text-container')?.textContent ?? '')"
"""What stands on the picture."""


@dataclass(frozen=True)
class Site:
    """A server with pages and an engine that runs when it is asked to."""

    deployment: Deployment
    url: str
    client: Caller
    other: Caller
    sources: Path

    def done(self, workflow: str, **parameters: Any) -> int:
        """The number of a job that has completed."""
        return self.all_done((workflow, parameters))[0]

    def all_done(self, *orders: tuple[str, dict[str, Any]]) -> list[int]:
        """The numbers of jobs that have completed."""
        jobs = [
            self.client.submit(workflow, {"content_id": "film", **parameters})
            for workflow, parameters in orders
        ]
        store = self.deployment.store
        with self.deployment.engine.running(2):
            assert services.wait_until(lambda: all(store.job(one).ended for one in jobs), 120)
        for job in map(store.job, jobs):
            assert job.succeeded, job.error
        return jobs


@contextmanager
def a_site(folder: Path) -> Iterator[Site]:
    """A server with the clients `client` and `other`, each with an output root of its own."""
    settings = Settings(
        home=folder / "home",
        source_root=folder / "sources",
        port=0,
        parallel_chunks=4,
        heartbeat_seconds=0.5,
    )
    deployment = Deployment(settings)
    store = deployment.store
    deployment.engine.prepare()
    with serving(deployment, "127.0.0.1", 0, mount=mount) as url:
        client, other = (
            Caller(url, name, store.add_client(name, "client", defaults={"output_root": name})[1])
            for name in ("client", "other")
        )
        yield Site(deployment, url.rstrip("/"), client, other, folder / "sources")
    deployment.close()


def make_film(folder: Path) -> None:
    """Sources of 3 s of red and 3 s of blue in two sizes, two pitches, subtitles."""
    for name, size in {"large.mp4": "320x180", "small.mp4": "160x90"}.items():
        halves = [f"-f lavfi -i color={one}:s={size}:r=25:d={HALF}" for one in ("red", "blue")]
        joined = f"-filter_complex concat=n=2 {MARKS} -an {name}"
        clips.ffmpeg(folder, f"{' '.join(halves)} {joined}")
    for name, pitch in {"tone_eng.m4a": 440, "tone_fre.m4a": 1760}.items():
        tone = f"-f lavfi -i sine=f={pitch}:r=48000:d={SECONDS}"
        clips.ffmpeg(folder, f"{tone} -c:a aac {name}")
    (folder / "text_fre.srt").write_text(SUBTITLES)


def seeking(seconds: float) -> str:
    """The event by which other parts of the page lead to a moment."""
    return f"new CustomEvent('film:seek', {{detail: {{seconds: {seconds}}}}})"


def seen_at(seconds: float, colour: str) -> list[list[str]]:
    """Go there as other parts of the page do, and look."""
    there = f"Math.abs({FILM}.currentTime - {seconds}) < 1.5 && {FILM}.readyState > 1"
    return [
        ["value", f"{FILM}.pause()"],
        ["value", f"void document.dispatchEvent({seeking(seconds)})"],
        ["until", f"{there} && {COLOUR.replace('SOURCE', FILM)} === '{colour}'"],
    ]
