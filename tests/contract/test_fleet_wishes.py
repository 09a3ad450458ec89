"""The queue as a whole, and workers that are told to rest or leave: who may, what follows."""

from __future__ import annotations

import pytest

from adaptation.engine.states import Wish
from api_kit import Api
from services import wait_until


def test_an_admin_pauses_the_queue_and_everybody_sees_it(api: Api) -> None:
    before = api.client.get("/queue")
    assert before["paused"] is False

    for _ in range(2):  # the second time changes nothing
        paused = api.admin.call("POST", "/queue/pause").json()
    assert paused["paused"] is True
    assert paused["changed_by"] == api.admin.name
    seen = api.client.get("/queue")
    assert seen["changed_by"] is None, "who it was is told to admins"
    assert seen["changed_at"] == paused["changed_at"]

    job_id = api.client.submit()
    api.deployment.store.admit()
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "queued"
    assert api.admin.call("POST", "/queue/resume").json()["paused"] is False
    api.deployment.store.admit()
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "started"
    api.client.call("POST", f"/jobs/{job_id}/cancel")


@pytest.mark.parametrize("path", ["/queue/pause", "/queue/resume", "/workers/any/1/drain"])
def test_others_may_not(api: Api, path: str) -> None:
    for caller in (api.client, api.readonly):
        caller.refused(403, "POST", path)
    assert api.client.get("/queue")["paused"] is False


def test_a_worker_is_drained_and_goes_on(api: Api) -> None:
    with api.deployment.engine.running(1):
        (worker,) = api.admin.get("/workers")
        assert (worker["wish"], worker["state"]) == ("work", "idle")
        told = api.admin.call("POST", f"/workers/{worker['name']}/drain").json()
        assert told == {"name": worker["name"], "wish": "drain"}
        assert wait_until(lambda: api.admin.get("/workers")[0]["state"] == "draining", 10)

        job_id = api.client.submit()
        assert wait_until(lambda: api.client.get(f"/jobs/{job_id}")["queue_state"] == "started", 10)
        assert api.client.get(f"/jobs/{job_id}/tasks")[0]["state"] == "ready"

        # Its id will do as well.
        api.admin.call("POST", f"/workers/{worker['id']}/resume")
        assert wait_until(
            lambda: api.client.get(f"/jobs/{job_id}")["queue_state"] == "completed", 20
        )


def test_a_worker_tells_how_busy_its_machine_is(api: Api) -> None:
    with api.deployment.engine.running(1):
        load = api.client.get("/workers")[0]["load"]
    assert 0 <= load["cpu"] <= 1
    assert 0 < load["memory_used_bytes"] < load["memory_bytes"]
    assert load["scratch_bytes"] > 0


def test_what_cannot_be_told_is_refused(api: Api) -> None:
    error = api.admin.refused(404, "POST", "/workers/nobody/1/drain")
    assert error["code"] == "worker_unknown"
    with api.deployment.engine.running(1):
        name = api.admin.get("/workers")[0]["name"]
        # The worker is within the server: whoever stopped it would stop what answers.
        error = api.admin.refused(409, "POST", f"/workers/{name}/stop")
        assert error["code"] == "state_forbids"
        assert api.deployment.store.members()[0].process.wish is Wish.WORK


def test_an_admin_sees_who_changed_a_setting_and_where_it_comes_from(api: Api) -> None:
    api.admin.call("POST", "/settings", {"name": "max_jobs", "setting": 3})

    rows = {row["name"]: row for row in api.admin.get("/settings")["settings"]}
    assert rows["max_jobs"]["origin"] == "database"
    assert rows["max_jobs"]["changed_by"] == api.admin.name
    assert rows["max_jobs"]["changed_at"]
    assert rows["priority_threshold"]["origin"] == "default"
    others = {row["name"]: row for row in api.client.get("/settings")["settings"]}
    assert others["max_jobs"]["changed_by"] is None
