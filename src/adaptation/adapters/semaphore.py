"""Asking an address whether a job that waits for it may run."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from contextlib import suppress

import httpx2

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.http import connection

TIMEOUT_SECONDS = 5.0
"""How long an answer is waited for in all."""


def answers_well(
    url: str,
    stop: threading.Event,
    limits: Mapping[str, object] | None = None,
    *,
    timeout_seconds: float = TIMEOUT_SECONDS,
    policy: AddressPolicy = PUBLIC_ONLY,
) -> bool:
    """Whether a GET is answered with a 2xx or 3xx status; redirects are not followed.

    Args:
        url: http or https; user and password in it are sent, and never shown.
        stop: set from elsewhere to give up at once.
        limits: what one client may reach besides, see `AddressPolicy.granting`.
        timeout_seconds: of the whole exchange.
        policy: which addresses may be reached.

    Raises:
        SourceError: `address_forbidden`, `source_url`: it will not answer later either.
    """
    timer = threading.Timer(timeout_seconds, stop.set)
    timer.daemon = True
    timer.start()
    try:
        with suppress(httpx2.TransportError), connection(stop, policy.granting(limits)) as link:
            return 200 <= link.status(url) < 400 and not stop.is_set()
    finally:
        timer.cancel()
    return False
