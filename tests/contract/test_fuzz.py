"""Whatever is sent, no answer is a fault of the server, and each is as it is described."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2
import hypothesis
import pytest
import requests
from hypothesis import strategies
from schemathesis import GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from adaptation.api.server import serving
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from adaptation.workflows.parameters import EncodingParameters
from api_kit import Api, Caller, enrolled

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
STREAMS = ("/jobs/{job_id}/events", "/events")
"""They last as long as a job, or for ever, and have tests of their own."""
FEW, FEWER, MANY = 100, 50, 5_000
WORDS = strategies.one_of(
    strategies.text(max_size=20),
    strategies.sampled_from(
        ["", "0", "-1", "1e999", "NaN", "null", "../x", "/etc/passwd", "http://[::1", "\ufeff", "²",
         "9" * 400, "2040-06-06T10:00:00", "9999-12-31T23:59:59-23:59", "https://user:x@host/f",
         "films/%00", "\U0010ffff", "main", "auto"]
    ),
)  # fmt: skip
LEAVES = strategies.one_of(
    strategies.none(),
    strategies.booleans(),
    strategies.integers(),
    strategies.sampled_from([2**31, 2**63, -(2**63) - 1, 10**40, 0.1, 1e308]),
    strategies.floats(allow_nan=False, allow_infinity=False),
    WORDS,
)
VALUES = strategies.recursive(
    LEAVES,
    lambda inner: strategies.one_of(
        strategies.lists(inner, max_size=4), strategies.dictionaries(WORDS, inner, max_size=4)
    ),
    max_leaves=8,
)
PARAMETERS = strategies.dictionaries(
    strategies.sampled_from([*EncodingParameters.model_fields, "unknown"]), VALUES, max_size=6
)
TERMS = strategies.dictionaries(
    strategies.sampled_from(["priority", "run_at", "semaphore_url", "persist"]),
    VALUES,
    max_size=3,
)


@pytest.fixture
def api(home: Path, postgres_url: str) -> Iterator[Api]:
    """A server on PostgreSQL, which is stricter than SQLite; nobody runs its jobs."""
    deployment = Deployment(Settings(home=home, database_url=postgres_url, port=0))
    deployment.store.migrate()
    # Wrong keys are sent, too: they must not shut out the right ones.
    server = serving(deployment, "127.0.0.1", 0, failed_logins=1_000_000)
    with server as url, httpx2.Client(trust_env=False) as web:
        yield enrolled(deployment, url, web)
    deployment.store.close()


def tried(run: Callable[..., None], cases: int) -> None:
    """Run a property for so many cases; few are the same ones each time."""
    frame = hypothesis.settings(
        max_examples=cases,
        deadline=None,
        database=None,
        derandomize=cases < MANY,
        suppress_health_check=list(hypothesis.HealthCheck),
    )
    frame(run)()


def cases_of(api: Api) -> strategies.SearchStrategy[Any]:
    """Requests to every route: such as are described, and such as are not."""
    document = api.admin.call("GET", "/openapi.json").json()
    for stream in STREAMS:
        document["paths"].pop(stream)
    schema = openapi.from_dict(document)
    kinds = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            kinds.append(operation.as_strategy(generation_mode=mode))
    return strategies.one_of(kinds)


def fuzz(api: Api, cases: int) -> None:
    """Send requests of all kinds as an admin and as a client."""
    seen: dict[int, int] = {}
    session = requests.Session()
    session.trust_env = False

    @hypothesis.given(cases_of(api), strategies.sampled_from([api.admin, api.client]))
    def each(case: Any, caller: Caller) -> None:
        headers = {"client": caller.name, "api-key": caller.key}
        response = case.call(base_url=api.url.rstrip("/"), headers=headers, session=session)
        case.validate_response(response, checks=CHECKS)
        seen[response.status_code] = seen.get(response.status_code, 0) + 1

    with session:
        tried(each, cases)
    assert seen[200] > cases / 20, seen
    assert seen[400] > cases / 20, seen


def fuzz_jobs(api: Api, cases: int) -> None:
    """Submit jobs that are nearly right."""

    @hypothesis.given(PARAMETERS, TERMS, strategies.booleans(), strategies.booleans())
    def each(
        parameters: dict[str, Any], terms: dict[str, Any], has_url: bool, as_admin: bool
    ) -> None:
        caller = api.admin if as_admin else api.client
        if has_url:
            parameters = {"url": "https://example.org/film.mp4", **parameters}
        body = {"job": {"workflow": "encoding_workflow", **terms}, "parameters": parameters}
        response = caller.call("POST", "/job", body)
        assert response.status_code in {200, 400, 409}, response.text
        if response.status_code == 200:
            shown = caller.get(f"/jobs/{response.json()['id']}")
            assert shown["parameters"].get("custom_data") == parameters.get("custom_data")
            caller.call("POST", f"/jobs/{shown['id']}/cancel")

    tried(each, cases)


def test_no_request_meets_a_fault_of_the_server(api: Api) -> None:
    fuzz(api, FEW)


def test_no_job_meets_a_fault_of_the_server(api: Api) -> None:
    fuzz_jobs(api, FEWER)


@pytest.mark.long
def test_no_request_of_thousands_meets_a_fault_of_the_server(api: Api) -> None:
    fuzz(api, MANY)


@pytest.mark.long
def test_no_job_of_thousands_meets_a_fault_of_the_server(api: Api) -> None:
    fuzz_jobs(api, MANY)
