"""Fetching a source over HTTP, whole, through cuts, crashes and servers that misbehave."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from http import HTTPStatus
from pathlib import Path
from typing import NoReturn

import httpx2

from adaptation.adapters.addresses import PUBLIC_ONLY, AddressPolicy
from adaptation.adapters.answers import (
    Interrupted,
    content_range,
    entity_of,
    is_about_a_certificate,
    reason,
    refuse_what_is_no_media,
    refuse_what_is_no_source,
    untrusted,
)
from adaptation.adapters.caps import LEAST_BYTES_PER_SECOND, TOTAL_SECONDS, Caps, Clock
from adaptation.adapters.http import Connection, connection
from adaptation.adapters.masking import masked
from adaptation.adapters.partial import Entity, Partial, claimed_part
from adaptation.adapters.scratch import naming_a_full_disk
from adaptation.errors import Cancelled, SourceError, Transient

_WORTH_A_NEW_START_BYTES = 1 << 20
_LONGEST_WAIT_SECONDS = 60.0

Progress = Callable[[int, int | None], None]
"""Called with the bytes on disk and the bytes announced, once for each piece read (<= 64 KiB)."""


@dataclass(frozen=True)
class Fetched:
    """What was fetched; its bytes are at the target path."""

    size_bytes: int
    """Bytes on disk."""
    length_known: bool
    """False when the server told neither a length nor an end: a cut would not have been seen."""
    content_type: str
    """Media type without parameters, lower case; empty when the server gave none."""
    etag: str
    """The server's ETag as sent; empty when it gave none."""
    address: str
    """Where redirects led: what addresses in it are relative to."""


def fetch(  # noqa: PLR0913  (two say what, the others how)
    url: str,
    target: Path,
    *,
    policy: AddressPolicy = PUBLIC_ONLY,
    link: Connection | None = None,
    on_progress: Progress | None = None,
    cancelled: threading.Event | None = None,
    most_bytes: int | None = None,
    total_seconds: float = TOTAL_SECONDS,
    least_bytes_per_second: float = LEAST_BYTES_PER_SECOND,
    retries: int = 3,
    retry_delay_seconds: float = 1.0,
) -> Fetched:
    """Bring `url` to `target`, whole, going on where an earlier try or process was cut.

    The bytes gather in `<target>.part`; keep the folder between attempts to let one resume. Two
    fetches to one target at a time are safe: the later one starts anew under a name of its own.

    Args:
        url: http or https; user and password in it are sent, and never shown.
        target: written by a rename at the end.
        policy: which addresses may be reached, redirects included; public ones by default.
        link: a connection to use, with a policy of its own; none: one is made for this fetch.
        on_progress: told how far it is; throttle it there.
        cancelled: set from elsewhere to stop within a second, also while the server is silent.
        most_bytes: of the whole file; None: as large as there is room for.
        total_seconds: of all tries.
        least_bytes_per_second: over each minute; who sends less is asked anew, then given up.
        retries: further tries in a row that bring less than 1 MiB before giving up.
        retry_delay_seconds: before the first of them; doubled for each further one.

    Raises:
        SourceError: `source_url`, `source_not_found`, `source_forbidden`, `source_refused`,
            `source_redirects`, `source_is_web_page`, `source_empty`, `source_encoded`,
            `source_certificate`, `source_changing`, `source_too_large`, `address_forbidden`.
        Transient: `fetch_failed`, `fetch_incomplete`, `fetch_too_slow`, `scratch_full`.
        Cancelled: `cancelled` was set; what has come stays for the next attempt.
    """
    stop = cancelled or threading.Event()
    with naming_a_full_disk(target.parent, "scratch_full"), claimed_part(target, url) as part:
        with nullcontext(link) if link else connection(stop, policy) as used:
            caps = Caps(most_bytes, total_seconds, least_bytes_per_second)
            transfer = _Transfer(url, part, used, on_progress or _ignore, stop, caps)
            try:
                transfer.finish(retries, retry_delay_seconds)
                refuse_what_is_no_media(part.head(256), url)
            except SourceError:
                part.discard()
                raise
        entity, size_bytes = part.entity, part.size_bytes
        part.publish()
    return Fetched(
        size_bytes, entity.length_known, entity.content_type, entity.etag, transfer.address
    )


class _Transfer:
    """One fetch: what is on disk, and the tries that add to it."""

    def __init__(  # noqa: PLR0913, PLR0917 - each once
        self,
        url: str,
        part: Partial,
        link: Connection,
        on_progress: Progress,
        stop: threading.Event,
        caps: Caps,
    ) -> None:
        self.url = url
        self.part = part
        self.link = link
        self.on_progress = on_progress
        self.stop = stop
        self.caps = caps
        self.clock = Clock(url, caps)
        self.changes = 0
        self.address = url

    def finish(self, retries: int, delay_seconds: float) -> None:
        """Try until all bytes are on disk, or `retries` tries in a row brought nothing much."""
        self.link.ends_at = self.clock.ends_at
        farthest, fruitless = self.part.size_bytes, 0
        while True:
            try:
                return self._try_once()
            except Interrupted as error:
                self.clock.refuse_the_end()
                gained = self.part.size_bytes - farthest
                farthest = max(farthest, self.part.size_bytes)
                fruitless = 1 if gained >= _WORTH_A_NEW_START_BYTES else fruitless + 1
                if fruitless > retries and not self.stop.is_set():
                    raise
                backoff = delay_seconds * 2 ** (fruitless - 1)
                self._wait(min(max(backoff, error.wait_seconds), _LONGEST_WAIT_SECONDS))

    def _wait(self, seconds: float) -> None:
        if self.stop.wait(seconds):
            raise Cancelled(f"Stopped fetching {masked(self.url)}")

    def _try_once(self) -> None:
        self._wait(0)
        with self._answer() as response:
            self._accept(response)
            self._room_for_the_rest()
            self._read(response)

    @contextmanager
    def _answer(self) -> Iterator[httpx2.Response]:
        """Ask for the bytes that are missing; failures before the body are `fetch_failed`."""
        try:
            response = self.link.get(self.url, self.part.resume_headers())
        except httpx2.TransportError as error:
            if is_about_a_certificate(error):
                raise untrusted(self.url, error) from error
            raise Interrupted(
                f"Cannot reach {masked(self.url)}: {reason(error)}",
                code="fetch_failed",
                hint="Check the host name and that this machine can reach it; then try again.",
            ) from error
        self.address = str(response.url)
        try:
            yield response
        finally:
            response.close()

    def _accept(self, response: httpx2.Response) -> None:
        """Make the part ready for this body: at its end, or emptied; refuse what is no source."""
        if response.status_code == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            self._start_over("the server has fewer bytes than before")
        refuse_what_is_no_source(response, self.url)
        entity = entity_of(response)
        self.caps.refuse_size(self.url, entity.total_bytes)
        if response.status_code == HTTPStatus.PARTIAL_CONTENT:
            self._accept_the_rest(response, entity)
            return
        if self.part.size_bytes and self.part.entity.differs_from(entity):
            self._note_a_change()
        self.part.restart(entity)

    def _accept_the_rest(self, response: httpx2.Response, entity: Entity) -> None:
        first, total = content_range(response)
        if first != self.part.size_bytes:
            self._start_over("the server answered with other bytes than were asked for")
        known = self.part.entity if self.part.size_bytes else entity
        if _is_another(known, entity, total):
            self._note_a_change()
            self._start_over("it changed while it was read")
        total = known.total_bytes if total is None else total
        self.caps.refuse_size(self.url, total)
        self.part.go_on(replace(known, total_bytes=total, length_known=total is not None))

    def _start_over(self, why: str) -> NoReturn:
        error = self._interrupted(why)
        self.part.discard()
        raise error

    def _note_a_change(self) -> None:
        self.changes += 1
        if self.changes > 1:
            raise SourceError(
                f"{masked(self.url)} changes while it is read",
                code="source_changing",
                hint="Wait until the file is complete on the server, then submit again.",
            )

    def _room_for_the_rest(self) -> None:
        """Refuse now what would fill the disk in an hour."""
        total = self.part.entity.total_bytes or 0
        free = shutil.disk_usage(self.part.path.parent).free
        if total - self.part.size_bytes > free:
            raise Transient(
                f"{masked(self.url)} has {total:,} bytes, {self.part.path.parent} has room for "
                f"{free:,}",
                code="scratch_full",
                hint="Free some space there, or set ADAPTATION_HOME to a folder on a larger disk.",
            )

    def _read(self, response: httpx2.Response) -> None:
        total = self.part.entity.total_bytes
        self.clock.start()
        try:
            for piece in response.iter_raw():
                self.part.append(piece)
                self.caps.refuse_size(self.url, self.part.size_bytes)
                self.clock.tick(len(piece))
                self.on_progress(self.part.size_bytes, total)
                if self.stop.is_set():
                    break
        except httpx2.TransportError as error:
            self._wait(0)
            raise self._interrupted(reason(error)) from error
        self._wait(0)
        if total is not None and self.part.size_bytes != total:
            raise self._interrupted("the connection ended early")

    def _interrupted(self, why: str) -> Interrupted:
        size_bytes, total = self.part.size_bytes, self.part.entity.total_bytes
        announced = f" of {total:,}" if total is not None else ""
        return Interrupted(
            f"{masked(self.url)} was cut after {size_bytes:,}{announced} bytes: {why}",
            code="fetch_incomplete",
            hint="Check that the server sends the whole file; the next try goes on from there.",
        )


def _is_another(known: Entity, answered: Entity, total: int | None) -> bool:
    """Whether the rest is of other bytes: some servers send it whatever If-Range says."""
    sizes, validators = (known.total_bytes, total), (known.validator, answered.validator)
    return (None not in sizes and len({*sizes}) > 1) or (all(validators) and len({*validators}) > 1)


def _ignore(done_bytes: int, total_bytes: int | None) -> None:
    """Show nobody."""
