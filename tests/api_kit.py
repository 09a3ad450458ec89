"""A real API server of a test, and clients of every role that call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import httpx2

from adaptation.api.server import serving
from adaptation.engine.clients import Role
from adaptation.engine.tasks import Registry
from adaptation.wiring import Deployment
from adaptation.workflows import encoding
from engine_kit import small_registry

ERROR_FIELDS = {"error", "code", "hint", "request_id"}
ROLES = {
    "admin": Role.ADMIN,
    "client": Role.CLIENT,
    "other": Role.CLIENT,
    "readonly": Role.READONLY,
}


@dataclass(frozen=True)
class Caller:
    """One client of a server."""

    url: str
    name: str
    key: str
    web: httpx2.Client | None = field(default=None, repr=False)
    """Connections that are kept; None: a new one for each request."""

    def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: object,
    ) -> httpx2.Response:
        """Send one request with the client's headers."""
        named = {"client": self.name, "api-key": self.key, **(headers or {})}
        given = {name: value for name, value in named.items() if value}
        options: dict[str, Any] = {
            "json": body,
            "params": {name.rstrip("_"): str(value) for name, value in query.items()},
            "headers": given,
            "timeout": 30,
        }
        address = self.url.rstrip("/") + path
        if self.web is None:
            return httpx2.request(method, address, trust_env=False, **options)
        return self.web.request(method, address, **options)

    def get(self, path: str, **query: object) -> Any:
        """The body of a good answer to a GET."""
        response = self.call("GET", path, None, headers=None, **query)
        assert response.status_code == 200, response.text
        return response.json()

    def submit(
        self, workflow: str = "line", parameters: Mapping[str, Any] | None = None, **job: Any
    ) -> int:
        """The id of a job that is accepted."""
        given = {"length": 1} if parameters is None else parameters
        body = {"job": {"workflow": workflow, **job}, "parameters": given}
        response = self.call("POST", "/job", body)
        assert response.status_code == 200, response.text
        return int(response.json()["id"])

    def refused(
        self,
        status: int,
        method: str,
        path: str,
        body: object = None,
        *,
        headers: Mapping[str, str] | None = None,
        **query: object,
    ) -> dict[str, Any]:
        """The body of a request that is answered with an error, in the form all errors have."""
        response = self.call(method, path, body, headers=headers, **query)
        assert response.status_code == status, response.text
        return error_of(response)


@dataclass(frozen=True)
class Api:
    """A server with a client of each role, and another client."""

    deployment: Deployment
    url: str
    admin: Caller
    client: Caller
    other: Caller
    readonly: Caller


@dataclass(frozen=True)
class ContractDeployment(Deployment):
    """The engine as it is, with workflows beside its own that take next to no time."""

    @cached_property
    def registry(self) -> Registry:
        registry = small_registry()
        encoding.register(registry, self.settings.assets_root, self.settings.profiles)
        return registry


def error_of(response: httpx2.Response) -> dict[str, Any]:
    """The body of an error, which has the fields of all errors."""
    body: dict[str, Any] = response.json()
    assert set(body) - {"id"} == ERROR_FIELDS, body
    assert body["request_id"] == response.headers["x-request-id"]
    assert body["error"]
    return body


@contextmanager
def running_api(deployment: Deployment) -> Iterator[Api]:
    """Serve a deployment for the length of a block."""
    deployment.store.migrate()
    with serving(deployment, "127.0.0.1", 0) as url:
        yield enrolled(deployment, url)


def enrolled(
    deployment: Deployment, url: str, web: httpx2.Client | None = None, suffix: str = ""
) -> Api:
    """New clients of each role, who know nothing of each other."""
    callers = {}
    for name, role in ROLES.items():
        known, key = deployment.store.add_client(name + suffix, role)[:2]
        callers[name] = Caller(url, known.name, key, web)
    return Api(deployment, url, **callers)
