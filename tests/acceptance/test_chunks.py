"""A job in chunks: the same bytes however many workers share it and whatever dies meanwhile."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
from adaptation.engine.states import TaskState
from adaptation.wiring import deploy
from command_line import here, read_until, show, started

SECONDS = 32
RATE = 10
"""Frames a second: fewer cost less, and are cut in the same way."""
FRAMES = RATE * SECONDS
SOUND_SECONDS = 3
"""Sound is encoded in one piece, at more cost than all pictures here."""
PACE = 6
"""Seconds of the film that are encoded in a second, at most, where runs are killed."""
RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")
KILLS = 2
IN_CHUNKS = {"ADAPTATION_PARALLEL_CHUNKS": "2"}


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 10 fps, a key frame each second, 32 s, in a TS with some sound."""
    inputs = f"{clips.picture(rate=str(RATE), seconds=SECONDS)} {clips.beep(seconds=SOUND_SECONDS)}"
    encoder = f"{clips.X264} -g {RATE} -bf 2 -c:a aac film.ts"
    return clips.ffmpeg(tmp_path_factory.mktemp("film"), f"{inputs} {encoder}")


@pytest.fixture(scope="module")
def alone(film: Path) -> Path:
    """The asset that one slot makes, chunk after chunk."""
    asset = film.parent / "alone"
    assert here("encode", film, asset, *RUNGS, "--slots", 1, **IN_CHUNKS).status == 0
    return asset


def in_the_middle_of_chunk(number: int) -> Callable[[dict[str, Any]], bool]:
    """Whether an event tells that so many chunks are done and another one is under way."""
    done = set[int]()

    def holds(event: dict[str, Any]) -> bool:
        is_chunk = event.get("name") == "encode_chunk"
        if is_chunk and event["state"] == "done":
            done.add(event["task_id"])
        return is_chunk and event["state"] == "running" and len(done) >= number

    return holds


def chunks_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return [task for task in job["tasks"] if task["name"] == "encode_chunk"]


def digests(folder: Path) -> dict[str, Any]:
    assert judges.media_digests(folder) == judges.promised_digests(folder)
    return judges.media_digests(folder)


@pytest.mark.crash
def test_a_film_in_chunks_is_exact_and_its_bytes_depend_on_the_plan_alone(
    film: Path, alone: Path, tmp_path: Path
) -> None:
    together, killed = tmp_path / "together", tmp_path / "killed"

    assert here("encode", film, together, *RUNGS, "--slots", 3, **IN_CHUNKS).status == 0
    words = ("encode", film, killed, *RUNGS, "--slots", 1, "--json")
    slowly = IN_CHUNKS | {"ADAPTATION_FFMPEG": str(clips.slowed(tmp_path, PACE))}
    for number in range(KILLS):
        with started(*words, **slowly) as run:
            read_until(run.stdout, in_the_middle_of_chunk(number))
            run.kill()
    assert here("encode", film, killed, *RUNGS, "--slots", 2, **IN_CHUNKS).status == 0

    assert len(chunks_of(show(1))) > KILLS
    assert digests(alone) == digests(together) == digests(killed)
    tried = [attempt for task in chunks_of(show(2)) for attempt in task["attempts"]]
    assert tried.count("done") == len(chunks_of(show(2)))
    assert 1 <= len(tried) - tried.count("done") <= KILLS, "a kill costs one chunk at most"
    for manifest in ("master.m3u8", "manifest.mpd"):
        tracks, complaints = judges.decode(alone / manifest)
        assert complaints == ""
        pictures = [track for track in tracks if track.kind == "video"]
        assert [len(track.starts) for track in pictures] == [FRAMES, FRAMES]


@pytest.mark.long
def test_the_order_of_the_tasks_changes_no_byte(film: Path, alone: Path, tmp_path: Path) -> None:
    wanted = {
        "url": str(film),
        "output_folder": str(tmp_path / "shuffled"),
        "renditions": [{"height": 180, "bitrate": 300}, {"height": 90, "bitrate": 100}],
        "preset": "ultrafast",
    }
    deployment = deploy()
    job, _ = deployment.submit_encoding(wanted)
    deployment.store.admit(job.id)
    node = deployment.engine.node(1)
    node.start()
    chance, order = random.Random(7), list[str]()
    while not deployment.store.job(job.id).ended:
        ready = [t for t in deployment.store.tasks(job.id) if t.state is TaskState.READY]
        task = chance.choice(ready)
        if claim := deployment.store.claim(task.id, task.generation, node.worker.worker_id, 30):
            order.append(task.key)
            node.worker.run(claim)
    node.close()
    node.stop()
    deployment.store.close()

    chunks = [key for key in order if key.endswith(":encode_chunk")]
    assert chunks != sorted(chunks)
    assert digests(alone) == digests(tmp_path / "shuffled")


@pytest.mark.long
def test_one_chunk_is_enough_for_a_short_film_that_nobody_shares(
    film: Path, tmp_path: Path
) -> None:
    alone = {"ADAPTATION_PARALLEL_CHUNKS": "1"}
    assert here("encode", film, tmp_path / "asset", *RUNGS, **alone).status == 0

    assert len(chunks_of(show(1))) == 1
