"""The database or the broker is away: what is answered then, and that it comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest

import brokers
from adaptation.api.server import serving
from adaptation.settings import Settings
from api_kit import Api, ContractDeployment, enrolled, error_of
from brokers import Broker
from postgres import Postgres, running_postgres
from services import wait_until


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """A PostgreSQL that may be stopped."""
    with running_postgres() as server:
        yield server


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    """A Redis that may be stopped."""
    with brokers.running(brokers.Redis, tmp_path_factory.mktemp("redis")) as broker:
        yield broker


@pytest.fixture
def api(home: Path, database: Postgres, redis: Broker) -> Iterator[Api]:
    """A server between both."""
    settings = Settings(
        home=home, database_url=database.make_database(), broker_url=redis.url, port=0
    )
    deployment = ContractDeployment(settings)
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0) as url, httpx2.Client(trust_env=False) as web:
        yield enrolled(deployment, url, web)
    deployment.store.close()


def test_without_its_broker_it_is_not_well_and_accepts_jobs(api: Api, redis: Broker) -> None:
    assert api.client.get("/health")["databases"] == {"postgresql": "OK", "redis": "OK"}
    redis.stop()
    try:
        answer = api.client.call("GET", "/health")
        job_id = api.client.submit()
    finally:
        redis.start()

    assert answer.status_code == 500
    body = answer.json()
    databases = body.pop("databases")
    assert set(body) == {"error", "code", "hint", "request_id"}
    assert body["code"] == "unhealthy"
    assert "redis" in body["error"]
    assert databases["postgresql"] == "OK"
    assert databases["redis"] != "OK"
    assert api.client.get(f"/jobs/{job_id}")["id"] == job_id
    assert wait_until(lambda: api.client.call("GET", "/health").status_code == 200)


def test_without_its_database_it_says_when_to_ask_again(api: Api, database: Postgres) -> None:
    job = {"job": {"workflow": "line"}, "parameters": {"length": 1}}
    job_id = api.client.submit()
    database.stop()
    try:
        alive = httpx2.get(api.url, trust_env=False)
        answers = [
            api.client.call("GET", "/jobs"),
            api.client.call("POST", "/job", job),
        ]
        health = api.client.call("GET", "/health")
    finally:
        database.start()

    assert alive.json() == {"result": "alive"}
    for answer in answers:
        assert answer.status_code == 503, answer.text
        assert int(answer.headers["retry-after"]) > 0
        assert error_of(answer)["code"] == "database_unavailable"
    assert health.status_code == 500, health.text
    assert health.json()["databases"] == {"postgresql": "it does not answer", "redis": "OK"}
    assert "postgresql" in health.json()["error"]
    assert str(database.port) not in health.text, "whoever asks has shown no key"
    assert [row["id"] for row in api.client.get("/jobs")] == [job_id]


def test_a_short_pause_of_the_database_is_not_noticed(api: Api, database: Postgres) -> None:
    api.client.submit()

    database.cut_off()

    assert api.client.submit()
