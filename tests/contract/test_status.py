"""Section 1: is it there, is it well, what does it do."""

from __future__ import annotations

import httpx2

from adaptation import __version__
from api_kit import Api

ROW = {
    "id", "client", "workflow", "priority", "position", "created_at", "updated_at", "queue_state",
    "failed", "run_at",
}  # fmt: skip
JOBS = {
    "completed", "failed", "pending", "broken", "queued", "started", "scheduled", "paused",
    "max_jobs", "priority_slots",
}  # fmt: skip


def test_anybody_learns_that_it_is_alive(api: Api) -> None:
    answer = httpx2.get(api.url, trust_env=False)

    assert (answer.status_code, answer.json()) == (200, {"result": "alive"})


def test_health_has_exactly_these_fields(api: Api) -> None:
    health = api.readonly.get("/health")

    assert set(health) == {"version", "databases", "queues", "tasks", "jobs"}
    assert health["version"] == __version__
    kind = "sqlite" if api.deployment.store.database.is_sqlite else "postgresql"
    assert health["databases"] == {kind: "OK", "memory": "OK"}
    assert set(api.deployment.registry.queues) <= set(health["queues"])
    for queue in health["queues"].values():
        assert set(queue) == {"workers", "working", "pending"}
    assert set(health["tasks"]) == {"failed", "pending", "processed"}
    assert set(health["jobs"]) == JOBS
    assert {type(number) for number in health["jobs"].values()} == {int}


def test_health_counts_jobs_by_state_and_says_the_limits(api: Api) -> None:
    before = api.admin.get("/health")["jobs"]
    api.client.submit()
    api.client.submit(run_at="2040-06-06T10:00:00.000")
    held = api.client.submit()
    api.client.call("POST", f"/jobs/{held}/pause")
    ended = api.client.submit()
    api.client.call("POST", f"/jobs/{ended}/cancel")
    api.admin.call("POST", "/settings", {"name": "priority_slots", "setting": 1})

    after = api.admin.get("/health")["jobs"]

    grown = {name: after[name] - before[name] for name in JOBS}
    assert grown == dict.fromkeys(JOBS, 0) | {
        "queued": 1, "scheduled": 1, "paused": 1, "broken": 1, "priority_slots": 1,
    }  # fmt: skip
    assert after["max_jobs"] == 2


def test_the_dashboard_has_exactly_these_fields_and_rows(api: Api) -> None:
    queued = api.client.submit(priority=3)
    scheduled = api.client.submit(run_at="2040-06-06T10:00:00.000")

    board = api.client.get("/dashboard")

    assert set(board) == {
        "max_jobs", "priority_slots", "started", "queued", "scheduled", "version",
    }  # fmt: skip
    assert (board["max_jobs"], board["priority_slots"]) == (2, 0)
    assert board["started"] == []
    assert [row["id"] for row in board["queued"]] == [queued]
    assert [row["id"] for row in board["scheduled"]] == [scheduled]
    assert {frozenset(row) for name in ("queued", "scheduled") for row in board[name]} == {
        frozenset(ROW)
    }
    assert board["scheduled"][0]["run_at"] == "2040-06-06T10:00:00.000Z"


def test_the_dashboard_shows_a_client_its_own_jobs_alone(api: Api) -> None:
    job_id = api.client.submit()

    assert api.other.get("/dashboard")["queued"] == []
    assert job_id in [row["id"] for row in api.admin.get("/dashboard")["queued"]]
