"""How far a job is, worked out from its tasks."""

from __future__ import annotations

from typing import Any

import pytest

from adaptation.cli.progress import Estimate, survey, track_names
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


def branch(number: int, name: str, encoding: Task | None = None, **params: Any) -> list[Task]:
    done = TaskState.DONE
    first = make_task(
        f"{HEADER}.{number}.0:compute_target_size", done, params={"name": name, **params}
    )
    middle = encoding or make_task(f"{HEADER}.{number}.1:transcode", done)
    last_state = done if middle.state is done else TaskState.WAITING
    return [first, middle, make_task(f"{HEADER}.{number}.2:chunk_hls", last_state)]


def running(number: int, progress: float, **detail: float) -> Task:
    key = f"{HEADER}.{number}.1:transcode"
    return make_task(key, TaskState.RUNNING, progress=progress, detail=detail)


def test_before_the_source_is_read_there_are_no_tracks() -> None:
    progress = survey([make_task("0:download_file", TaskState.RUNNING, progress=0.5)])
    assert progress.tracks == ()
    assert progress.fraction == 0


def test_each_branch_of_the_fan_out_is_a_track() -> None:
    tasks = [*branch(0, "720p", height=720), *branch(1, "360p", running(1, 0.5), height=360)]
    progress = survey(tasks)
    assert [(track.name, track.stage) for track in progress.tracks] == [
        ("720p", "done"),
        ("360p", "encoding"),
    ]
    assert progress.done == 1
    assert track_names(tasks)[tasks[4].id] == "360p"


def test_a_large_picture_counts_for_more_than_a_small_one() -> None:
    large = [*branch(0, "1080p", height=1080), *branch(1, "144p", running(1, 0.0), height=144)]
    small = [*branch(0, "1080p", running(0, 0.0), height=1080), *branch(1, "144p", height=144)]
    assert survey(large).fraction > 0.7 > 0.3 > survey(small).fraction


def test_a_track_whose_last_frame_is_encoded_is_being_proven() -> None:
    (track,) = survey(branch(0, "720p", running(0, 1.0), height=720)).tracks
    assert track.stage == "proving"
    assert track.fraction < 1


def test_a_job_is_whole_only_when_every_task_is_done() -> None:
    tasks = branch(0, "720p", height=720)
    publishing = make_task("4:publish", TaskState.RUNNING)
    assert survey([*tasks, publishing]).fraction == pytest.approx(0.99)
    assert survey([*tasks, make_task("4:publish", TaskState.DONE)]).fraction == 1


def test_frames_a_second_add_up_over_the_tracks() -> None:
    tasks = [*branch(0, "a", running(0, 0.5, fps=40.0)), *branch(1, "b", running(1, 0.1, fps=2.0))]
    assert survey(tasks).fps == 42


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
