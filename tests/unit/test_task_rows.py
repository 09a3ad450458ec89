"""What rows of the API say of tasks."""

from __future__ import annotations

from typing import Any

import pytest

from adaptation.api.rows import task_rows
from adaptation.engine.model import Task
from adaptation.engine.states import TaskState


def row(**facts: Any) -> dict[str, Any]:
    """The row of one task."""
    blank: dict[str, Any] = dict.fromkeys(
        ("detail", "error", "worker_id", "started_at", "finished_at")
    )
    blank |= {"attempt": 1, "losses": 0, "generation": 0, "params": {}, "progress": 0.5}
    blank |= {"key": "k", "name": "encode_chunk", "queue": "transcode", "job_id": 1}
    (made,) = task_rows([Task(id=7, state=TaskState.RUNNING, **{**blank, **facts})], [(7, 3)])
    return made


@pytest.mark.parametrize(
    ("detail", "message"),
    [
        (None, ""),
        (
            {"fps": 64.02, "speed": 2.41, "eta_seconds": 2.2},
            "64 frames/s, 2.4 times real time, 2 s left",
        ),
        ({"fps": 0.0, "speed": 3.72, "eta_seconds": 21.7}, "3.7 times real time, 22 s left"),
        ({"fps": 12.0, "speed": 0, "eta_seconds": None}, "12 frames/s"),
        ({"bytes": 48_200_000}, "48.2 MB"),
        ({"sources": 3}, "sources 3"),
    ],
)
def test_what_a_task_does_is_told_in_words(detail: dict[str, Any] | None, message: str) -> None:
    assert row(detail=detail)["message"] == message


def test_why_a_task_failed_is_told_instead() -> None:
    told = row(detail={"fps": 3.0}, error={"code": "tool_failed", "message": "it failed"})
    assert told["message"] == "it failed"
    assert told["depends_on"] == [3]
