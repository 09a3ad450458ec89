"""Section 4: one job, looked at, changed, run again; and what of section 9 is done to one."""

from __future__ import annotations

from typing import Any

import pytest

from api_kit import Api
from contract.test_list import LISTED


def change(api: Api, job_id: int, method: str = "PATCH", **fields: Any) -> dict[str, Any]:
    answer = api.client.call(method, f"/jobs/{job_id}", fields)
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    assert set(body) == {"id", "result"}
    assert body["id"] == job_id
    return body


def row(api: Api, job_id: int) -> dict[str, Any]:
    found: dict[str, Any] = api.client.get(f"/jobs/{job_id}")
    return found


def test_one_job_has_exactly_these_fields(api: Api) -> None:
    job_id = api.client.submit(priority=1)

    found = row(api, job_id)

    assert set(found) == LISTED | {"top_of_queue"}
    assert found["top_of_queue"] is (found["position"] == 1)


def test_what_waits_for_a_time_has_no_place_in_the_queue(api: Api) -> None:
    found = row(api, api.client.submit(run_at="2040-01-01T00:00:00"))

    assert (found["position"], found["top_of_queue"]) == (None, False)


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize(
    ("given", "name", "shown"),
    [
        ({"priority": 2}, "priority", 2),
        ({"priority": "3"}, "priority", 3),
        ({"run_at": "2040-06-06T10:00:00.000"}, "run_at", "2040-06-06T10:00:00.000Z"),
        ({"queue_state": "paused"}, "queue_state", "paused"),
        ({"queue_state": "broken"}, "queue_state", "broken"),
    ],
)
def test_each_field_is_changed_and_named(
    api: Api, method: str, given: dict[str, Any], name: str, shown: object
) -> None:
    job_id = api.client.submit()

    answer = change(api, job_id, method, **given)

    assert answer["result"] == f"Performed updates: {name}"
    assert row(api, job_id)[name] == shown


@pytest.mark.parametrize("method", ["PATCH", "PUT"])
@pytest.mark.parametrize("spelling", ["semaphore_url", "sempahore_url"])
def test_a_semaphore_is_taken_in_both_spellings(api: Api, method: str, spelling: str) -> None:
    job_id = api.client.submit()

    answer = change(api, job_id, method, **{spelling: "https://example.org/ready"})

    assert answer["result"] == "Performed updates: semaphore_url"
    assert row(api, job_id)["queue_state"] == "scheduled"
    assert api.deployment.store.job(job_id).semaphore_url == "https://example.org/ready"


def test_whether_it_is_kept_is_changed(api: Api) -> None:
    job_id = api.client.submit()

    assert change(api, job_id, persist=True)["result"] == "Performed updates: persist"
    assert [one["id"] for one in api.client.get("/jobs", persist=1)] == [job_id]


def test_several_fields_are_changed_at_once(api: Api) -> None:
    job_id = api.client.submit()

    answer = change(api, job_id, queue_state="paused", priority="1", persist=True)

    assert answer["result"] == "Performed updates: queue_state, priority, persist"


def test_a_time_and_a_semaphore_are_taken_away_again(api: Api) -> None:
    job_id = api.client.submit(
        run_at="2040-01-01T00:00:00", semaphore_url="https://example.org/ready"
    )

    change(api, job_id, run_at=None, semaphore_url=None)

    assert row(api, job_id)["run_at"] is None
    assert api.deployment.store.job(job_id).semaphore_url is None


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({}, "nothing"),
        ({"queue_state": "started"}, "queue_state"),
        ({"queue_state": 5}, "queue_state"),
        ({"priority": 11}, "priority"),
        ({"priority": "high"}, "priority"),
        ({"priority": None}, "priority"),
        ({"persist": None}, "persist"),
        ({"persist": "perhaps"}, "persist"),
        ({"run_at": "soon"}, "run_at"),
        ({"semaphore_url": "ftp://example.org"}, "semaphore_url"),
        ({"semaphore": "https://example.org"}, "semaphore_url"),
        ({"workflow": "fan"}, "workflow"),
        ([], "body"),
    ],
)
def test_what_cannot_be_changed_so_is_named(api: Api, given: object, named: str) -> None:
    job_id = api.client.submit()

    error = api.client.refused(400, "PATCH", f"/jobs/{job_id}", given)

    assert named in error["error"]
    assert error["id"] == job_id
    assert row(api, job_id)["queue_state"] == "queued"


def test_a_change_that_is_refused_in_part_changes_nothing(api: Api) -> None:
    job_id = api.client.submit()
    change(api, job_id, queue_state="broken")

    api.client.refused(409, "PATCH", f"/jobs/{job_id}", {"queue_state": "paused", "persist": True})

    assert api.client.get("/jobs", persist=1) == []


def test_a_running_job_may_be_paused(api: Api) -> None:
    job_id = api.client.submit()
    api.deployment.store.admit(job_id)

    change(api, job_id, queue_state="paused")

    assert row(api, job_id)["queue_state"] == "paused"


def test_the_same_state_twice_is_no_error(api: Api) -> None:
    job_id = api.client.submit()

    for _ in range(2):
        change(api, job_id, queue_state="broken")


def test_a_job_that_has_ended_is_not_paused(api: Api) -> None:
    job_id = api.client.submit()
    change(api, job_id, queue_state="broken")

    error = api.client.refused(409, "PATCH", f"/jobs/{job_id}", {"queue_state": "paused"})

    assert (error["code"], error["id"]) == ("state_forbids", job_id)


def test_a_rerun_does_the_same_and_breaks_the_old_one(api: Api) -> None:
    parameters = {"length": 1, "content_id": "film", "custom_data": {"n": 1}}
    job_id = api.client.submit(parameters=parameters, priority=3)

    answer = api.client.call("POST", f"/jobs/{job_id}/rerun")

    assert answer.status_code == 200, answer.text
    new_id = answer.json()["id"]
    assert answer.json() == {"id": new_id, "job_id": new_id, "result": "accepted"}
    assert new_id > job_id
    assert row(api, job_id)["queue_state"] == "broken"
    found = row(api, new_id)
    assert (found["parameters"], found["priority"]) == (parameters, 3)
    assert found["client"] == api.client.name
    assert api.client.refused(404, "POST", f"/jobs/{new_id + 1_000_000}/rerun")["id"]


def test_a_job_is_held_goes_on_and_ends(api: Api) -> None:
    job_id = api.client.submit()

    for action, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "broken")):
        answer = api.client.call("POST", f"/jobs/{job_id}/{action}")
        assert (answer.status_code, set(answer.json())) == (200, {"id", "result"})
        assert row(api, job_id)["queue_state"] == state
    for action in ("pause", "resume"):
        assert api.client.refused(409, "POST", f"/jobs/{job_id}/{action}")["id"] == job_id


def test_what_was_cancelled_is_tried_again(api: Api) -> None:
    job_id = api.client.submit(parameters={"length": 2})
    api.client.call("POST", f"/jobs/{job_id}/cancel")

    answer = api.client.call("POST", f"/jobs/{job_id}/retry")

    assert answer.json() == {"id": job_id, "result": "2 tasks run again"}
    assert row(api, job_id)["queue_state"] == "queued"
    assert api.client.refused(409, "POST", f"/jobs/{job_id}/retry")["code"] == "state_forbids"


def test_tasks_have_exactly_these_fields(api: Api) -> None:
    job_id = api.client.submit(parameters={"length": 2})

    first, second = api.client.get(f"/jobs/{job_id}/tasks")

    assert first == {
        "id": first["id"], "name": "count_one", "queue": "light", "state": "ready", "attempt": 0,
        "progress": 0.0, "worker": None, "started_at": None, "finished_at": None, "message": "",
        "depends_on": [],
    }  # fmt: skip
    assert (second["state"], second["depends_on"]) == ("waiting", [first["id"]])
