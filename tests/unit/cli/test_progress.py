"""How far a job is, worked out from its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from adaptation.cli.estimate import Estimate
from adaptation.cli.progress import survey, track_names
from adaptation.engine.model import Task
from adaptation.engine.states import TaskState

HEADER = "2:add_playlist_header"


def make_task(key: str, state: TaskState, **facts: Any) -> Task:
    name = key.rpartition(":")[2]
    blank: dict[str, Any] = {
        "id": abs(hash(key)),
        "job_id": 1,
        "queue": "any",
        "attempt": 1,
        "losses": 0,
        "generation": 1,
        "params": {},
        "progress": 1.0 if state is TaskState.DONE else 0.0,
        "detail": None,
        "error": None,
        "worker_id": None,
        "started_at": None,
        "finished_at": None,
    }
    return Task(key=key, name=name, state=state, **{**blank, **facts})


LADDER = [{"name": "720p", "height": 720}, {"name": "360p", "height": 360}]


def chunk(number: int, state: TaskState, frames: int = 100, **facts: Any) -> Task:
    params = {"ladder": LADDER, "chunk": {"first_frame": 0, "end_frame": frames}}
    key = f"{HEADER}.0.{number}:encode_chunk"
    return make_task(key, state, params=params, **facts)


def running(number: int, progress: float, frames: int = 100, **detail: float) -> Task:
    state = TaskState.RUNNING
    return chunk(number, state, frames, progress=progress, detail=detail)


def branch(number: int, name: str, state: TaskState = TaskState.DONE) -> list[Task]:
    path = f"{HEADER}.0.end:gather_chunks.{number}"
    first = make_task(f"{path}.0:compute_target_size", state, params={"name": name})
    return [first, make_task(f"{path}.1:transcode", state), make_task(f"{path}.2:chunk_hls", state)]


def sound(state: TaskState, **facts: Any) -> list[Task]:
    params = {"name": "audio_en"}
    first = make_task(f"{HEADER}.1.0:transcode_audio", state, params=params, **facts)
    last = TaskState.DONE if state is TaskState.DONE else TaskState.WAITING
    return [first, make_task(f"{HEADER}.1.1:chunk_hls", last)]


def test_before_the_source_is_read_there_are_no_tracks() -> None:
    progress = survey([make_task("0:download_file", TaskState.RUNNING, progress=0.5)])
    assert progress.tracks == ()
    assert progress.fraction == 0


def test_every_rendition_and_sound_track_is_told_of_from_the_start() -> None:
    tasks = [running(0, 0.5), *sound(TaskState.DONE)]
    progress = survey(tasks)
    assert [(track.name, track.stage) for track in progress.tracks] == [
        ("720p", "encoding"),
        ("360p", "encoding"),
        ("audio_en", "done"),
    ]
    assert progress.done == 1


def copy(state: TaskState, progress: float, ladder: list[dict[str, Any]] = LADDER) -> Task:
    params = {"ladder": ladder, "copied": "720p"}
    return make_task(f"{HEADER}.0.0:copy_picture", state, params=params, progress=progress)


def test_a_rendition_that_is_copied_is_as_far_as_its_copy() -> None:
    tasks = [copy(TaskState.RUNNING, 0.25), running(1, 0.5), *branch(0, "720p", TaskState.WAITING)]
    first, second = survey(tasks).tracks
    assert (first.name, first.stage, first.fraction) == ("720p", "encoding", 0.9 * 0.25)
    assert (second.name, second.fraction) == ("360p", 0.9 * 0.5)
    assert first.weight < second.weight
    names = track_names(tasks)
    assert [names[task.id] for task in tasks[:2]] == ["720p", "chunk 1 of 1"]


def test_a_rendition_that_is_copied_may_be_the_only_one() -> None:
    (track,) = survey([copy(TaskState.RUNNING, 0.5, LADDER[:1])]).tracks
    assert (track.name, track.fraction) == ("720p", 0.9 * 0.5)


def test_a_rendition_is_done_when_its_own_branch_is() -> None:
    tasks = [chunk(0, TaskState.DONE), *branch(0, "720p"), *branch(1, "360p", TaskState.WAITING)]
    assert [track.stage for track in survey(tasks).tracks] == ["done", "packaging"]
    names = track_names(tasks)
    assert names[tasks[0].id] == "chunk 1 of 1"
    assert names[tasks[2].id] == "720p"


def test_a_long_chunk_counts_for_more_than_a_short_one() -> None:
    long_done = survey([chunk(0, TaskState.DONE, 300), running(1, 0.0, 100)])
    short_done = survey([running(0, 0.0, 300), chunk(1, TaskState.DONE, 100)])
    assert long_done.fraction == pytest.approx(3 * short_done.fraction)


def test_a_picture_counts_for_more_than_sound() -> None:
    picture = survey([chunk(0, TaskState.DONE), *sound(TaskState.WAITING)])
    heard = survey([running(0, 0.0), *sound(TaskState.DONE)])
    assert picture.fraction > 0.7 > 0.3 > heard.fraction


def test_a_chunk_whose_last_frame_is_encoded_is_being_proven() -> None:
    first, _ = survey([running(0, 1.0)]).tracks
    assert first.stage == "proving"
    assert first.fraction < 1


def test_a_job_is_whole_only_when_every_task_is_done() -> None:
    tasks = [chunk(0, TaskState.DONE), *branch(0, "720p"), *branch(1, "360p")]
    publishing = make_task("4:publish", TaskState.RUNNING)
    assert survey([*tasks, publishing]).fraction == pytest.approx(0.99)
    assert survey([*tasks, make_task("4:publish", TaskState.DONE)]).fraction == 1


def test_chunks_that_run_side_by_side_add_their_pace() -> None:
    tasks = [running(0, 0.5, fps=40.0, eta_seconds=3.0), running(1, 0.1, fps=2.0, eta_seconds=9.0)]
    first = survey(tasks).tracks[0]
    assert (first.detail["fps"], first.detail["eta_seconds"]) == (42, 9)


def test_the_time_left_follows_the_pace() -> None:
    estimate = Estimate()
    assert estimate.seconds_left(0, 0.0) is None
    assert estimate.seconds_left(10, 0.25) == pytest.approx(30)


def test_the_time_left_forgets_the_pace_of_old() -> None:
    estimate = Estimate()
    for second in range(100):
        estimate.seconds_left(second, second / 1000)
    for second in range(100, 140):
        left = estimate.seconds_left(second, 0.1 + (second - 100) / 100)
    assert left == pytest.approx((1 - 0.49) / 0.01)


def test_a_try_that_begins_anew_gives_no_wild_estimate() -> None:
    estimate = Estimate()
    estimate.seconds_left(0, 0.0)
    estimate.seconds_left(10, 0.5)
    assert estimate.seconds_left(11, 0.1) is None
