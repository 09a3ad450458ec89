"""What the clients of the API can make the service connect to: a canary counts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

import canary
from adaptation.api import server
from adaptation.engine.model import Job
from adaptation.settings import load_settings
from api_kit import Api, Caller, ContractDeployment, enrolled
from canary import Canary
from services import wait_until
from spellings import ELSEWHERE, LOOPBACK_NAMES, LOOPBACK_NUMBERS

NUMBERS = [host for host in (*LOOPBACK_NUMBERS, *ELSEWHERE[::6]) if not host.endswith(".")]
LAN = "127.20.0.0/16"
INSIDE = "127.20.3.4"


@contextmanager
def serving(networks: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server that may reach these networks; jobs wait until somebody runs them."""
    monkeypatch.setenv("ADAPTATION_ALLOWED_NETWORKS", networks)
    monkeypatch.setenv("ADAPTATION_CALLBACK_SCHEDULE", "0")
    deployment = ContractDeployment(load_settings())
    deployment.store.migrate()
    deployment.store.set_setting("max_jobs", 100)
    deployment.store.set_setting("schedule_interval", 1)
    with server.serving(deployment, "127.0.0.1", 0) as url, httpx2.Client(trust_env=False) as web:
        yield enrolled(deployment, url, web)
    deployment.close()


@pytest.fixture
def api(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server that may reach public addresses alone."""
    with serving("", monkeypatch) as served:
        yield served


@pytest.fixture
def everywhere() -> Iterator[Canary]:
    with canary.listening() as found:
        yield found


def with_source(url: str) -> dict[str, Any]:
    return {"job": {"workflow": "encoding_workflow"}, "parameters": {"url": url}}


def with_semaphore(url: str) -> dict[str, Any]:
    return {"job": {"workflow": "line", "semaphore_url": url}, "parameters": {"length": 1}}


def with_endpoint(url: str) -> dict[str, Any]:
    return {"job": {"workflow": "line"}, "parameters": {"length": 1, "rest_endpoints": [url]}}


KINDS: tuple[Callable[[str], dict[str, Any]], ...] = (with_source, with_semaphore, with_endpoint)


def submitted(caller: Caller, body: dict[str, Any]) -> int:
    response = caller.call("POST", "/job", body)
    assert response.status_code == 200, response.text
    return int(response.json()["id"])


def ended(api: Api, job_id: int) -> Job:
    assert wait_until(lambda: api.deployment.store.job(job_id).ended, 20)
    return api.deployment.store.job(job_id)


def doubts(api: Api, job_id: int) -> list[str]:
    """What a job's log says of an address that is not asked."""
    lines = [line.message for line in api.deployment.store.logs(job_id)]
    return [line for line in lines if "cannot be asked" in line]


def answers(api: Api, job_id: int) -> list[str]:
    """What the tries at a job's callbacks came to, once all are over."""
    store = api.deployment.store
    assert wait_until(lambda: all(one.state != "pending" for one in store.deliveries(job_id)), 20)
    return [f"{one.state} {one.answer}" for one in store.deliveries(job_id)]


@pytest.mark.parametrize("kind", KINDS)
def test_a_forbidden_number_is_refused_before_anything_is_stored(
    api: Api, everywhere: Canary, kind: Callable[[str], dict[str, Any]]
) -> None:
    for host in NUMBERS:
        body = kind(f"http://{host}:{everywhere.port}/film.mp4")
        refused = api.client.refused(400, "POST", "/job", body)
        assert refused["code"] == "address_forbidden", host
        assert "ADAPTATION_ALLOWED_NETWORKS" in refused["hint"]
    assert len(NUMBERS) > 80
    planned = api.client.call("POST", "/job", body, dry_run=1).status_code
    assert planned == (200 if kind is with_semaphore else 400), "a plan waits for nothing"
    assert api.admin.get("/jobs") == []
    assert everywhere.hits == 0


def test_a_waiting_job_cannot_be_turned_to_a_forbidden_number(api: Api, everywhere: Canary) -> None:
    job_id = api.client.submit("line", {"length": 1}, run_at="2999-01-01T00:00:00Z")
    for host in NUMBERS[::4]:
        change = {"semaphore_url": f"http://{host}:{everywhere.port}/"}
        refused = api.client.refused(400, "PATCH", f"/jobs/{job_id}", change)
        assert refused["code"] == "address_forbidden", host
    assert api.deployment.store.job(job_id).semaphore_url is None


@pytest.mark.usefixtures("home")
def test_a_forbidden_name_is_refused_when_it_is_resolved(api: Api, everywhere: Canary) -> None:
    urls = [f"http://{host}:{everywhere.port}/film.mp4" for host in LOOPBACK_NAMES[:3]]
    sources, waiting, told = ([submitted(api.client, kind(url)) for url in urls] for kind in KINDS)

    with api.deployment.engine.running(4):
        for job_id in sources:
            error = ended(api, job_id).error
            assert error is not None
            assert error["code"] == "address_forbidden"
        for job_id in told:
            assert ended(api, job_id).succeeded, "its end point is not the job's fault"
            assert all(
                "dead localhost is this machine" in text.lower() for text in answers(api, job_id)
            )
        assert wait_until(lambda: all(doubts(api, job_id) for job_id in waiting), 20)
    assert all(api.deployment.store.job(job_id).semaphore_url for job_id in waiting)
    assert "ADAPTATION_ALLOWED_HOSTS" in doubts(api, waiting[0])[0]
    assert everywhere.hits == 0


def test_a_network_that_the_operator_allows_is_reached(
    home: Path, everywhere: Canary, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(LAN, monkeypatch) as api:
        url = f"http://{INSIDE}:{everywhere.port}/film.mp4"
        source, waiting, told = (submitted(api.client, kind(url)) for kind in KINDS)
        api.client.refused(
            400, "POST", "/job", with_source(f"http://127.21.3.4:{everywhere.port}/")
        )

        with api.deployment.engine.running(4):
            error = ended(api, source).error
            assert ended(api, waiting).succeeded
            assert ended(api, told).succeeded
            assert all(text.startswith("delivered") for text in answers(api, told))
    assert error is not None
    assert error["code"] == "source_not_media", "its four bytes were fetched"
    assert everywhere.hits >= 5


def test_what_one_client_may_reach_no_other_one_may(api: Api, everywhere: Canary) -> None:
    api.deployment.store.change_client(
        api.client.name, limits={"allowed_networks": [LAN], "allowed_hosts": ["localhost"]}
    )
    number, name = (f"http://{host}:{everywhere.port}/film.mp4" for host in (INSIDE, "localhost"))
    for kind in KINDS:
        api.other.refused(400, "POST", "/job", kind(number))
    theirs = [submitted(api.other, kind(name)) for kind in KINDS]
    mine = [submitted(api.client, kind(url)) for url in (number, name) for kind in KINDS]

    with api.deployment.engine.running(4):
        assert [ended(api, job_id).succeeded for job_id in mine] == [False, True, True] * 2
        for job_id in (mine[2], mine[5]):
            assert all(text.startswith("delivered") for text in answers(api, job_id))
        reached = everywhere.hits
        error = ended(api, theirs[0]).error
        assert wait_until(lambda: bool(doubts(api, theirs[1])), 20)
        assert all(text.startswith("dead") for text in answers(api, theirs[2]))
    assert error is not None
    assert error["code"] == "address_forbidden"
    assert reached == everywhere.hits >= 10
    assert not any(doubts(api, job_id) for job_id in mine)
