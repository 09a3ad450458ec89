"""Figures of the engine for Prometheus."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import structlog
from fastapi import APIRouter, Request
from fastapi.responses import PlainTextResponse, Response
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from sqlalchemy.exc import SQLAlchemyError

from adaptation import __version__
from adaptation.api.auth import Admin
from adaptation.api.operations import SILENT_SECONDS, standing
from adaptation.api.routes import BAD
from adaptation.api.traffic import Traffic
from adaptation.engine.callbacks import ENDS, PENDING
from adaptation.engine.lists import Counts
from adaptation.engine.measures import Measure
from adaptation.engine.model import Member
from adaptation.wiring import Deployment

logger = structlog.get_logger(__name__)
router = APIRouter(tags=["system"])

KEPT_SECONDS = 2.0
"""The store is asked no sooner again, however many scrape."""
WORKER_STATES = ("idle", "working", "draining", "silent")


class Metrics(Collector):
    """What Prometheus is told: of the store, and of this process."""

    def __init__(self, deployment: Deployment, traffic: Traffic) -> None:
        self._deployment = deployment
        self._registry = traffic.registry
        self._lock = threading.Lock()
        self._found: list[Metric] = []
        self._found_at = 0.0
        self._registry.register(self)

    def describe(self) -> list[Metric]:
        """Nothing: the names are known only from the store."""
        return []

    def collect(self) -> list[Metric]:
        """The store's figures, at most 2 s old; of a database that is away only that it is."""
        with self._lock:
            if time.monotonic() - self._found_at > KEPT_SECONDS or not self._found:
                self._found = self._figures()
                self._found_at = time.monotonic()
            return self._found

    def written(self, accepted: str) -> tuple[bytes, str]:
        """All figures and their media type, in the form that a scraper prefers."""
        encode, media_type = choose_encoder(accepted)
        return encode(self._registry), media_type

    def _figures(self) -> list[Metric]:
        found = [_one("build_info", "1, with the version.", {(__version__,): 1}, ("version",))]
        try:
            found += self._of_the_store()
            answers = True
        except SQLAlchemyError as error:
            logger.warning("no figures: the database is away", error=str(error))
            answers = False
        return [*found, _one("database_up", "Whether the database answers.", {(): answers})]

    def _of_the_store(self) -> list[Metric]:
        store = self._deployment.store
        counts, done, speeds, members = (
            store.counts(),
            store.measured(),
            store.speeds(),
            store.members(),
        )
        speed = {(name,): value for name, value in speeds.items()}
        told_to = store.delivery_counts()
        told = "Mean speed that running tasks tell, in times real time."
        return [
            *_jobs(counts, self._deployment.registry.queues),
            *_attempts(done),
            _one("encode_speed", told, speed, ("task",)),
            *_workers(members),
            *_unfit(store.unfit(SILENT_SECONDS)),
            *_callbacks(told_to),
        ]


@router.get(
    "/metrics", responses=BAD, response_class=PlainTextResponse, summary="Figures for Prometheus"
)
def metrics(asking: Admin, request: Request) -> Response:  # noqa: ARG001
    """Jobs, tasks, workers and requests in Prometheus' text format, or OpenMetrics.

    They tell of all clients, and so to an admin only.
    """
    figures: Metrics = request.app.state.metrics
    body, media_type = figures.written(request.headers.get("accept", ""))
    return Response(body, headers={"Content-Type": media_type})


def _jobs(counts: Counts, queues: Iterable[str]) -> Iterator[Metric]:
    jobs = {(state,): number for state, number in counts.jobs.items()}
    yield _one("jobs", "Jobs there are, by state.", jobs, ("state",))
    ended = {(kind,): counts.ended.get(kind, 0) for kind in ("completed", "failed", "broken")}
    yield _sum("jobs_ended", "How often jobs have ended so.", ended, ("outcome",))
    tasks = {
        (queue, state): number.get(queue, 0)
        for queue in queues
        for state, number in (("ready", counts.ready), ("running", counts.running))
    }
    yield _one("tasks", "Tasks that may be started or run.", tasks, ("queue", "state"))


def _attempts(done: Iterable[Measure]) -> Iterator[Metric]:
    found = {(one.name, one.outcome): one for one in done}
    labels = ("task", "outcome")
    amounts = {key: one.amount for key, one in found.items()}
    seconds = {key: one.seconds for key, one in found.items()}
    lost = sum(one.amount for one in found.values() if one.outcome == "lost")
    yield _sum("attempts", "Ended attempts of tasks.", amounts, labels)
    yield _sum("attempt_seconds", "What ended attempts took.", seconds, labels)
    yield _sum("leases_lost", "Attempts whose worker vanished.", {(): lost})


def _workers(members: Iterable[Member]) -> Iterator[Metric]:
    found = [(standing(one), one.process.slots) for one in members if one.process.slots]
    states = Counter(state for state, _ in found)
    by_state = {(state,): states[state] for state in WORKER_STATES}
    slots = sum(number for state, number in found if state != "silent")
    yield _one("workers", "Workers, by state.", by_state, ("state",))
    yield _one("slots", "Tasks that may run at the same time.", {(): slots})


def _unfit(found: Mapping[str, int]) -> Iterator[Metric]:
    meaning = "Ready tasks that no live worker of their queue can do, by what they need."
    yield _one("tasks_unfit", meaning, {(needs,): n for needs, n in found.items()}, ("needs",))


def _callbacks(told_to: Mapping[str, int]) -> Iterator[Metric]:
    waiting = {(PENDING,): told_to[PENDING]}
    yield _one("callbacks", "Callbacks that have no end yet, by state.", waiting, ("state",))
    ended = {(state,): told_to[state] for state in ENDS}
    yield _sum("callbacks_ended", "How often callbacks have ended so.", ended, ("outcome",))


def _one(
    name: str, meaning: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()
) -> Metric:
    family = GaugeMetricFamily(f"adaptation_{name}", meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family


def _sum(
    name: str, meaning: str, values: Mapping[Any, float], labels: tuple[str, ...] = ()
) -> Metric:
    family = CounterMetricFamily(f"adaptation_{name}", meaning, labels=labels)
    for key, value in values.items():
        family.add_metric(key, value)
    return family
