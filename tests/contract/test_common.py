"""Section 0: who asks, what is refused, and how every error looks."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from starlette.testclient import TestClient

from adaptation.api.app import make_api
from adaptation.api.auth import Gatekeeper
from adaptation.engine.clients import Role
from api_kit import Api, Caller, error_of

MEBI = 1_048_576
FILM = {"url": "https://example.org/film.mp4"}


def send(
    api: Api, content: bytes, content_type: str | None = "application/json"
) -> httpx2.Response:
    headers = {"client": api.client.name, "api-key": api.client.key}
    if content_type:
        headers["content-type"] = content_type
    return httpx2.post(api.url.rstrip("/") + "/job", content=content, headers=headers)


def submission(**parameters: Any) -> dict[str, Any]:
    return {"job": {"workflow": "line"}, "parameters": {"length": 1, **parameters}}


@pytest.mark.parametrize(
    "headers", [{"client": ""}, {"api-key": ""}, {"client": "", "api-key": ""}]
)
def test_without_both_headers_nothing_is_answered(api: Api, headers: dict[str, str]) -> None:
    body = api.client.refused(401, "GET", "/jobs", headers=headers)

    assert body["code"] == "unauthorized"
    assert "api-key" in body["hint"]


def test_a_key_opens_nothing_under_another_name(api: Api) -> None:
    api.client.refused(401, "GET", "/jobs", headers={"client": api.other.name})


def test_a_wrong_key_and_an_unknown_client_are_refused_alike(api: Api) -> None:
    wrong = api.client.refused(401, "GET", "/jobs", headers={"api-key": api.other.key})
    nobody = api.client.refused(401, "GET", "/jobs", headers={"client": "nobody"})

    assert {**wrong, "request_id": ""} == {**nobody, "request_id": ""}


def test_a_refusal_says_how_to_prove_oneself(api: Api) -> None:
    answer = api.client.call("GET", "/jobs", headers={"api-key": ""})

    assert answer.headers["www-authenticate"] == 'ApiKey realm="adaptation"'


def test_the_body_may_repeat_the_client(api: Api) -> None:
    answer = api.client.call("POST", "/job", {"client": api.client.name, **submission()})

    assert answer.status_code == 200


def test_a_body_of_another_client_is_refused(api: Api) -> None:
    body = {"client": api.other.name, **submission()}

    assert api.client.refused(403, "POST", "/job", body)["code"] == "client_differs"
    assert api.client.get("/jobs") == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/settings", {"name": "max_jobs", "setting": 3}),
        ("PUT", "/scheduler", {"schedule": "queue_scheduled_jobs", "active": True}),
    ],
)
def test_the_fleet_is_set_by_an_admin_alone(
    api: Api, method: str, path: str, body: dict[str, Any]
) -> None:
    for caller in (api.client, api.readonly):
        assert caller.refused(403, method, path, body)["code"] == "forbidden"
    assert api.admin.call(method, path, body).status_code == 200


def test_who_may_only_read_changes_nothing(api: Api) -> None:
    assert api.readonly.refused(403, "POST", "/job", submission())["code"] == "forbidden"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "", None),
        ("PATCH", "", {"priority": 1}),
        ("PUT", "", {"priority": 1}),
        ("POST", "/rerun", None),
        ("GET", "/tasks", None),
        ("POST", "/cancel", None),
    ],
)
def test_a_job_of_another_is_as_unknown_as_none(
    api: Api, method: str, path: str, body: object
) -> None:
    job_id = api.client.submit()
    missing_id = job_id + 1_000_000

    anothers = api.other.refused(404, method, f"/jobs/{job_id}{path}", body)
    missing = api.other.refused(404, method, f"/jobs/{missing_id}{path}", body)

    assert (anothers.pop("id"), missing.pop("id")) == (job_id, missing_id)
    shown = json.dumps({**anothers, "request_id": ""})
    assert json.loads(shown.replace(str(job_id), str(missing_id))) == {**missing, "request_id": ""}
    assert missing["code"] == "job_unknown"


def test_an_admin_sees_the_jobs_of_all(api: Api) -> None:
    job_id = api.client.submit()

    assert api.admin.get(f"/jobs/{job_id}")["client"] == api.client.name
    assert job_id in [row["id"] for row in api.admin.get("/jobs", limit=1000)]


def test_a_state_that_forbids_it_is_a_conflict(api: Api) -> None:
    job_id = api.client.submit()
    api.client.call("POST", f"/jobs/{job_id}/cancel")

    body = api.client.refused(409, "PATCH", f"/jobs/{job_id}", {"priority": 1})

    assert (body["code"], body["id"]) == ("state_forbids", job_id)


@pytest.mark.parametrize(
    ("given", "name", "nearest"),
    [
        ({"job": {"workflow": "line", "priorty": 1}}, "priorty", "priority"),
        ({"job": {"workflow": "line"}, "paramters": {}}, "paramters", "parameters"),
        (
            {"job": {"workflow": "encoding_workflow"}, "parameters": {**FILM, "contentid": "x"}},
            "contentid",
            "content_id",
        ),
    ],
)
def test_an_unknown_field_is_named_with_the_nearest(
    api: Api, given: dict[str, Any], name: str, nearest: str
) -> None:
    body = api.client.refused(400, "POST", "/job", given)

    assert name in body["error"]
    assert nearest in body["error"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "json_invalid"),
        (b'{"job": NaN}', "json_invalid"),
        (b'{"job": 1e999}', "json_invalid"),
        (b'{"job": "\\ud800"}', "json_invalid"),
        (b'{"job": "\xff"}', "json_invalid"),
        (b'{"job": ' + b"9" * 5000 + b"}", "json_invalid"),
        (b'{"job": "\\u0000"}', "text_invalid"),
        (b'{"\\u0000": 1}', "text_invalid"),
        (b"[" * 33 + b"]" * 33, "json_too_deep"),
        (b"[]", "field_invalid"),
        (b"null", "field_invalid"),
        (b"", "field_missing"),
        (b"{}", "field_missing"),
        (b'{"job": 5}', "field_invalid"),
    ],
)
def test_what_is_no_proper_json_is_refused_in_words(api: Api, content: bytes, code: str) -> None:
    answer = send(api, content)

    assert answer.status_code == 400, answer.text
    assert error_of(answer)["code"] == code


def test_a_body_of_a_mebibyte_is_read_and_one_more_byte_is_not(api: Api) -> None:
    frame = json.dumps({"job": {"workflow": "line"}, "parameters": {"length": 1, "note": ""}})
    filled = frame.replace('"note": ""', '"note": "' + "x" * (MEBI - len(frame)) + '"').encode()

    assert len(filled) == MEBI
    assert send(api, filled).status_code == 200
    answer = send(api, filled + b" ")
    assert answer.status_code == 413
    assert error_of(answer)["code"] == "body_too_large"


def test_a_body_that_does_not_tell_its_size_is_limited_too(api: Api) -> None:
    answer = httpx2.post(
        api.url.rstrip("/") + "/job",
        content=(b" " * 65_536 for _ in range(20)),
        headers={"client": api.client.name, "api-key": api.client.key},
    )

    assert answer.status_code == 413


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", None])
def test_what_is_not_json_by_its_type_is_refused(api: Api, content_type: str | None) -> None:
    answer = send(api, json.dumps(submission()).encode(), content_type)

    assert answer.status_code == 415
    assert error_of(answer)["code"] == "not_json"


def test_json_may_name_its_characters(api: Api) -> None:
    answer = send(api, json.dumps(submission()).encode(), "application/json; charset=utf-8")

    assert answer.status_code == 200


def test_a_client_asks_as_often_as_its_rate_says(api: Api) -> None:
    name = f"hasty-{api.client.name}"
    caller = Caller(api.url, name, api.deployment.store.add_client(name, Role.CLIENT, rate=3)[1])

    statuses = [caller.call("GET", "/jobs").status_code for _ in range(4)]
    answer = caller.call("GET", "/jobs")

    assert statuses == [200, 200, 200, 429]
    assert error_of(answer)["code"] == "too_many_requests"
    assert 1 <= int(answer.headers["retry-after"]) <= 21


def test_wrong_keys_are_limited_by_address_and_right_ones_wait_too(api: Api) -> None:
    keeper = Gatekeeper(api.deployment, failed_logins=2)
    application = make_api(api.deployment)
    application.state.gatekeeper = keeper
    with TestClient(application) as web:
        wrong = {"client": "nobody", "api-key": "wrong"}
        statuses = [web.get("/jobs", headers=wrong).status_code for _ in range(3)]
        right = {"client": api.client.name, "api-key": api.client.key}
        answer = web.get("/jobs", headers=right)

    assert statuses == [401, 401, 429]
    assert answer.status_code == 429
    assert 1 <= int(answer.headers["retry-after"]) <= 31


def test_a_client_has_as_many_unfinished_jobs_as_it_may(api: Api) -> None:
    name = f"small-{api.client.name}"
    key = api.deployment.store.add_client(name, Role.CLIENT, most_unfinished=1)[1]
    caller = Caller(api.url, name, key)
    first = caller.submit()

    answer = caller.call("POST", "/job", submission())

    assert answer.status_code == 429
    assert error_of(answer)["code"] == "too_many_jobs"
    assert int(answer.headers["retry-after"]) > 0
    caller.call("POST", f"/jobs/{first}/cancel")
    assert caller.submit() > first


def test_many_at_once_do_not_get_past_the_limit(api: Api) -> None:
    name = f"crowd-{api.client.name}"
    key = api.deployment.store.add_client(name, Role.CLIENT, most_unfinished=3)[1]
    caller = Caller(api.url, name, key)

    with ThreadPoolExecutor(12) as pool:
        asked = [pool.submit(caller.call, "POST", "/job", submission()) for _ in range(12)]
        statuses = sorted(one.result().status_code for one in asked)

    assert statuses == [200] * 3 + [429] * 9


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nowhere", 404, "not_found"),
        ("GET", "/jobs/", 404, "not_found"),
        ("GET", "/jobs/first", 404, "not_found"),
        ("GET", "/jobs/0", 404, "not_found"),
        ("GET", "/jobs/-1", 404, "not_found"),
        ("GET", "/jobs/²", 404, "not_found"),
        ("GET", "/jobs/99999999999999999999", 404, "not_found"),
        ("DELETE", "/jobs", 405, "method_not_allowed"),
    ],
)
def test_what_there_is_not_is_told_in_the_same_form(
    api: Api, method: str, path: str, status: int, code: str
) -> None:
    assert api.client.refused(status, method, path)["code"] == code


def test_a_request_keeps_the_id_it_was_given(api: Api) -> None:
    answer = api.client.call("GET", "/jobs", headers={"X-Request-Id": "trace-1.a_b"})
    strange = api.client.call("GET", "/jobs", headers={"X-Request-Id": "a b"})

    assert answer.headers["x-request-id"] == "trace-1.a_b"
    assert strange.headers["x-request-id"] != "a b"


def test_answers_are_kept_by_nobody_and_taken_for_nothing_else(api: Api) -> None:
    answer = api.client.call("GET", "/jobs")

    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_only_a_hash_of_a_key_is_stored(api: Api) -> None:
    with api.deployment.store.database.read() as connection:
        stored = connection.execute(text("SELECT * FROM client_key")).all()

    assert stored
    assert api.client.key not in str(stored)


def test_no_key_is_logged(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0):
        api.client.get("/jobs")
        api.client.call("GET", "/jobs", headers={"api-key": api.other.key})

    assert api.client.key not in caplog.text
    assert api.other.key not in caplog.text
