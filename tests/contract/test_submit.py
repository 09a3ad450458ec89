"""Section 2: what is accepted, what is refused, and once means once."""

from __future__ import annotations

import re
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from api_kit import Api

FILM = {"url": "https://example.org/film.mp4"}
FULL: dict[str, Any] = {
    "workflow": "line",
    "priority": 5,
    "run_at": "2040-06-06T10:00:00.000",
    "semaphore_url": "https://example.org/ready",
    "persist": False,
}


def body(parameters: Mapping[str, Any] | None = None, **job: Any) -> dict[str, Any]:
    return {"job": {"workflow": "line", **job}, "parameters": parameters or {"length": 1}}


def test_an_accepted_job_is_answered_under_both_names(api: Api) -> None:
    answer = api.client.call("POST", "/job", {"client": api.client.name, **body(None, **FULL)})

    assert answer.status_code == 200, answer.text
    job_id = answer.json()["id"]
    assert answer.json() == {"id": job_id, "job_id": job_id, "result": "accepted"}
    assert isinstance(job_id, int)


def test_ids_grow(api: Api) -> None:
    ids = [api.client.submit() for _ in range(3)]

    assert ids == sorted(set(ids))


def test_what_is_not_said_has_its_default(api: Api) -> None:
    row = api.client.get(f"/jobs/{api.client.submit()}")

    assert (row["priority"], row["run_at"], row["failed"]) == (5, None, False)
    assert row["queue_state"] == "queued"
    assert row["client"] == api.client.name
    assert api.client.get("/jobs", persist=1) == []


@pytest.mark.parametrize("given", [*range(1, 11), "1", "10", " 7 "])
def test_priorities_go_from_1_to_10_also_in_writing(api: Api, given: int | str) -> None:
    job_id = api.client.submit(priority=given)

    assert api.client.get(f"/jobs/{job_id}")["priority"] == int(given)


@pytest.mark.parametrize("given", [0, 11, -1, "0", "11", "high", "", 2.5, True, None, [], 10**30])
def test_no_other_priority_is_accepted(api: Api, given: object) -> None:
    error = api.client.refused(400, "POST", "/job", body(priority=given))

    assert "job.priority" in error["error"]
    assert api.client.get("/jobs") == []


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("2040-06-06T10:00:00.000", "2040-06-06T10:00:00.000Z"),
        ("2040-06-06T10:00:00.123Z", "2040-06-06T10:00:00.123Z"),
        ("2040-06-06T10:00:00", "2040-06-06T10:00:00.000Z"),
        ("2040-06-06T12:00:00+02:00", "2040-06-06T10:00:00.000Z"),
    ],
)
def test_a_moment_is_utc_with_or_without_the_z(api: Api, given: str, shown: str) -> None:
    row = api.client.get(f"/jobs/{api.client.submit(run_at=given)}")

    assert (row["run_at"], row["queue_state"]) == (shown, "scheduled")


@pytest.mark.parametrize(
    "given",
    ["tomorrow", "", 5, "2040-13-01T00:00:00", "9999-12-31T23:59:59-05:00",
     "0001-01-01T00:00:00+05:00"],
)  # fmt: skip
def test_no_other_moment_is_accepted(api: Api, given: object) -> None:
    error = api.client.refused(400, "POST", "/job", body(run_at=given))

    assert "job.run_at" in error["error"]


def test_moments_in_answers_have_milliseconds_and_a_z(api: Api) -> None:
    row = api.client.get(f"/jobs/{api.client.submit()}")

    for name in ("created_at", "updated_at"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", row[name])


@pytest.mark.parametrize("given", ["ftp://example.org/x", "no address", "", 5, "http://[::1"])
def test_a_semaphore_is_a_web_address(api: Api, given: object) -> None:
    error = api.client.refused(400, "POST", "/job", body(semaphore_url=given))

    assert "semaphore_url" in error["error"]


@pytest.mark.parametrize(
    ("parameters", "name"),
    [
        ({}, "url"),
        ({"url": 5}, "url"),
        ({**FILM, "segment_seconds": "many"}, "segment_seconds"),
        ({**FILM, "renditions": 5}, "renditions"),
        ({**FILM, "colour": 1}, "colour"),
    ],
)
def test_a_wrong_parameter_is_named_and_nothing_is_stored(
    api: Api, parameters: dict[str, Any], name: str
) -> None:
    job = {"job": {"workflow": "encoding_workflow"}, "parameters": parameters}

    error = api.client.refused(400, "POST", "/job", job)

    assert name in error["error"]
    assert error["code"].startswith("parameter_")
    assert api.client.get("/jobs") == []


def test_an_unknown_workflow_is_refused_with_those_there_are(api: Api) -> None:
    error = api.client.refused(400, "POST", "/job", body(workflow="vodstraem"))

    assert error["code"] == "workflow_unknown"
    assert "encoding_workflow" in error["hint"]


@pytest.mark.parametrize(
    "given", [{"parameters": {}}, {"job": {}}, {"job": None}, {"job": {"workflow": None}}]
)
def test_a_job_names_its_workflow(api: Api, given: dict[str, Any]) -> None:
    assert "job" in api.client.refused(400, "POST", "/job", given)["error"]


def test_the_same_key_with_the_same_words_gives_the_first_job(api: Api) -> None:
    once = {"Idempotency-Key": "film-1"}

    first = api.client.call("POST", "/job", body(), headers=once)
    again = api.client.call("POST", "/job", body(), headers=once)

    assert first.status_code == again.status_code == 200
    assert first.json() == again.json()
    assert len(api.client.get("/jobs")) == 1


def test_the_same_key_with_other_words_is_a_conflict(api: Api) -> None:
    once = {"Idempotency-Key": "film-1"}
    job_id = api.client.call("POST", "/job", body(), headers=once).json()["id"]

    error = api.client.refused(409, "POST", "/job", body(priority=1), headers=once)

    assert error["code"] == "idempotency_conflict"
    assert str(job_id) in error["error"]


def test_a_key_is_known_to_one_client_alone(api: Api) -> None:
    once = {"Idempotency-Key": "film-1"}

    ids = {
        caller.call("POST", "/job", body(), headers=once).json()["id"]
        for caller in (api.client, api.other)
    }

    assert len(ids) == 2


def test_a_key_of_more_than_255_letters_is_refused(api: Api) -> None:
    api.client.refused(400, "POST", "/job", body(), headers={"Idempotency-Key": "k" * 256})


def test_without_a_key_each_submission_is_a_job(api: Api) -> None:
    assert api.client.submit() != api.client.submit()


def test_twenty_at_once_with_one_key_store_one_job(api: Api) -> None:
    once = {"Idempotency-Key": "crowd"}

    with ThreadPoolExecutor(20) as pool:
        answers = list(
            pool.map(lambda _: api.client.call("POST", "/job", body(), headers=once), range(20))
        )

    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["id"] for answer in answers}) == 1
    assert len(api.client.get("/jobs")) == 1


def test_custom_data_comes_back_exactly(api: Api) -> None:
    custom = {"n": 1.5, "list": [None, True, "ü\u2028"], "url": "https://user:word@example.org/"}
    parameters = {**FILM, "output_folder": "films/custom", "custom_data": custom}

    job_id = api.client.submit("encoding_workflow", parameters)

    assert api.client.get(f"/jobs/{job_id}")["parameters"]["custom_data"] == custom
