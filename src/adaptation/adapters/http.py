"""HTTP connections to other hosts: where an address is judged, and shown without its secrets."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress

import httpcore2
import httpx2

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.guard import GuardedTransport, trust
from adaptation.adapters.masking import masked
from adaptation.errors import SourceError

MAX_REDIRECTS = 5
_TIMEOUTS = httpx2.Timeout(30.0, connect=10.0)
HEAD_SECONDS = 60.0
"""How long a server may take from being asked to the end of its headers."""
_CANCEL_SECONDS = 0.2

# Their INFO and DEBUG lines hold whole URLs and headers, secrets included.
for _name in ("httpx2", "httpcore2"):
    logging.getLogger(_name).setLevel(logging.WARNING)


class Connection:
    """An HTTP client whose socket can be cut from another thread, also while it is waiting."""

    def __init__(self, client: httpx2.Client) -> None:
        self._client = client
        self._sockets: list[socket.socket] = []
        self._cut_at = math.inf
        self.ends_at = math.inf
        """The moment, monotonic, at which whatever is under way is cut."""

    def get(self, url: str, headers: Mapping[str, str]) -> httpx2.Response:
        """Send a GET and follow redirects, each looked at; the caller closes the response.

        Raises:
            SourceError: `source_url`, `source_redirects`, `address_forbidden`.
            httpx2.TransportError: anything between here and the end of the server's headers.
        """
        request = self._client.build_request(
            "GET", _judged(url, url), headers=headers, extensions={"trace": self._remember}
        )
        for _ in range(MAX_REDIRECTS + 1):
            response = self._sent(request)
            if response.next_request is None:
                return response
            response.close()
            request = response.next_request  # without Authorization when it leaves the host
            _judged(str(request.url), url)
        raise SourceError(
            f"{masked(url)} redirects more than {MAX_REDIRECTS} times",
            code="source_redirects",
            hint="Give the address of the file itself.",
        )

    def status(self, url: str) -> int:
        """Send a GET and give the status of the answer itself, wherever that would lead.

        Raises:
            SourceError: `source_url`, `address_forbidden`.
            httpx2.TransportError: anything between here and the end of the server's headers.
        """
        request = self._client.build_request(
            "GET", _judged(url, url), extensions={"trace": self._remember}
        )
        response = self._sent(request)
        response.close()
        return response.status_code

    def post(self, url: str, headers: Mapping[str, str], body: bytes) -> httpx2.Response:
        """Send a POST; a redirection is an answer like others. The caller closes the response.

        Raises:
            SourceError: `source_url`, `address_forbidden`.
            httpx2.TransportError: anything between here and the end of the server's headers.
        """
        request = self._client.build_request(
            "POST",
            _judged(url, url),
            headers=headers,
            content=body,
            extensions={"trace": self._remember},
        )
        return self._sent(request)

    def cut_when(self, stop: threading.Event, done: threading.Event) -> None:
        """Wait for `stop` until `done`; then cut, so that no silent or slow server holds us up."""
        while not done.wait(_CANCEL_SECONDS):
            if stop.is_set() or time.monotonic() >= min(self._cut_at, self.ends_at):
                self._cut()

    def _cut(self) -> None:
        for each in list(self._sockets):
            with suppress(OSError):
                # Not SSLSocket.shutdown: that one takes the TLS layer away under the reader.
                socket.socket.shutdown(each, socket.SHUT_RDWR)

    def _sent(self, request: httpx2.Request) -> httpx2.Response:
        """The answer up to its body; a read timeout alone lets headers come in drops for days."""
        self._cut_at = time.monotonic() + HEAD_SECONDS
        try:
            return self._client.send(request, stream=True)
        finally:
            self._cut_at = math.inf

    def _remember(self, event: str, details: Mapping[str, object]) -> None:
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            stream = details["return_value"]
            if isinstance(stream, httpcore2.NetworkStream):
                live = [each for each in self._sockets if each.fileno() != -1]
                self._sockets = [*live, stream.get_extra_info("socket")]


@contextmanager
def connection(stop: threading.Event, policy: AddressPolicy = PUBLIC_ONLY) -> Iterator[Connection]:
    """Give a client of its own to one fetch, or to several one after the other.

    Args:
        stop: cuts whatever it is waiting for.
        policy: which addresses it may reach, redirects included.
    """
    done = threading.Event()
    headers = {"User-Agent": "adaptation", "Accept": "*/*", "Accept-Encoding": "identity"}
    # trust_env: no proxy and no .netrc out of the environment; but an operator's own certificate
    # authority (SSL_CERT_FILE) counts.
    transport = GuardedTransport(policy, trust())
    with httpx2.Client(
        headers=headers, timeout=_TIMEOUTS, trust_env=False, transport=transport
    ) as client:
        link = Connection(client)
        watcher = threading.Thread(target=link.cut_when, args=(stop, done), daemon=True)
        watcher.start()
        try:
            yield link
        finally:
            done.set()
            watcher.join()


def _judged(hop: str, url: str) -> httpx2.URL:
    """Parse an address we are about to connect to; `url` is what the user gave."""
    with suppress(httpx2.InvalidURL):
        parsed = httpx2.URL(hop)
        if parsed.scheme in ("http", "https") and parsed.host:
            return parsed
    leads = "" if hop == url else f" leads to {masked(hop)}, which"
    raise SourceError(
        f"{masked(url)}{leads} is no http or https address",
        code="source_url",
        hint="Give an address such as https://example.org/film.mp4.",
    )
