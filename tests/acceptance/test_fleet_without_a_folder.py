"""Two workers with nothing in common but a database, a broker and a storage."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import clips
import judges
from adaptation.adapters.object_store import ObjectStore
from adaptation.engine.model import Job
from adaptation.engine.schema import attempt, task
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from services import HERE, wait_until
from storage_services import S3

CUTTING = "download,transcode,publish"
"""Queues of one worker: what it makes is joined by the other one, and comes back at the end."""
JOINING = "probe,playlist,package,notify,callback"
ENDED = 240.0
READY = "ready"
ENCODED: dict[str, Any] = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}


@contextmanager
def worker(home: Path, queues: str, environment: dict[str, str]) -> Iterator[None]:
    """`adaptation worker` with a home of its own; SIGTERM ends it, and it must end well."""
    home.mkdir()
    command = [sys.executable, "-m", "adaptation", "worker", "--slots", "1", "--queues", queues]
    log = home / "log"
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, env={**environment, "ADAPTATION_HOME": str(home)}, stdout=said, stderr=said
        )
    with process:
        try:
            assert wait_until(lambda: READY in log.read_text() or process.poll() is not None, 90)
            yield
        finally:
            process.terminate()
            assert process.wait(timeout=60) == 0, log.read_text()


def fetched(store: ObjectStore, key: str, folder: Path) -> Path:
    """All below a key, in a folder of this machine."""
    for found in store.objects(key):
        store.get_file(found.key, folder / found.key.removeprefix(f"{key}/"))
    return folder


def copies(home: Path) -> list[Path]:
    """What a worker has of jobs."""
    return [path for path in home.glob("work/jobs/*") if path.is_dir()]


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str, s3: S3) -> Iterator[Deployment]:
    """A client's view of two workers, whose storages are `films`, `shop` and `work`."""
    words = {
        "ADAPTATION_DATABASE_URL": postgres_url,
        "ADAPTATION_BROKER_URL": redis_url,
        "ADAPTATION_SECRET_KEY": base64.b64encode(os.urandom(32)).decode(),
        "ADAPTATION_WORK_STORAGE": "work",
        "ADAPTATION_SWEEP_SECONDS": "0.5",
        "ADAPTATION_ALLOWED_NETWORKS": "127.0.0.0/8",
    }
    deployment = Deployment(
        Settings(
            home=tmp_path / "client",
            database_url=postgres_url,
            broker_url=redis_url,
            secret_key=words["ADAPTATION_SECRET_KEY"],  # type: ignore[arg-type]
            work_storage="work",
            allowed_networks=HERE.networks,
        )
    )
    for name in ("films", "shop", "work"):
        deployment.store.add_storage(replace(s3.config(name), private=True))
    alone = {k: v for k, v in os.environ.items() if not k.startswith("ADAPTATION_")}
    with ExitStack() as running:
        for home, queues in (("cutting", CUTTING), ("joining", JOINING)):
            running.enter_context(worker(tmp_path / home, queues, {**alone, **words}))
        yield deployment
    deployment.store.close()


def ended(fleet: Deployment, *jobs: Job) -> None:
    """Wait until jobs have ended well."""
    numbers = [job.id for job in jobs]
    assert wait_until(lambda: all(fleet.store.job(n).ended for n in numbers), ENDED)
    for number in numbers:
        job = fleet.store.job(number)
        assert job.succeeded, (job.error, fleet.store.tasks(number))


def workers_of(fleet: Deployment, job: Job) -> int:
    """How many workers had a part in a job."""
    statement = select(attempt.c.worker_id).distinct().join(task).where(task.c.job_id == job.id)
    with fleet.store.database.read() as connection:
        return len(connection.execute(statement).all())


def test_workers_that_share_no_folder_make_assets_together(
    fleet: Deployment, tmp_path: Path
) -> None:
    films, shop = fleet.storage("films"), fleet.storage("shop")
    film = clips.make_plain(tmp_path)
    films.put_file(film, "in/film.mp4")
    places: dict[str, Any] = {"source_storage": "films", "destination_storage": "shop"}
    submit = fleet.engine.submit

    local = submit(
        "encoding_workflow",
        {"url": "in/film.mp4", "output_folder": "a", **places, "destination_storage": "local"},
    )
    ladder = submit(
        "encoding_workflow",
        {"url": "in/film.mp4", "output_folder": "out/ladder", **ENCODED, **places},
    )
    folder = submit(
        "vodstream",
        {
            "content_id": "film-42",
            "source_folder": "in",
            "output_folder": "out/folder",
            "generate_mp4": True,
            "trickplay": True,
            "drm": ["widevine"],
            "enable_drm": False,
            "content_keys": [{"key_id": "00" * 15 + "01", "key": "11" * 16}],
            **places,
        },
    )
    ended(fleet, ladder, folder)

    for job, place, height in ((ladder, "out/ladder", 90), (folder, "out/folder", 180)):
        made = fetched(shop, place, tmp_path / place)
        kinds = {one["codec_type"]: one for one in judges.streams(made / "master.m3u8")}
        assert kinds["video"]["height"] == height
        assert "audio" in kinds
        frames, said = judges.decode(made / "master.m3u8")
        assert len(frames[0].starts) == 30
        assert said == ""
        assert workers_of(fleet, job) == 2
    made = tmp_path / "out/folder"
    assert {"manifest.mpd", "thumbnail.jpg"} <= {path.name for path in made.iterdir()}
    assert list(made.rglob("film-42.mp4"))
    assert list(made.rglob("iframes.m3u8"))
    assert list(made.rglob("cenc/**/*.m4s"))

    assert wait_until(lambda: fleet.store.job(local.id).ended, ENDED)
    assert (fleet.store.job(local.id).error or {})["code"] == "storage_needed"
    homes = [tmp_path / "cutting", tmp_path / "joining"]
    assert wait_until(lambda: not any(map(copies, homes)), 60), "each has cleaned up after itself"
    assert fleet.storage("work").objects("jobs") == []
