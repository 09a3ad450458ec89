"""Two workers with nothing in common but a database, a broker and a storage."""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

import clips
import judges
from adaptation.adapters.object_store import ObjectStore
from adaptation.engine.model import Job
from adaptation.engine.schema import attempt, task
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store
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
def worker(
    home: Path, queues: str, environment: dict[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """`adaptation worker` with a home of its own; SIGTERM ends it, if a test did not kill it."""
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
            yield process
        finally:
            process.terminate()
            assert process.wait(timeout=60) in (0, -signal.SIGKILL), log.read_text()


def fetched(store: ObjectStore, key: str, folder: Path) -> Path:
    """All below a key, in a folder of this machine."""
    for found in store.objects(key):
        store.get_file(found.key, folder / found.key.removeprefix(f"{key}/"))
    return folder


def copies(home: Path) -> list[Path]:
    """What a worker has of jobs."""
    return [path for path in home.glob("work/jobs/*") if path.is_dir()]


@dataclass(frozen=True)
class Fleet:
    """A client's view of a fleet, whose storages are `films`, `shop` and `work`."""

    deployment: Deployment
    environment: dict[str, str]
    """Of its workers."""


@pytest.fixture
def fleet(tmp_path: Path, postgres_url: str, redis_url: str, s3: S3) -> Iterator[Fleet]:
    """Without workers."""
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
    yield Fleet(deployment, {**alone, **words})
    deployment.store.close()


def ended(store: Store, *jobs: Job) -> None:
    """Wait until jobs have ended well."""
    numbers = [job.id for job in jobs]
    assert wait_until(lambda: all(store.job(n).ended for n in numbers), ENDED)
    for number in numbers:
        job = store.job(number)
        assert job.succeeded, (job.error, store.tasks(number))


def workers_of(store: Store, job: Job) -> int:
    """How many workers had a part in a job."""
    statement = select(attempt.c.worker_id).distinct().join(task).where(task.c.job_id == job.id)
    with store.database.read() as connection:
        return len(connection.execute(statement).all())


def test_workers_that_share_no_folder_make_assets_together(fleet: Fleet, tmp_path: Path) -> None:
    deployment, store = fleet.deployment, fleet.deployment.store
    films, shop = deployment.storage("films"), deployment.storage("shop")
    film = clips.make_plain(tmp_path)
    films.put_file(film, "in/film.mp4")
    places: dict[str, Any] = {"source_storage": "films", "destination_storage": "shop"}
    submit = deployment.engine.submit

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
    homes = [tmp_path / "cutting", tmp_path / "joining"]
    with (
        worker(homes[0], CUTTING, fleet.environment),
        worker(homes[1], JOINING, fleet.environment),
    ):
        ended(store, ladder, folder)
        assert wait_until(lambda: store.job(local.id).ended, ENDED)
        assert wait_until(lambda: not any(map(copies, homes)), 60), "each has cleaned up"

    for job, place, height in ((ladder, "out/ladder", 90), (folder, "out/folder", 180)):
        made = fetched(shop, place, tmp_path / place)
        kinds = {one["codec_type"]: one for one in judges.streams(made / "master.m3u8")}
        assert kinds["video"]["height"] == height
        assert "audio" in kinds
        frames, said = judges.decode(made / "master.m3u8")
        assert len(frames[0].starts) == 30
        assert said == ""
        assert workers_of(store, job) == 2
    made = tmp_path / "out/folder"
    assert {"manifest.mpd", "thumbnail.jpg"} <= {path.name for path in made.iterdir()}
    assert list(made.rglob("film-42.mp4"))
    assert list(made.rglob("iframes.m3u8"))
    assert list(made.rglob("cenc/**/media_*.mp4"))

    assert (store.job(local.id).error or {})["code"] == "storage_needed"
    assert deployment.storage("work").objects("jobs") == []


@pytest.mark.crash
def test_what_a_lost_machine_had_finished_is_not_done_again(fleet: Fleet, tmp_path: Path) -> None:
    deployment, store = fleet.deployment, fleet.deployment.store
    films, shop = deployment.storage("films"), deployment.storage("shop")
    films.put_file(clips.make_plain(tmp_path), "in/film.mp4")
    parameters = {"url": "storage://films/in/film.mp4", "output_folder": "storage://shop/film"}
    job = deployment.engine.submit("encoding_workflow", {**parameters, **ENCODED})

    def are_encoded() -> bool:
        made = [one for one in store.tasks(job.id) if one.name == "encode_chunk"]
        return bool(made) and all(one.state is TaskState.DONE for one in made)

    # It may not put its chunks together: they are in the storage when it dies with its disk.
    with worker(tmp_path / "lost", "download,probe,playlist,transcode", fleet.environment) as lost:
        assert wait_until(are_encoded, ENDED)
        lost.kill()
        lost.wait()
        shutil.rmtree(tmp_path / "lost" / "work")
    with worker(tmp_path / "other", "", fleet.environment):
        ended(store, job)
        work = deployment.storage("work")
        assert wait_until(lambda: work.objects("jobs") == [], 60), "it has cleaned up"

    for one in store.tasks(job.id):
        if one.name == "encode_chunk":
            assert len(store.attempts(one.id)) == 1
    frames, said = judges.decode(fetched(shop, "film", tmp_path / "film") / "master.m3u8")
    assert (len(frames[0].starts), said) == (30, "")
