"""Who asks: a client with its key, what it may do, and how often."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Header, Request
from sqlalchemy.exc import SQLAlchemyError

from adaptation import tracing
from adaptation.api.problems import Problem
from adaptation.engine.clients import Client, Role
from adaptation.wiring import Deployment

FAILED_LOGINS = 60
"""Wrong keys that one address may send in a minute."""
MOST_ADDRESSES = 10_000
"""As many are remembered; the oldest is forgotten first."""


@dataclass
class Buckets:
    """How much each of many may do in a minute: a bucket that fills up evenly."""

    _left: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def wait_seconds(self, name: str, a_minute: int, *, take: bool = True) -> float:
        """How long to wait until one more is allowed; 0: it is, and taken if wanted."""
        now = time.monotonic()
        with self._lock:
            left, since = self._left.pop(name, (float(a_minute), now))
            left = min(float(a_minute), left + (now - since) * a_minute / 60)
            allowed = left >= 1
            self._left[name] = (left - 1 if allowed and take else left, now)
            if len(self._left) > MOST_ADDRESSES:
                self._left.popitem(last=False)
            return 0.0 if allowed else (1 - left) * 60 / a_minute


@dataclass(frozen=True)
class Gatekeeper:
    """What the routes of one server know of those who ask."""

    deployment: Deployment
    failed_logins: int = FAILED_LOGINS
    requests: Buckets = field(default_factory=Buckets)
    failures: Buckets = field(default_factory=Buckets)

    def admit(self, request: Request, name: str, key: str) -> Client:
        """The client whose key this is.

        Raises:
            Problem: 401, or 429 after too many wrong keys or requests.
        """
        address = request.client.host if request.client else ""
        wait = self.failures.wait_seconds(address, self.failed_logins, take=False)
        _refuse_too_many(wait, "wrong keys")
        client = self.deployment.store.authenticate(name, key) if name and key else None
        if client is None:
            self.failures.wait_seconds(address, self.failed_logins)
            raise Problem(
                401,
                "the headers client and api-key name no client" if name and key else "no api-key",
                hint="Send the headers client and api-key; `adaptation client add` makes a key.",
                headers={"WWW-Authenticate": 'ApiKey realm="adaptation"'},
            )
        if client.rate is not None:
            _refuse_too_many(self.requests.wait_seconds(client.name, client.rate), "requests")
        request.state.client = client.name
        tracing.note(client=client.name)
        return client


def caller(
    request: Request,
    client: Annotated[str, Header(description="Name of the client.")] = "",
    api_key: Annotated[str, Header(description="One of its keys.")] = "",
) -> Client:
    """The client that asks."""
    keeper: Gatekeeper = request.app.state.gatekeeper
    return keeper.admit(request, client, api_key)


Caller = Annotated[Client, Depends(caller)]


def caller_or_outage(
    request: Request,
    client: Annotated[str, Header(description="Name of the client.")] = "",
    api_key: Annotated[str, Header(description="One of its keys.")] = "",
) -> Client | None:
    """The client that asks; None: the database that knows all clients is away."""
    try:
        return caller(request, client, api_key)
    except SQLAlchemyError:
        return None


CallerOrOutage = Annotated[Client | None, Depends(caller_or_outage)]


async def writer(asking: Caller) -> Client:
    """The client that asks for a change."""
    if asking.role is Role.READONLY:
        raise Problem(403, f"client {asking.name} may only read", hint="Use another client's key.")
    return asking


Writer = Annotated[Client, Depends(writer)]


async def admin(asking: Caller) -> Client:
    """The administrator that asks."""
    if asking.role is not Role.ADMIN:
        raise Problem(
            403, f"client {asking.name} is no admin", hint="Use the key of a client that is."
        )
    return asking


Admin = Annotated[Client, Depends(admin)]


def deployment_of(request: Request) -> Deployment:
    """The engine behind the server."""
    keeper: Gatekeeper = request.app.state.gatekeeper
    return keeper.deployment


async def _engine(request: Request) -> Deployment:
    # Asynchronous, as all that asks nobody: what is not is run in a thread.
    return deployment_of(request)


Engine = Annotated[Deployment, Depends(_engine)]


def _refuse_too_many(wait: float, what: str) -> None:
    if wait > 0:
        seconds = int(wait) + 1
        raise Problem(
            429,
            f"too many {what} within a minute",
            hint=f"Ask again in {seconds} s.",
            headers={"Retry-After": str(seconds)},
        )
