"""Sections 6 and 7: schedules and settings, in force at once; and the lists of section 9."""

from __future__ import annotations

from typing import Any

import pytest

from api_kit import Api
from services import wait_until

DEFAULTS = {
    "max_jobs": 2,
    "priority_slots": 0,
    "priority_threshold": 5,
    "schedule_interval": 60,
    "retry_delay": 5,
    "retry_limit": 3,
}
SCHEDULE = "queue_scheduled_jobs"


def put(api: Api, name: str, value: object) -> dict[str, Any]:
    answer = api.admin.call("POST", "/settings", {"name": name, "setting": value})
    assert answer.status_code == 200, answer.text
    body: dict[str, Any] = answer.json()
    return body


def in_force(api: Api) -> dict[str, Any]:
    listed = api.client.get("/settings")
    assert set(listed) == {"result", "settings", "limits"}
    return {row["name"]: row["setting"] for row in listed["settings"]}


def test_the_settings_have_these_defaults(api: Api) -> None:
    found = in_force(api)

    assert {name: found[name] for name in DEFAULTS} == DEFAULTS


def test_a_row_of_the_settings_has_exactly_these_fields(api: Api) -> None:
    rows = api.client.get("/settings")["settings"]

    assert {frozenset(row) for row in rows} == {
        frozenset(
            {"name", "setting", "default", "least", "most", "meaning"}
            | {"origin", "changed_by", "changed_at"}
        )
    }


@pytest.mark.parametrize("name", DEFAULTS)
def test_each_setting_is_created_then_updated(api: Api, name: str) -> None:
    assert put(api, name, 7) == {"result": "ok", "message": f"{name} setting created"}
    assert put(api, name, "8") == {"result": "ok", "message": f"{name} setting updated"}
    assert in_force(api)[name] == 8


def test_a_setting_is_in_force_at_once(api: Api) -> None:
    put(api, "max_jobs", 11)
    put(api, "priority_slots", 4)

    for place in (api.client.get("/dashboard"), api.client.get("/health")["jobs"]):
        assert (place["max_jobs"], place["priority_slots"]) == (11, 4)


def test_priority_slots_are_taken_from_max_jobs(api: Api) -> None:
    put(api, "max_jobs", 5)
    put(api, "priority_slots", 2)
    for _ in range(6):
        api.client.submit(priority=6)

    api.deployment.store.admit()

    assert len(api.admin.get("/jobs", state=1, limit=100)) == 3
    urgent = [api.client.submit(priority=5) for _ in range(3)]
    api.deployment.store.admit()
    started = {row["id"] for row in api.admin.get("/jobs", state=1, limit=100)}
    assert len(started) == 5
    assert len(started & set(urgent)) == 2
    for row in api.client.get("/jobs", limit=100):
        api.client.call("POST", f"/jobs/{row['id']}/cancel")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("priority_threshold", 0),
        ("max_jobs", -1),
        ("max_jobs", 1.5),
        ("max_jobs", "many"),
        ("max_jobs", ""),
        ("max_jobs", True),
        ("max_jobs", None),
        ("max_jobs", []),
        ("max_jobs", 10**400),
        ("retry_limit", 0),
        ("schedule_interval", 0),
        ("retry_delay", "nan"),
    ],
)
def test_a_value_that_cannot_be_is_refused(api: Api, name: str, value: object) -> None:
    error = api.admin.refused(400, "POST", "/settings", {"name": name, "setting": value})

    assert error["code"] in {"setting_invalid", "field_invalid", "json_invalid"}
    assert in_force(api)[name] == DEFAULTS[name]


def test_an_unknown_setting_is_named_with_the_nearest(api: Api) -> None:
    error = api.admin.refused(400, "POST", "/settings", {"name": "max_job", "setting": 3})

    assert error["code"] == "setting_unknown"
    assert "max_jobs" in error["hint"]


def test_the_schedules_have_exactly_this_shape(api: Api) -> None:
    found = api.client.get("/schedules")

    schedule = found["schedules"][SCHEDULE]
    assert found == {
        "result": "ok",
        "schedules": {
            SCHEDULE: {
                "class": schedule["class"],
                "every": [60, {"first_in": 0}],
                "queue": "scheduler",
                "description": schedule["description"],
                "active": True,
            }
        },
    }
    assert schedule["class"]
    assert schedule["description"]


def test_a_schedule_says_when_it_is_its_turn_again(api: Api) -> None:
    def first_in() -> float:
        return float(api.client.get("/schedules")["schedules"][SCHEDULE]["every"][1]["first_in"])

    api.client.submit(semaphore_url="http://127.0.0.1:1/")
    assert api.deployment.store.semaphores() == ["http://127.0.0.1:1/"]
    assert 50 < first_in() <= 60
    put(api, "schedule_interval", 600)
    assert 590 < first_in() <= 600
    put(api, "schedule_interval", 1)
    assert wait_until(lambda: first_in() == 0, 10)


def test_the_interval_is_the_setting(api: Api) -> None:
    put(api, "schedule_interval", 15)

    assert api.client.get("/schedules")["schedules"][SCHEDULE]["every"][0] == 15


def test_a_schedule_rests_and_goes_on(api: Api) -> None:
    for active in (False, True):
        answer = api.admin.call("PUT", "/scheduler", {"schedule": SCHEDULE, "active": active})
        assert answer.json() == {"result": "ok", "schedules": [SCHEDULE]}
        assert api.client.get("/schedules")["schedules"][SCHEDULE]["active"] is active


def test_an_unknown_schedule_is_not_found(api: Api) -> None:
    error = api.admin.refused(404, "PUT", "/scheduler", {"schedule": "nightly", "active": True})

    assert error["code"] == "schedule_unknown"


def test_nothing_leaves_the_schedule_while_it_rests(api: Api) -> None:
    api.admin.call("PUT", "/scheduler", {"schedule": SCHEDULE, "active": False})
    job_id = api.client.submit(run_at="2020-01-01T00:00:00")

    api.deployment.store.queue_due()
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "scheduled"

    api.admin.call("PUT", "/scheduler", {"schedule": SCHEDULE, "active": True})
    api.deployment.store.queue_due()
    assert api.client.get(f"/jobs/{job_id}")["queue_state"] == "queued"


def test_openapi_describes_every_field_and_parameter(api: Api) -> None:
    document = api.client.call("GET", "/openapi.json").json()

    assert document["openapi"].startswith("3.1")
    silent = [
        f"{name}.{field}"
        for name, schema in document["components"]["schemas"].items()
        for field, facts in schema.get("properties", {}).items()
        if not facts.get("description") and "$ref" not in facts
    ]
    silent += [
        f"{method} {path} {parameter['name']}"
        for path, methods in document["paths"].items()
        for method, route in methods.items()
        for parameter in route.get("parameters", ())
        if not parameter.get("description")
    ]
    silent += [
        f"{method} {path}"
        for path, methods in document["paths"].items()
        for method, route in methods.items()
        if not (route.get("summary") and route.get("description"))
    ]
    assert silent == []
