"""A real API server of a test, and clients of every role that call it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from adaptation.api.server import serving
from adaptation.engine.clients import Role
from adaptation.wiring import Deployment


@dataclass(frozen=True)
class Caller:
    """One client of a server."""

    url: str
    name: str
    key: str

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
        return httpx2.request(
            method,
            self.url.rstrip("/") + path,
            json=body,
            params={name.rstrip("_"): str(value) for name, value in query.items()},
            headers=given,
            timeout=30,
            trust_env=False,
        )

    def get(self, path: str, **query: object) -> Any:
        """The body of a good answer to a GET."""
        response = self.call("GET", path, None, headers=None, **query)
        assert response.status_code == 200, response.text
        return response.json()


@dataclass(frozen=True)
class Api:
    """A server with a client of each role, and another client."""

    deployment: Deployment
    url: str
    admin: Caller
    client: Caller
    other: Caller
    readonly: Caller


@contextmanager
def running_api(deployment: Deployment) -> Iterator[Api]:
    """Serve a deployment for the length of a block."""
    deployment.store.migrate()
    keys = {
        name: deployment.store.add_client(name, role)[1]
        for name, role in (
            ("admin", Role.ADMIN),
            ("client", Role.CLIENT),
            ("other", Role.CLIENT),
            ("readonly", Role.READONLY),
        )
    }
    with serving(deployment, "127.0.0.1", 0) as url:
        callers = {name: Caller(url, name, key) for name, key in keys.items()}
        yield Api(deployment, url, **callers)
