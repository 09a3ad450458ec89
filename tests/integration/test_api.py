"""The API in short: a job goes in over HTTP and is found again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import clips
from adaptation.wiring import Deployment, deploy
from api_kit import Api, running_api

MEDIA = {"url": "https://example.org/film.mp4"}


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    """A server whose jobs nobody runs."""
    deployment: Deployment = deploy()
    with running_api(deployment) as served:
        yield served
    deployment.store.close()


def body(**job: object) -> dict[str, object]:
    return {"job": {"workflow": "encoding_workflow", **job}, "parameters": MEDIA}


def test_a_job_that_is_accepted_is_found_again(api: Api) -> None:
    answer = api.client.call("POST", "/job", body(priority="3"))

    assert answer.status_code == 200, answer.text
    job_id = answer.json()["id"]
    assert answer.json() == {"id": job_id, "job_id": job_id, "result": "accepted"}
    row = api.client.get(f"/jobs/{job_id}")
    assert (row["queue_state"], row["priority"], row["position"]) == ("queued", 3, 1)
    assert [one["id"] for one in api.client.get("/jobs")] == [job_id]
    assert api.other.get("/jobs") == []
    assert api.other.call("GET", f"/jobs/{job_id}").status_code == 404


@pytest.mark.parametrize(
    "path", ["/health", "/dashboard", "/jobs", "/settings", "/schedules", "/workers"]
)
def test_whoever_has_a_key_is_answered(api: Api, path: str) -> None:
    assert api.readonly.get(path) is not None
    assert api.client.call("GET", path, headers={"api-key": "wrong"}).status_code == 401


def test_the_same_key_with_the_same_words_stores_one_job(api: Api) -> None:
    once = {"Idempotency-Key": "film-1"}

    first = api.client.call("POST", "/job", body(), headers=once)
    again = api.client.call("POST", "/job", body(), headers=once)
    other = api.client.call("POST", "/job", body(priority=1), headers=once)

    assert first.json() == again.json()
    assert other.status_code == 409
    assert other.json()["code"] == "idempotency_conflict"


def test_an_unknown_field_is_named_with_the_nearest(api: Api) -> None:
    answer = api.client.call("POST", "/job", body(priorty=1))

    assert answer.status_code == 400
    assert "priorty" in answer.json()["error"]
    assert "priority" in answer.json()["hint"]


def test_a_job_is_held_goes_on_and_ends(api: Api) -> None:
    job_id = api.client.call("POST", "/job", body()).json()["id"]

    held = api.client.call("PATCH", f"/jobs/{job_id}", {"queue_state": "paused", "priority": "1"})
    assert held.json()["result"] == "Performed updates: queue_state, priority"
    assert api.client.call("POST", f"/jobs/{job_id}/resume").status_code == 200
    assert api.client.call("POST", f"/jobs/{job_id}/cancel").status_code == 200
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "broken"
    assert api.client.call("POST", f"/jobs/{job_id}/pause").status_code == 409
    again = api.client.call("POST", f"/jobs/{job_id}/rerun").json()["id"]
    assert again > job_id


def test_an_unknown_filter_is_named_with_the_nearest(api: Api) -> None:
    answer = api.client.call("GET", "/jobs", limt=3)

    assert answer.status_code == 400
    assert "Did you mean limit?" in answer.json()["hint"]


def test_a_dry_run_tells_what_a_job_would_do_and_stores_nothing(api: Api, plain: Path) -> None:
    wanted = {"job": {"workflow": "encoding_workflow"}, "parameters": {"url": str(plain)}}

    told = api.admin.call("POST", "/job", wanted, dry_run=1)
    refused = api.client.call("POST", "/job", wanted, dry_run=1)

    assert told.status_code == 200, told.text
    plan = told.json()
    assert plan["sure"] in {"exact", "measured"}
    assert {"ladder", "cpu_seconds", "wall_seconds", "output_bytes", "scratch_bytes"} <= set(plan)
    assert {"name": "publish", "queue": "publish", "count": 1} in plan["tasks"]
    assert refused.json()["code"] == "path_outside"
    assert api.admin.get("/jobs") == []


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))
