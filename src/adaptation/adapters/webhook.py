"""Callbacks over HTTP: one signed POST and what it was answered (Standard Webhooks 1.0)."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

import httpx2

from adaptation import __version__
from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.guard import GuardedAsyncTransport, trust
from adaptation.errors import SourceError

TIMEOUT_SECONDS = 15.0
"""For the whole exchange."""
REST_SECONDS = 2.0
"""For the body of an answer: what it means stands in its status, which has come by then."""
MOST_ANSWER_BYTES = 65_536
"""As much of an answer is read."""
SECRET_PREFIX = "whsec_"  # noqa: S105 - not a secret, what one begins with


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int | None
    """HTTP status; None: nothing came, `text` says why."""
    text: str
    retry_after_seconds: float = 0.0
    """How long the receiver asked to be left alone."""

    @property
    def is_good(self) -> bool:
        """Whether the callback is taken; a redirection is not."""
        return self.status is not None and 200 <= self.status < 300


class Sender:
    """Sends callbacks within one event loop; never follows a redirection or a proxy."""

    def __init__(
        self,
        timeout_seconds: float = TIMEOUT_SECONDS,
        rest_seconds: float = REST_SECONDS,
        *,
        policy: AddressPolicy = PUBLIC_ONLY,
    ) -> None:
        self._timeout_seconds = timeout_seconds
        self._rest_seconds = rest_seconds
        self._policy = policy
        self._clients: dict[tuple[bool, AddressPolicy], httpx2.AsyncClient] = {}

    async def send(
        self,
        url: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        verify_tls: bool = True,
        limits: Mapping[str, object] | None = None,
    ) -> Answer:
        """Send one POST; whatever goes wrong is an answer, too.

        Once a status has come, it counts, however the body ends.

        Args:
            url: where to.
            body: what is sent.
            headers: of the request.
            verify_tls: whether the receiver's certificate must be trusted.
            limits: what one client may reach besides, see `AddressPolicy.granting`.
        """
        client = self._client(self._policy.granting(limits), verify_tls=verify_tls)
        answer, words = Answer(None, f"no answer within {self._timeout_seconds:g} s"), bytearray()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                async with client.stream("POST", url, content=body, headers=headers) as response:
                    wait = _retry_after_seconds(response.headers.get("Retry-After", ""))
                    answer = Answer(response.status_code, "", wait)
                    async with asyncio.timeout(self._rest_seconds):
                        await _read_beginning(response, words)
        except TimeoutError:
            pass
        except SourceError as error:
            return Answer(None, f"{error.message}. {error.hint}")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, ValueError) as error:
            if answer.status is None:
                return Answer(None, f"{type(error).__name__}: {error}".rstrip(": "))
        return answer if answer.status is None else replace(answer, text=_text(words))

    async def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            await client.aclose()

    def _client(self, policy: AddressPolicy, *, verify_tls: bool) -> httpx2.AsyncClient:
        known = self._clients.get((verify_tls, policy))
        if known is None:
            believed = trust() if verify_tls else httpx2.create_ssl_context(verify=False)
            known = self._clients[verify_tls, policy] = httpx2.AsyncClient(
                headers={"User-Agent": f"adaptation/{__version__}"},
                transport=GuardedAsyncTransport(policy, believed),
                timeout=self._timeout_seconds,
                follow_redirects=False,
                trust_env=False,
            )
        return known


def signed(identity: str, moment: datetime, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The headers that say which callback this is and prove who sent it.

    Args:
        identity: the same at every try.
        moment: of this try.
        body: exactly as it is sent.
        secrets: `whsec_` and base64; several while one takes the place of another.
    """
    stamp = str(int(moment.timestamp()))
    content = b".".join((identity.encode(), stamp.encode(), body))
    marks = [f"v1,{_mark(secret, content)}" for secret in secrets]
    headers = {"webhook-id": identity, "webhook-timestamp": stamp}
    return headers | ({"webhook-signature": " ".join(marks)} if marks else {})


def _mark(secret: str, content: bytes) -> str:
    key = base64.b64decode(secret.removeprefix(SECRET_PREFIX))
    return base64.b64encode(hmac.new(key, content, hashlib.sha256).digest()).decode()


async def _read_beginning(response: httpx2.Response, read: bytearray) -> None:
    """Add to `read` what comes, until it is enough; it is kept when the rest does not come."""
    async for part in response.aiter_bytes():
        read += part
        if len(read) >= MOST_ANSWER_BYTES:
            return


def _text(read: bytearray) -> str:
    return read[:MOST_ANSWER_BYTES].decode(errors="replace").replace("\0", "")


def _retry_after_seconds(value: str) -> float:
    if value.isascii() and value.isdecimal() and len(value) < 10:
        return float(value)
    try:
        moment = parsedate_to_datetime(value)
    except ValueError:
        return 0.0
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
