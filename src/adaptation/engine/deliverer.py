"""Sends callbacks: every end point at its own pace, each line in order, until there is an end."""

from __future__ import annotations

import asyncio
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import structlog
from sqlalchemy.exc import SQLAlchemyError

from adaptation.adapters.masking import masked, redacted, secrets_of, without
from adaptation.adapters.webhook import Answer, Sender, signed
from adaptation.engine.callbacks import DEAD, DELIVERED, DROPPED, JOB, PENDING
from adaptation.engine.clients import CallbackStyle
from adaptation.engine.deliveries import Delivery, Verdict
from adaptation.engine.letters import fields_of, shaped
from adaptation.engine.model import Job
from adaptation.engine.store import Store
from adaptation.engine.tasks import Registry
from adaptation.errors import ParameterError, SettingsError

logger = structlog.get_logger(__name__)

QUEUE = "callback"
"""Workers that serve this queue, or all, send callbacks."""
SCHEDULE_SECONDS = (5.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 86_400.0)
"""Waits after the first try, the second, and so on; after the last one there is one try more."""
JITTER = 0.1
"""By how much of itself a wait is drawn longer or shorter: end points recover one by one."""
AT_ONCE = 256
OF_ONE_ORIGIN = 32
"""Of those, how many for one scheme, host and port: a host that hangs leaves room for the others,
however many addresses of it there are."""
OF_ONE_URL = 4
"""Of those, how many for one address: one that hangs leaves room for the others."""
POLL_SECONDS = 0.25
LEASE_SECONDS = 45.0
"""Longer than a try takes; what a killed process had under way is tried again after it."""
LONGEST_WAIT_SECONDS = 86_400.0
"""However long an end point asks to be left alone."""
LEAVING_SECONDS = 1.0
"""What is under way may end for so long when the process leaves."""
STYLE_SECONDS = 5.0
"""How long a client's style and secrets are held to be known."""
ANSWER_LETTERS = 200
"""As much of an answer stands in a line of the log."""
WORDS = {DEAD: "callback given up", DROPPED: "end point wants no callbacks any more"}
GONE = 410
BUSY = frozenset({429, 503})


@dataclass(frozen=True)
class Style:
    """How a client wants its callbacks."""

    callback: CallbackStyle
    secrets: tuple[str, ...]
    limits: Mapping[str, object] = field(default_factory=dict)
    """The client's own, which say what it may reach besides."""


@dataclass(frozen=True)
class Letter:
    """A callback that is ready to be sent."""

    delivery: Delivery
    style: Style
    body: bytes


@dataclass
class Deliverer:
    """One thread with an event loop that delivers until it is stopped."""

    store: Store
    registry: Registry
    schedule_seconds: tuple[float, ...] = SCHEDULE_SECONDS
    """Waits before the second try, the third, and so on."""
    job_id: int | None = None
    """The only job whose callbacks it sends; None: every job's."""
    worker_id: str | None = None
    """Of the process it runs in."""
    sender: Callable[[], Sender] = Sender
    """Makes one for the event loop."""
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None
    _busy: Counter[str] = field(default_factory=Counter)
    _tried: deque[tuple[Delivery, Verdict]] = field(default_factory=deque)
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _styles: dict[str, tuple[Style, float]] = field(default_factory=dict)

    def start(self) -> None:
        """Begin to deliver, in the background."""
        self._thread = threading.Thread(target=self._run, name="deliverer", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more; what is under way ends, or is left to whoever comes next."""
        self._stop.set()
        if self._thread:
            self._thread.join()
            self._thread = None

    def finish(self, seconds: float) -> None:
        """Wait until nothing is due, but no longer than this."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and (self._busy.total() or self._has_due()):
            time.sleep(POLL_SECONDS / 5)

    def _has_due(self) -> bool:
        mine = () if self.job_id is None else self.store.deliveries(self.job_id)
        return any(one.state == PENDING and one.attempt == 0 for one in mine)

    def _run(self) -> None:
        with ThreadPoolExecutor(1, "deliverer") as pool:
            asyncio.run(self._deliver_on(pool))

    async def _deliver_on(self, pool: ThreadPoolExecutor) -> None:
        sender = self.sender()
        loop, under_way = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        loop.set_default_executor(pool)
        self._wake = asyncio.Event()
        try:
            while not self._stop.is_set():
                self._wake.clear()
                letters = await asyncio.to_thread(self._turn, AT_ONCE - len(under_way))
                for one in letters:
                    sending = loop.create_task(self._send(one, sender))
                    under_way.add(sending)
                    sending.add_done_callback(under_way.discard)
                if not letters:
                    with suppress(TimeoutError):
                        await asyncio.wait_for(self._wake.wait(), POLL_SECONDS)
            await _ended(under_way)
            await asyncio.to_thread(self._turn, 0)
        finally:
            await sender.close()

    def _turn(self, free: int) -> list[Letter]:
        """Store what has come of tries, and take what is due."""
        tried = [self._tried.popleft() for _ in range(len(self._tried))]
        try:
            if tried:
                self.store.settle_deliveries(tried)
                _tell_of_the_given_up(tried)
            if free <= 0:
                return []
            busy = dict(self._busy)
            found = self.store.claim_deliveries(
                free,
                OF_ONE_URL,
                LEASE_SECONDS,
                per_origin=OF_ONE_ORIGIN,
                busy=busy,
                job_id=self.job_id,
                worker_id=self.worker_id,
            )
            letters = self._written(found)
        except (SQLAlchemyError, SettingsError) as error:
            # Or for a key. What was taken or tried and could not be stored is due again later.
            logger.warning("callbacks wait for the database", error=str(error))
            return []
        self._busy.update(letter.delivery.url for letter in letters)
        return letters

    async def _send(self, letter: Letter, sender: Sender) -> None:
        one, style = letter.delivery, letter.style.callback
        verdict = Verdict(PENDING, is_charged=False)
        try:
            marks = signed(one.identity, datetime.now(UTC), letter.body, letter.style.secrets)
            own = {name.lower(): value for name, value in style.headers.items()}
            headers = {"content-type": "application/json", **own, **marks}
            answer = await sender.send(
                one.target,
                letter.body,
                headers,
                verify_tls=style.verify_tls,
                limits=letter.style.limits,
            )
            verdict = self._verdict(one, _discreet(answer, one, letter.style))
        finally:
            # Also when this process leaves: then it was not tried, and is due at once.
            self._busy[one.url] -= 1
            self._tried.append((one, verdict))
            self._wake.set()

    def _written(self, found: Iterable[Delivery]) -> list[Letter]:
        """What was taken with its body, which is stored first: every try sends the same."""
        jobs: dict[int, Job] = {}
        letters, new = [], {}
        for one in found:
            style = self._style(one.client)
            body = one.body
            if body is None:
                if one.job_id not in jobs:
                    jobs[one.job_id] = self.store.job(one.job_id)
                body = new[one.id] = self._body(one, jobs[one.job_id], style)
            letters.append(Letter(one, style, body.encode()))
        self.store.keep_bodies(new)
        return letters

    def _body(self, one: Delivery, job: Job, style: Style) -> str:
        fields = fields_of(one, job, self.registry.workflows.get(job.workflow))
        template = style.callback.templates.get("job" if one.event == JOB else "task")
        try:
            return shaped(fields, template)
        except ParameterError as error:
            self.store.warn(one.job_id, error.message)
            return shaped(fields, None)

    def _verdict(self, one: Delivery, answer: Answer) -> Verdict:
        words = answer.text if answer.status is None else f"{answer.status} {answer.text}".strip()
        if answer.is_good:
            return Verdict(DELIVERED, answer.status, answer.text)
        if answer.status == GONE:
            return Verdict(DROPPED, answer.status, words)
        if one.attempt > len(self.schedule_seconds):
            return Verdict(DEAD, answer.status, words)
        wait = self.schedule_seconds[one.attempt - 1]
        wait *= random.uniform(1 - JITTER, 1 + JITTER)  # noqa: S311
        if answer.status in BUSY:
            wait = max(wait, min(answer.retry_after_seconds, LONGEST_WAIT_SECONDS))
        return Verdict(PENDING, answer.status, words, wait)

    def _style(self, client: str) -> Style:
        style, until = self._styles.get(client, (None, 0.0))
        if style is None or time.monotonic() >= until:
            try:
                known = self.store.client(client)
                callback, limits = known.callback, known.limits
            except ParameterError:  # of nobody, or of one that has left
                callback, limits = CallbackStyle(), {}
            style = Style(callback, self.store.signing_secrets(client), limits)
            self._styles[client] = style, time.monotonic() + STYLE_SECONDS
        return style


def _discreet(answer: Answer, one: Delivery, style: Style) -> Answer:
    """An answer that does not repeat what only this end point was told."""
    known = *secrets_of(one.target), *style.callback.headers.values(), *style.secrets
    return replace(answer, text=redacted(without(answer.text, known)))


def _tell_of_the_given_up(tried: Iterable[tuple[Delivery, Verdict]]) -> None:
    for one, verdict in tried:
        if verdict.state in WORDS:
            logger.warning(
                WORDS[verdict.state],
                job_id=one.job_id,
                task_id=one.task_id,
                callback_id=one.id,
                webhook_id=one.identity,
                event_told=one.event,
                client=one.client,
                url=masked(one.url),
                tries=one.attempt,
                status=verdict.status,
                answer=verdict.answer[:ANSWER_LETTERS],
            )


async def _ended(under_way: set[asyncio.Task[None]]) -> None:
    if not under_way:
        return
    _, left = await asyncio.wait(under_way, timeout=LEAVING_SECONDS)
    for one in left:
        one.cancel()
    if left:
        await asyncio.wait(left)
