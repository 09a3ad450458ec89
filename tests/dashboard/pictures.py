"""The pictures of docs/dashboard.md, taken of the pages of a real engine with real jobs.

usage: PYTHONPATH=src:tests python -m dashboard.pictures [NAME …]
"""

from __future__ import annotations

import os
import shutil
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import clips
import services
from adaptation.adapters.storage_config import StorageConfig
from adaptation.api.server import serving
from adaptation.dashboard.mounting import mount
from adaptation.engine.clients import Role
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from api_kit import Caller
from dashboard.visits import need_browser, signed_in, visit
from receiver import Receiver, receiving

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURES = ROOT / "docs" / "pictures" / "pages"
MOST_BYTES = 220_000
"""A job's page with a frame of its film has 200 kB."""
MOST_LINES = 1500
"""Of a picture; what is below is cut off."""
COLOURS = 96
ENDED_SECONDS = 300.0
LATER = "2090-01-01T06:00:00.000Z"


@dataclass(frozen=True)
class Picture:
    """One of them."""

    name: str
    path: str
    """Of the page; may name a job of the studio by its content: `/ui/jobs/{film}`."""
    wide: bool = True
    """1280 pixels; else 390."""
    dark: bool = False
    steps: tuple[tuple[str, ...], ...] = ()
    """What is done on the page first."""
    part: str = ""
    """A selector of what is shown of the page; empty: all."""


PLAYING = (("until", "document.getElementById('film')?.currentTime > 0.5"),)
"""The film of the page moves."""
BEFORE = (Picture("queue_empty", "/ui/"), Picture("workers_none", "/ui/workers", wide=False))
"""Before there is a worker, and a job."""
PAGES = (
    Picture("queue", "/ui/"),
    Picture("queue_narrow", "/ui/", wide=False, dark=True),
    Picture("queue_filtered", "/ui/?search=nobody-has-this", wide=False),
    Picture("job_running", "/ui/jobs/{feature}", dark=True, steps=PLAYING),
    Picture("job_running_narrow", "/ui/jobs/{feature}", wide=False, steps=PLAYING),
    Picture("job_failed", "/ui/jobs/{promo}"),
    Picture("job_done", "/ui/jobs/{trailer}"),
    Picture("job_done_narrow", "/ui/jobs/{trailer}", wide=False, dark=True),
    Picture("job_quality", "/ui/jobs/{trailer}", part="#quality"),
    Picture("workers", "/ui/workers"),
    Picture("workers_narrow", "/ui/workers", wide=False, dark=True),
    Picture("workflows", "/ui/workflows"),
    Picture(
        "plan",
        "/ui/workflows/encoding_workflow",
        steps=(
            ("fill", "[name=url]", "{source}"),
            ("click", "[value=plan]"),
            ("see", "main", "MB"),
        ),
    ),
    Picture("schedules", "/ui/schedules", wide=False, dark=True),
    Picture("settings", "/ui/settings"),
    Picture("clients", "/ui/clients"),
    Picture("storages", "/ui/storages", dark=True),
    Picture("sign_in", "/ui/login", wide=False),
    Picture("error", "/ui/jobs/999999", wide=False),
)
STALE = "queue_stale"
"""Of the queue, when the server is gone while somebody looks."""


@dataclass
class Studio:
    """A server with an engine and an admin, and what its pictures speak of."""

    deployment: Deployment
    admin: Caller
    receiver: Receiver
    words: dict[str, str] = field(default_factory=dict)

    def order(self, name: str, url: Path, **job: object) -> int:
        """Submit an encode; its page is known by the name from now on."""
        parameters = {
            "url": str(url),
            "content_id": name,
            "renditions": [
                {"name": "360p", "height": 360, "bitrate": 700},
                {"name": "180p", "height": 180, "bitrate": 250},
            ],
            "rest_endpoints": [f"{self.receiver.url}/ok/{name}"],
        }
        job_id = self.admin.submit("encoding_workflow", parameters, **job)
        self.words[name.partition("-")[0]] = str(job_id)
        return job_id

    def ended(self, job_id: int) -> None:
        """Wait for a job's end."""
        store = self.deployment.store
        assert services.wait_until(lambda: store.job(job_id).ended, ENDED_SECONDS)


def draw(wanted: frozenset[str]) -> None:
    """Take all pictures, or some."""
    need_browser()
    PICTURES.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory() as place:
        folder = Path(place).resolve()
        with a_studio(folder) as studio:
            _take(studio, BEFORE, wanted, folder)
            with studio.deployment.engine.running(2):
                _fill(studio, folder)
                _take(studio, PAGES, wanted, folder)
                looking = _looking_on(studio, folder)
        looking.join()
        _kept(folder / f"{STALE}.png")


@contextmanager
def a_studio(folder: Path) -> Iterator[Studio]:
    """Serve for the length of a block."""
    (folder / "sources").mkdir()
    settings = Settings(home=folder / "home", source_root=folder / "sources", port=0)
    deployment = Deployment(settings)
    deployment.store.migrate()
    with (
        receiving(folder / "receiver.log") as receiver,
        serving(deployment, "127.0.0.1", 0, mount=mount) as url,
    ):
        key = deployment.store.add_client("studio", Role.ADMIN)[1]
        for name, role in (("news", Role.CLIENT), ("archive", Role.READONLY)):
            deployment.store.add_client(name, role)
        deployment.store.add_storage(
            StorageConfig(name="films", kind="S3", bucket="films", account="a", secret_key="b")
        )
        yield Studio(deployment, Caller(url, "studio", key), receiver)
    deployment.store.close()


def _fill(studio: Studio, folder: Path) -> None:
    """Jobs in every state; the last of them runs while the pictures are taken."""
    sources = folder / "sources"
    film = _film(sources, "trailer.mp4", 5)
    broken = sources / "promo.mp4"
    broken.write_bytes(film.read_bytes()[:20_000])
    studio.words["source"] = str(film)
    store = studio.deployment.store
    store.set_setting("max_jobs", 1)
    trailer = studio.order("trailer-2026", film)
    studio.ended(trailer)
    studio.ended(studio.admin.call("POST", f"/jobs/{trailer}/quality").json()["id"])
    studio.ended(studio.order("promo-17", broken))
    cancelled = studio.order("cancelled-9", film, run_at=LATER)
    studio.admin.call("POST", f"/jobs/{cancelled}/cancel")
    running = studio.order("feature-88", _film(sources, "feature.mp4", 120), priority=2)
    for name in ("news-1900", "news-2000"):
        studio.order(name, film)
    studio.admin.call("POST", f"/jobs/{studio.order('archive-3', film)}/pause")
    studio.order("premiere-1", film, run_at=LATER)
    assert services.wait_until(
        lambda: any(one.progress > 0 for one in store.running_in([running]).get(running, [])),
        ENDED_SECONDS,
    )


def _film(folder: Path, name: str, seconds: int) -> Path:
    """Big Buck Bunny, as often as it takes, with a tone."""
    source = "-stream_loop -1 -i '{}' {}".format(
        services.find_clips()["bigbuckbunny.mp4"], clips.beep(seconds=seconds)
    )
    x264 = "-map 0:v -map 1:a -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac"
    return clips.ffmpeg(folder, f"{source} -t {seconds} {x264} {name}")


def _take(
    studio: Studio, pictures: tuple[Picture, ...], wanted: frozenset[str], folder: Path
) -> None:
    for wide, dark in ((True, False), (True, True), (False, False), (False, True)):
        own = [
            one
            for one in pictures
            if (one.wide, one.dark) == (wide, dark) and (not wanted or one.name in wanted)
        ]
        if not own:
            continue
        steps = signed_in(studio.admin)
        for one in own:
            steps.append(["goto", one.path.format_map(studio.words)])
            steps += [[part.format_map(studio.words) for part in step] for step in one.steps]
            shot = str(folder / f"{one.name}.png")
            steps.append(["part", one.part, shot] if one.part else ["picture", shot])
        seen = visit(studio.admin.url, steps, width=1280 if wide else 390, dark=dark)
        assert [error for error in seen.errors if "404" not in error] == []
        for one in own:
            _kept(folder / f"{one.name}.png")


def _looking_on(studio: Studio, folder: Path) -> threading.Thread:
    """Somebody who looks at the queue while the server goes."""
    looks = folder / "looks"
    steps = [
        *signed_in(studio.admin),
        ["see", "#live", "live"],
        ["touch", str(looks)],
        ["see", "#live.lost", "reconnecting, last update 1"],
        ["picture", str(folder / f"{STALE}.png")],
    ]
    thread = threading.Thread(target=visit, args=(studio.admin.url, steps))
    thread.start()
    assert services.wait_until(looks.exists, ENDED_SECONDS)
    return thread


def _kept(shot: Path) -> None:
    """A shot with few colours among the documents' pictures."""
    crop = f"crop=iw:min(ih\\,{MOST_LINES}):0:0"
    few = f"split[a][b];[a]palettegen=max_colors={COLOURS}[p];[b][p]paletteuse=dither=none"
    clips.ffmpeg(shot.parent, f"-i '{shot}' -vf '{crop},{few}' -frames:v 1 -bitexact few.png")
    shutil.move(shot.parent / "few.png", PICTURES / shot.name)


if __name__ == "__main__":
    os.environ["ADAPTATION_ALLOWED_NETWORKS"] = "127.0.0.0/8"
    draw(frozenset(sys.argv[1:]))
