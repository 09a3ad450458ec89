"""The way out to the network: each connection resolves once, is judged, and goes where it was."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path

import anyio
import anyio.to_thread
import httpcore2
import httpx2

from adaptation.adapters.addresses import AddressPolicy

HASTE_SECONDS = 3.0
"""How long one of several addresses is given to answer before the next one is tried."""
MOST_TRIED = 6
"""So many addresses of a host are tried."""
RESOLVED_AT_ONCE = 256
"""Names whose server hangs hold a thread each, and delay no other."""
_FAILED = (httpcore2.ConnectError, httpcore2.ConnectTimeout)


def trust() -> ssl.SSLContext:
    """The certificates that are believed: the system's, or an operator's own (SSL_CERT_FILE).

    It costs 20 ms to make, so it is made anew only when other ones are named or written.
    """
    named = tuple(os.environ.get(name, "") for name in ("SSL_CERT_FILE", "SSL_CERT_DIR"))
    written = [Path(name).stat().st_mtime_ns for name in named if name and Path(name).exists()]
    return _trust(named, tuple(written))


@lru_cache(maxsize=2)
def _trust(named: tuple[str, ...], written: tuple[int, ...]) -> ssl.SSLContext:  # noqa: ARG001
    return httpx2.create_ssl_context()


class GuardedTransport(httpx2.HTTPTransport):
    """Connects to what a policy allows: no proxy, no UNIX socket; TLS and Host keep the name."""

    def __init__(self, policy: AddressPolicy, verify: ssl.SSLContext) -> None:
        super().__init__(verify)
        # The transport has no way to be given a backend; its pool has.
        self._pool = httpcore2.ConnectionPool(verify, network_backend=_Judging(policy))


class GuardedAsyncTransport(httpx2.AsyncHTTPTransport):
    """As `GuardedTransport`, for an event loop; as many connections as are asked for."""

    def __init__(self, policy: AddressPolicy, verify: ssl.SSLContext) -> None:
        super().__init__(verify)
        self._pool = httpcore2.AsyncConnectionPool(
            verify,
            max_connections=None,
            max_keepalive_connections=100,
            keepalive_expiry=5.0,
            network_backend=_AsyncJudging(policy),
        )


class _Judging(httpcore2.NetworkBackend):
    """Connects to the very address that was judged."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._system = httpcore2.SyncBackend()

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.NetworkStream:
        """Connect to the first address that answers.

        Raises:
            SourceError: `address_forbidden`.
        """
        failure: Exception = _unresolved(host)
        try:
            found = self._policy.addresses(host, port)
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        for address, seconds in _in_turn(found, timeout):
            try:
                return self._system.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
            except _FAILED as error:
                failure = error
        raise failure


class _AsyncJudging(httpcore2.AsyncNetworkBackend):
    """As `_Judging`; names are resolved in threads of their own, none delaying the loop."""

    def __init__(self, policy: AddressPolicy) -> None:
        self._policy = policy
        self._system = httpcore2.AnyIOBackend()
        self._threads = anyio.CapacityLimiter(RESOLVED_AT_ONCE)

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore2.SOCKET_OPTION] | None = None,
    ) -> httpcore2.AsyncNetworkStream:
        """Connect to the first address that answers.

        Raises:
            SourceError: `address_forbidden`.
        """
        failure: Exception = _unresolved(host)
        try:
            found = await anyio.to_thread.run_sync(
                self._policy.addresses, host, port, abandon_on_cancel=True, limiter=self._threads
            )
        except OSError as error:
            raise httpcore2.ConnectError(str(error)) from error
        for address, seconds in _in_turn(found, timeout):
            try:
                return await self._system.connect_tcp(
                    address, port, seconds, local_address, socket_options
                )
            except _FAILED as error:
                failure = error
        raise failure


def _in_turn(addresses: Sequence[str], timeout: float | None) -> Iterator[tuple[str, float | None]]:
    """Addresses, each with the seconds it is given: all the time there is for the last one."""
    tried = addresses[:MOST_TRIED]
    for address in tried[:-1]:
        yield address, HASTE_SECONDS if timeout is None else min(HASTE_SECONDS, timeout)
    for address in tried[-1:]:
        yield address, timeout


def _unresolved(host: str) -> httpcore2.ConnectError:
    return httpcore2.ConnectError(f"{host} has no address")
