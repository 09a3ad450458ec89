"""Section 5, and what is seen only when jobs run: their states, logs and schedule."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from adaptation.engine.tasks import TaskRun, WorkflowDefinition, task
from adaptation.errors import SourceError
from api_kit import Api, ContractDeployment
from gates import Gates, serving
from services import wait_until

LINE = {
    "id", "job_id", "task_id", "severity", "severity_description", "progname", "message", "visible",
    "created_at", "updated_at",
}  # fmt: skip
PROGRAMS = {"api", "controller", "worker", "callback", "scheduler"}
SECRET = "https://user:word@example.org/film.mp4?sig=abc123"


@task("light")
def talk(context: dict[str, Any], run: TaskRun[Any]) -> dict[str, Any]:
    """Log a line of each kind, then do as it is told."""
    run.log("debugging", logging.DEBUG)
    run.log(f"fetching {SECRET}")
    run.log("careful", logging.WARNING)
    if context.get("fail"):
        raise SourceError("it has no picture")
    return context


@pytest.fixture
def talking(api: Api) -> Iterator[Api]:
    """The API with a worker in its process, and a workflow that talks."""
    assert isinstance(api.deployment, ContractDeployment)
    registry = api.deployment.registry
    registry.add_tasks(talk)
    registry.add_workflow(WorkflowDefinition("talk", dict, lambda given: talk.s(**given)))
    with api.deployment.engine.running(2):
        yield api


def ended(api: Api, job_id: int) -> dict[str, Any]:
    """The row of a job that has ended."""

    def has_ended() -> bool:
        state = api.client.get(f"/jobs/{job_id}")["queue_state"]
        return state in {"completed", "broken"}

    assert wait_until(has_ended, 30)
    row: dict[str, Any] = api.client.get(f"/jobs/{job_id}")
    return row


def test_lines_have_exactly_these_fields_oldest_first(talking: Api) -> None:
    job_id = talking.client.submit("talk", {})
    ended(talking, job_id)

    lines = talking.client.get(f"/logs/{job_id}")

    assert {frozenset(line) for line in lines} == {frozenset(LINE)}
    assert [line["id"] for line in lines] == sorted(line["id"] for line in lines)
    assert {line["progname"] for line in lines} <= PROGRAMS
    assert {line["job_id"] for line in lines} == {job_id}
    assert all(line["created_at"] == line["updated_at"] for line in lines)
    first = lines[0]
    assert (first["message"], first["task_id"], first["progname"]) == ("accepted talk", 0, "api")
    careful = next(line for line in lines if line["message"] == "careful")
    assert (careful["severity"], careful["severity_description"]) == (30, "warning")
    assert (careful["progname"], careful["visible"]) == ("worker", True)
    assert careful["task_id"] == talking.client.get(f"/jobs/{job_id}/tasks")[0]["id"]


def test_debug_lines_are_shown_when_asked_for(talking: Api) -> None:
    job_id = talking.client.submit("talk", {})
    ended(talking, job_id)

    usual = talking.client.get(f"/logs/{job_id}")
    everything = talking.client.get(f"/logs/{job_id}", show_all=1)

    assert all(line["visible"] for line in usual)
    hidden = [line for line in everything if not line["visible"]]
    assert "debugging" in [line["message"] for line in hidden]
    assert {line["severity"] for line in hidden} == {10}
    assert [line for line in everything if line["visible"]] == usual
    assert talking.client.get(f"/logs/{job_id}", show_all=0) == usual


def test_credentials_are_masked(talking: Api) -> None:
    job_id = talking.client.submit("talk", {})
    ended(talking, job_id)

    told = str(talking.client.get(f"/logs/{job_id}", show_all=1))

    assert "fetching https://" in told
    assert "word" not in told
    assert "abc123" not in told


def test_logs_of_another_and_of_no_job_are_not_found(talking: Api) -> None:
    job_id = talking.client.submit("talk", {})
    ended(talking, job_id)

    assert talking.other.refused(404, "GET", f"/logs/{job_id}")["id"] == job_id
    talking.client.refused(404, "GET", f"/logs/{job_id + 1_000_000}")
    assert talking.admin.get(f"/logs/{job_id}")


def test_a_job_that_ends_well_is_completed(talking: Api) -> None:
    job_id = talking.client.submit("fan", {"width": 2})

    row = ended(talking, job_id)

    assert (row["queue_state"], row["failed"], row["position"]) == ("completed", False, None)
    assert job_id in [one["id"] for one in talking.client.get("/jobs", state=2)]
    assert job_id in [one["id"] for one in talking.client.get("/jobs", state=2, failed=0)]
    assert talking.client.get("/jobs", state=2, failed=1) == []
    tasks = talking.client.get(f"/jobs/{job_id}/tasks")
    assert {one["state"] for one in tasks} == {"done"}
    assert {one["progress"] for one in tasks} == {1.0}


def test_a_job_that_ends_badly_is_completed_and_failed(talking: Api) -> None:
    job_id = talking.client.submit("talk", {"fail": True})

    row = ended(talking, job_id)

    assert (row["queue_state"], row["failed"]) == ("completed", True)
    assert [one["id"] for one in talking.client.get("/jobs", state=2, failed=1)] == [job_id]
    one = talking.client.get(f"/jobs/{job_id}/tasks")[0]
    assert (one["state"], one["message"]) == ("failed", "it has no picture")
    error = next(line for line in talking.client.get(f"/logs/{job_id}") if line["severity"] == 40)
    assert "it has no picture" in error["message"]


def test_a_scheduled_job_says_when_it_will_run(talking: Api) -> None:
    job_id = talking.client.submit("talk", {}, run_at="2040-06-06T10:00:00.000")

    lines = [line["message"] for line in talking.client.get(f"/logs/{job_id}")]

    assert 'Job will run at: "2040-06-06T10:00:00.000Z"' in lines
    talking.client.call("PATCH", f"/jobs/{job_id}", {"run_at": "2041-06-06T10:00:00"})
    lines = [line["message"] for line in talking.client.get(f"/logs/{job_id}")]
    assert 'Job will run at: "2041-06-06T10:00:00.000Z"' in lines


def test_a_job_runs_when_its_time_has_passed(talking: Api) -> None:
    job_id = talking.client.submit("talk", {}, run_at="2020-01-01T00:00:00")

    assert ended(talking, job_id)["queue_state"] == "completed"
    progress = [line["message"] for line in talking.client.get(f"/logs/{job_id}")]
    assert "queued: its time has come" in progress


@pytest.fixture
def gates() -> Iterator[Gates]:
    """Addresses that answer with the status they name."""
    gates = Gates()
    with serving(gates):
        yield gates


def test_a_job_waits_until_its_semaphore_answers_well(talking: Api, gates: Gates) -> None:
    talking.admin.call("POST", "/settings", {"name": "schedule_interval", "setting": 1})
    waiting = talking.client.submit("talk", {}, semaphore_url=gates.url(404))
    passing = talking.client.submit("talk", {}, semaphore_url=gates.url(200))
    moved = talking.client.submit("talk", {}, semaphore_url=gates.url(302))

    assert ended(talking, passing)["queue_state"] == "completed"
    assert ended(talking, moved)["queue_state"] == "completed"
    assert talking.client.get(f"/jobs/{waiting}")["queue_state"] == "scheduled"
    talking.client.call("POST", f"/jobs/{waiting}/cancel")


def test_a_workers_row_has_exactly_these_fields(talking: Api) -> None:
    assert wait_until(lambda: bool(talking.admin.get("/workers")))

    rows = talking.client.get("/workers")

    assert {frozenset(row) for row in rows} == {
        frozenset(
            {"name", "queues", "state", "tasks", "slots", "heartbeat_seconds", "version",
             "free_scratch_bytes", "id", "wish", "load"}
        )
    }  # fmt: skip
    queues = talking.admin.get("/health")["queues"]
    assert queues["light"]["workers"] >= 1
