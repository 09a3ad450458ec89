"""Who may do what: every route there is, asked by everybody there is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest

from adaptation.api.app import make_api
from adaptation.api.server import serving
from adaptation.engine.clients import Role
from adaptation.engine.terms import Terms
from adaptation.settings import Settings
from api_kit import Api, Caller, ContractDeployment, enrolled

CALLERS = ("nobody", "wrong key", "other", "readonly", "admin", "client")
ELSEWHERE, GONE = "http://127.0.0.1:9/elsewhere", "http://127.0.0.1:9/gone"
ENDLESS = "GET /events"
SCHEDULE = {"schedule": "queue_scheduled_jobs", "active": True}


@dataclass(frozen=True)
class Expected:
    """The statuses that a route answers each caller with."""

    other: int = 200
    """A client whose job it is not, where there is one."""
    readonly: int = 200
    """A client that may only read, and whose job it is."""
    admin: int = 200
    client: int = 200
    """Whose job it is."""
    nobody: int = 401


OPEN = Expected(nobody=200)
SEEN_BY_ALL = Expected()
OWN = Expected(other=404)
CHANGES_OWN = Expected(other=404, readonly=403)
CHANGES_NOTHING_OF_OTHERS = Expected(readonly=403)
STILL_SENT = Expected(other=404, readonly=403, admin=409, client=409)
NOT_MADE_YET = Expected(other=404, readonly=403, admin=409, client=409)
ENABLED_BY_ITS_OWN = Expected(other=404, readonly=403, admin=404)
ADMIN_ONLY = Expected(other=403, readonly=403, client=403)
ADMIN_ONLY_AND_NOBODY_THERE = Expected(other=403, readonly=403, client=403, admin=404)

KINDS: dict[str, tuple[Expected, object]] = {
    "GET /": (OPEN, None),
    "GET /livez": (OPEN, None),
    "GET /readyz": (OPEN, None),
    "GET /health": (SEEN_BY_ALL, None),
    "GET /dashboard": (SEEN_BY_ALL, None),
    "GET /overview": (SEEN_BY_ALL, None),
    "GET /queue": (SEEN_BY_ALL, None),
    "POST /queue/pause": (ADMIN_ONLY, None),
    "POST /queue/resume": (ADMIN_ONLY, None),
    "GET /metrics": (ADMIN_ONLY, None),
    "GET /callbacks/endpoints": (SEEN_BY_ALL, None),
    "POST /callbacks/endpoints/disable": (CHANGES_NOTHING_OF_OTHERS, {"url": ELSEWHERE}),
    "POST /callbacks/endpoints/enable": (ENABLED_BY_ITS_OWN, {"url": GONE}),
    "GET /events": (SEEN_BY_ALL, None),
    "GET /jobs": (SEEN_BY_ALL, None),
    "GET /workers": (SEEN_BY_ALL, None),
    "POST /workers/{worker}/drain": (ADMIN_ONLY_AND_NOBODY_THERE, None),
    "POST /workers/{worker}/resume": (ADMIN_ONLY_AND_NOBODY_THERE, None),
    # Where there is no broker the only worker is in the process that answers.
    "POST /workers/{worker}/stop": (Expected(403, 403, admin=409, client=403), None),
    "GET /workflows": (SEEN_BY_ALL, None),
    "GET /workflows/{name}": (SEEN_BY_ALL, None),
    "GET /schedules": (SEEN_BY_ALL, None),
    "GET /settings": (SEEN_BY_ALL, None),
    "POST /settings": (ADMIN_ONLY, {"name": "max_jobs", "setting": 2}),
    "PUT /scheduler": (ADMIN_ONLY, SCHEDULE),
    "POST /schedules/{schedule}/run": (ADMIN_ONLY, None),
    "POST /job": (
        CHANGES_NOTHING_OF_OTHERS,
        {"job": {"workflow": "line"}, "parameters": {"length": 1}},
    ),
    "GET /jobs/{job_id}": (OWN, None),
    "GET /jobs/{job_id}/tasks": (OWN, None),
    "GET /jobs/{job_id}/events": (OWN, None),
    "GET /jobs/{job_id}/quality": (OWN, None),
    "POST /jobs/{job_id}/quality": (NOT_MADE_YET, None),
    "GET /logs/{job_id}": (OWN, None),
    "GET /jobs/{job_id}/callbacks": (OWN, None),
    "POST /jobs/{job_id}/callbacks/{delivery_id}/redeliver": (STILL_SENT, None),
    "PATCH /jobs/{job_id}": (CHANGES_OWN, {"priority": 2}),
    "PUT /jobs/{job_id}": (CHANGES_OWN, {"priority": 2}),
    "POST /jobs/{job_id}/rerun": (CHANGES_OWN, None),
    "POST /jobs/{job_id}/retry": (CHANGES_OWN, None),
    "POST /jobs/{job_id}/cancel": (CHANGES_OWN, None),
    "POST /jobs/{job_id}/pause": (CHANGES_OWN, None),
    "POST /jobs/{job_id}/resume": (CHANGES_OWN, None),
}
"""Every route, what each caller is answered, and a body that is right."""

BEFORE: dict[str, Callable[[Any, int], object]] = {
    "POST /jobs/{job_id}/resume": lambda store, job_id: store.pause(job_id),
    "POST /jobs/{job_id}/retry": lambda store, job_id: store.cancel(job_id),
    # A stream of a job that has ended ends by itself.
    "GET /jobs/{job_id}/events": lambda store, job_id: store.cancel(job_id),
    "POST /callbacks/endpoints/enable": (
        lambda store, job_id: store.disable_end_point(store.job(job_id).client, GONE)
    ),
    # It is told of its end.
    "POST /jobs/{job_id}/callbacks/{delivery_id}/redeliver": (
        lambda store, job_id: store.cancel(job_id)
    ),
}
"""What must have happened to a job for a request to make sense."""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A server with two clients, a reader and an admin."""
    deployment = ContractDeployment(Settings(home=tmp_path_factory.mktemp("api"), port=0))
    deployment.store.migrate()
    # Two wrong keys a route: on a quick machine more than an address may send in a minute.
    server = serving(deployment, "127.0.0.1", 0, failed_logins=2 * len(KINDS))
    with server as url, httpx2.Client(trust_env=False) as web:
        yield enrolled(deployment, url, web, "-of-a")
    deployment.store.close()


def routes(folder: Path) -> set[str]:
    """Every route that is described, and those that describe."""
    paths = make_api(ContractDeployment(Settings(home=folder))).openapi()["paths"]
    return {f"{method.upper()} {path}" for path, methods in paths.items() for method in methods}


def test_every_route_is_classified(tmp_path: Path) -> None:
    assert routes(tmp_path) == set(KINDS)


@pytest.mark.parametrize("caller", CALLERS)
@pytest.mark.parametrize("route", KINDS)
def test_everybody_is_answered_as_they_should_be(api: Api, route: str, caller: str) -> None:
    expected, body = KINDS[route]
    method, path = route.split(" ")
    job_id = _job_of(api, (api.readonly if caller == "readonly" else api.client).name)
    if route in BEFORE:
        BEFORE[route](api.deployment.store, job_id)
    told = api.deployment.store.deliveries(job_id)
    delivery_id = told[-1].id if told else 0
    names = {"name": "encoding_workflow", "worker": "nobody", "schedule": SCHEDULE["schedule"]}
    path = path.format(job_id=job_id, delivery_id=delivery_id, **names)
    named = {
        "nobody": (api.client, {"client": "", "api-key": ""}),
        "wrong key": (api.client, {"api-key": api.other.key}),
    }
    who, headers = named.get(caller) or (getattr(api, caller), {})
    wanted = expected.nobody if caller in named else getattr(expected, caller)

    if route == ENDLESS:
        assert begun(who, headers) == wanted
        return
    answer = who.call(method, path, body, headers=headers)

    assert answer.status_code == wanted, answer.text
    if wanted in {401, 403, 404}:
        owner = api.deployment.store.job(job_id).client
        assert who.name == owner or owner not in answer.text
        assert api.deployment.store.job(job_id).priority == 5
    api.deployment.store.cancel(job_id)


def begun(caller: Caller, headers: Mapping[str, str]) -> int:
    """How a stream that does not end by itself begins."""
    named = {"client": caller.name, "api-key": caller.key, **headers}
    given = {name: value for name, value in named.items() if value}
    url = f"{caller.url.rstrip('/')}/events"
    assert caller.web is not None
    with caller.web.stream("GET", url, headers=given, timeout=30) as answer:
        return answer.status_code


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
def test_the_description_is_open(api: Api, path: str) -> None:
    assert httpx2.get(api.url.rstrip("/") + path, trust_env=False).status_code == 200


def test_lists_and_boards_show_nothing_of_another(api: Api) -> None:
    newcomer, key, _ = api.deployment.store.add_client("newcomer", Role.CLIENT)
    asking = Caller(api.url, newcomer.name, key)
    job_id = _job_of(api, api.client.name)
    api.client.call("PATCH", f"/jobs/{job_id}", {"persist": True})

    for query in ({}, {"job_ids": job_id}, {"search": "secret-film"}, {"persist": 1}, {"state": 0}):
        assert asking.get("/jobs", **query) == []
    assert asking.get("/dashboard")["queued"] == []
    assert job_id in [row["id"] for row in api.admin.get("/jobs", search="secret-film")]


def test_end_points_are_their_client_s_own(api: Api) -> None:
    mine = {"url": "http://127.0.0.1:9/mine?token=abc"}
    for_me = {**mine, "client": api.client.name}
    paths = [f"/callbacks/endpoints/{what}" for what in ("disable", "enable")]

    assert api.client.call("POST", paths[0], mine).status_code == 200
    listed = api.client.get("/callbacks/endpoints")
    assert [one["url"] for one in listed if "mine" in one["url"]] == [
        "http://127.0.0.1:9/mine?token=***"
    ]
    assert {one["client"] for one in listed} == {api.client.name}
    assert "mine" not in str(api.other.get("/callbacks/endpoints"))
    for path in paths:
        assert api.other.call("POST", path, for_me).status_code == 403
    asked = api.other.call("GET", "/callbacks/endpoints", client=api.client.name)
    assert asked.status_code == 403

    assert api.admin.get("/callbacks/endpoints", client=api.client.name) == listed
    assert all(one in api.admin.get("/callbacks/endpoints") for one in listed)
    assert api.admin.call("POST", paths[1], for_me).status_code == 200
    assert "mine" not in str(api.client.get("/callbacks/endpoints"))


def test_one_does_not_follow_the_key_of_another(api: Api) -> None:
    job = {"job": {"workflow": "line"}, "parameters": {"length": 1}}
    once = {"Idempotency-Key": "the same"}

    mine = api.client.call("POST", "/job", job, headers=once).json()["id"]
    theirs = api.other.call("POST", "/job", job, headers=once).json()["id"]

    assert mine != theirs


def _job_of(api: Api, name: str) -> int:
    """A job; who may only read has had another role before."""
    parameters = {
        "length": 1,
        "content_id": "secret-film",
        "rest_endpoints": ["http://127.0.0.1:9/told"],
    }
    return api.deployment.engine.submit("line", parameters, terms=Terms(name)).id
