"""What machines are told: figures, whether the process is well, and whose request a line is of."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import structlog
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_families,
)
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from adaptation import __version__, tracing
from adaptation.api.server import serving
from adaptation.engine import measures
from adaptation.engine.deliveries import Verdict
from adaptation.engine.graph import lower, needing
from adaptation.engine.model import NewJob, Process
from adaptation.engine.tasks import Registry, WorkflowDefinition
from adaptation.settings import load_settings
from api_kit import Api, Caller, error_of, running_api
from engine_kit import HandWorker, count_one, small_registry
from events_kit import SmallDeployment
from postgres import Postgres
from services import wait_until

TRACE = "0af7651916cd43dd8448eb211c80319c"


def loud_author(given: dict[str, Any]) -> Any:
    """A workflow's code that logs, in a thread that answers a request."""
    structlog.get_logger("workflow").info("planning")
    return count_one.s()


class LoudDeployment(SmallDeployment):
    """A deployment with a workflow whose code logs."""

    @property
    def registry(self) -> Registry:
        registry = small_registry()
        registry.add_workflow(WorkflowDefinition("loud", dict, loud_author))
        return registry


@pytest.fixture
def deployment(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SmallDeployment]:
    # What ended now is counted now.
    monkeypatch.setattr(measures, "SETTLED_MS", -1000)
    monkeypatch.setattr(measures, "LEAST_MS", 0)
    deployment = LoudDeployment(load_settings())
    yield deployment
    deployment.store.close()


@pytest.fixture
def api(deployment: SmallDeployment) -> Iterator[Api]:
    with running_api(deployment) as served:
        yield served


@pytest.fixture
def hand(api: Api, tmp_path: Path) -> HandWorker:
    deployment = api.deployment
    return HandWorker(deployment.store, deployment.registry, tmp_path)


def figures(caller: Caller) -> dict[tuple[str, ...], float]:
    """All samples: (name, label value, …) -> value, labels in alphabetical order."""
    answer = caller.call("GET", "/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain")
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def test_jobs_tasks_and_attempts_are_counted(api: Api, hand: HandWorker) -> None:
    hand.submit("line", length=2)
    hand.run_all()
    lost = hand.submit("line", length=1)
    claim = next(filter(None, map(hand.claim, hand.ready())))
    assert claim.job_id == lost
    hand.store.bury("hand")
    claim = next(filter(None, map(hand.claim, hand.ready())))
    with hand.store.database.write() as connection:
        told = text("UPDATE task SET detail = :detail WHERE id = :id")
        connection.execute(told, {"detail": '{"speed": 1.5}', "id": claim.task_id})
    hand.store.add_up_attempts()

    seen = figures(api.admin)

    assert seen["adaptation_database_up",] == 1
    assert seen["adaptation_callbacks", "pending"] == 0
    assert seen["adaptation_build_info", __version__] == 1
    assert seen["adaptation_jobs", "completed"] == 1
    assert seen["adaptation_jobs_ended_total", "completed"] == 1
    assert seen["adaptation_jobs_ended_total", "broken"] == 0
    assert seen["adaptation_tasks", "light", "running"] == 1
    assert seen["adaptation_attempts_total", "done", "count_one"] == 2
    assert seen["adaptation_attempts_total", "lost", "count_one"] == 1
    assert seen["adaptation_attempt_seconds_total", "done", "count_one"] >= 0
    assert seen["adaptation_leases_lost_total",] == 1
    assert seen["adaptation_encode_speed", "count_one"] == 1.5


def test_callbacks_are_counted_by_how_they_ended_whichever_server_tells(
    api: Api, hand: HandWorker
) -> None:
    hook = "http://127.0.0.1:9/hook"
    for verdict in (Verdict("delivered", 200), Verdict("dead", 500, "no")):
        hand.queue(endpoints=(hook,))
        hand.run_all()
        (sent,) = hand.store.claim_deliveries(1, 1, 60.0)
        hand.store.settle_deliveries([(sent, verdict)])
    restarted = SmallDeployment(load_settings())
    with serving(restarted, "127.0.0.1", 0) as url:
        seen = figures(replace(api.admin, url=url))
    restarted.store.close()

    ended = "adaptation_callbacks_ended_total"
    assert (seen[ended, "delivered"], seen[ended, "dead"], seen[ended, "dropped"]) == (1, 1, 0)
    assert seen["adaptation_callbacks", "pending"] == 4


def test_a_job_that_is_deleted_stays_counted(api: Api, hand: HandWorker) -> None:
    hand.submit("line", length=1)
    hand.run_all()
    with hand.store.database.write() as connection:
        connection.execute(text("UPDATE job SET finished_at = 1, work = 'removed'"))
    assert hand.store.clean_up() == 1

    seen = figures(api.admin)

    assert seen["adaptation_jobs", "completed"] == 0
    assert seen["adaptation_jobs_ended_total", "completed"] == 1


def test_workers_are_counted_by_what_they_do(api: Api) -> None:
    engine = api.deployment.engine
    with engine.running(3):
        seen = figures(api.admin)

    assert (seen["adaptation_workers", "idle"], seen["adaptation_slots",]) == (1, 3)


def test_requests_are_counted_by_route_and_not_by_path(api: Api, hand: HandWorker) -> None:
    for job_id in range(1, 6):
        api.client.call("GET", f"/jobs/{job_id}")
    api.client.call("GET", "/nowhere")
    api.client.call("BREW", "/nowhere")
    seen = figures(api.admin)

    requests = "adaptation_requests_total"
    assert seen[requests, "GET", "/jobs/{job_id}", "404"] == 5
    assert seen[requests, "GET", "", "404"] == 1
    assert seen[requests, "other", "", "404"] == 1
    count = "adaptation_request_seconds_count"
    assert seen[count, "GET", "/jobs/{job_id}"] == 5


def test_scrapers_may_ask_for_openmetrics_and_need_an_admin_s_key(api: Api) -> None:
    wanted = {"Accept": "application/openmetrics-text;version=1.0.0"}
    answer = api.admin.call("GET", "/metrics", headers=wanted)

    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    families = open_families(answer.text)  # type: ignore[no-untyped-call]
    assert "adaptation_jobs" in {family.name for family in families}
    assert api.admin.call("GET", "/metrics", headers={"api-key": ""}).status_code == 401
    for caller in (api.client, api.readonly):
        assert error_of(caller.call("GET", "/metrics"))["code"] == "forbidden"


def test_health_counts_the_tasks_that_were_done(api: Api, hand: HandWorker) -> None:
    assert api.client.get("/health")["tasks"] == {"failed": 0, "pending": 0, "processed": 0}
    hand.submit("line", length=3)
    hand.run_all()
    failing = hand.submit("line", length=1)
    claim = hand.store.claim_next(("light",), "w", 30, job_id=failing)
    assert claim is not None
    hand.store.fail(claim, {"code": "x"}, retry_in_seconds=None)
    hand.store.add_up_attempts()

    assert api.client.get("/health")["tasks"] == {"failed": 1, "pending": 0, "processed": 3}


def test_probes_need_no_key(api: Api) -> None:
    nobody = Caller(api.url, "", "")

    assert nobody.get("/livez") == {"result": "alive"}
    assert nobody.get("/readyz") == {"result": "ready"}


def test_tasks_that_no_live_worker_can_do_are_counted_and_told_of(
    api: Api, hand: HandWorker
) -> None:
    plan = lower(needing(count_one.s(), 0, abilities=["libsvtav1"]))
    new = NewJob("needy", "line", {})
    hand.store.admit(hand.store.submit(new, plan, hand.queues))
    hand.store.sign_on(Process("w", "host/1", 1, 0, 2, facts={"abilities": ["libx264"]}))

    assert figures(api.admin)["adaptation_tasks_unfit", "libsvtav1"] == 1
    warning = "1 task waits for a worker with libsvtav1"
    assert Caller(api.url, "", "").get("/readyz") == {"result": "ready", "warnings": [warning]}


def test_a_process_without_its_database_lives_and_is_not_ready(
    home: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.make_database()
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", url)
    monkeypatch.setenv("ADAPTATION_BROKER_URL", "redis://127.0.0.1:1/0")
    deployment = SmallDeployment(load_settings())
    with running_api(deployment) as api:
        nobody = Caller(api.url, "", "")
        postgres_server.stop()
        try:
            answer = nobody.call("GET", "/readyz")
            alive = nobody.call("GET", "/livez").status_code
        finally:
            postgres_server.start()
        assert (answer.status_code, answer.json()["code"], alive) == (503, "not_ready", 200)
        both = "the database does not answer; the broker does not answer"
        assert answer.json()["error"].startswith(both)
        only = "the broker does not answer."
        assert wait_until(lambda: nobody.call("GET", "/readyz").json()["error"].startswith(only))
    deployment.store.close()
    postgres_server.drop_database(url)


def test_tables_of_another_version_are_not_ready(api: Api, hand: HandWorker) -> None:
    with hand.store.database.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0003'"))

    answer = api.client.call("GET", "/readyz")

    assert answer.status_code == 503
    assert "the tables have version 0003" in answer.json()["error"]


def test_what_is_logged_while_a_request_is_answered_names_it(api: Api) -> None:
    body = {"job": {"workflow": "loud"}, "parameters": {}}
    merge = structlog.contextvars.merge_contextvars
    with structlog.testing.capture_logs(processors=[merge]) as logged:
        answer = api.client.call("POST", "/job", body, headers={"X-Request-Id": "mine-1"})
        assert wait_until(lambda: logged[-1]["event"] == "request")

    assert answer.headers["X-Request-Id"] == "mine-1"
    ids = {line["event"]: line.get("request_id") for line in logged}
    assert (ids["planning"], ids["request"]) == ("mine-1", "mine-1")


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """What would be sent to a collector by a server that is started after this."""
    return collecting(monkeypatch)


def collecting(monkeypatch: pytest.MonkeyPatch) -> InMemorySpanExporter:
    """Keep the spans that end from now on."""
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "provider", lambda: provider)
    return exporter


def facts(span: ReadableSpan, *names: str) -> tuple[object, ...]:
    """Some attributes."""
    return tuple((span.attributes or {})[name] for name in names)


def test_requests_and_attempts_are_traced(spans: InMemorySpanExporter, api: Api) -> None:
    body = {"job": {"workflow": "loud"}, "parameters": {}}
    caller = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    with api.deployment.engine.running(1):
        job_id = api.client.call("POST", "/job", body, headers=caller).json()["id"]
        assert wait_until(lambda: api.deployment.store.job(job_id).ended)
        api.client.call("GET", f"/jobs/{job_id}")

    found = {span.name: span for span in spans.get_finished_spans()}
    asked = found["POST /job"]
    assert facts(asked, "http.route", "http.response.status_code", "client") == (
        "/job",
        200,
        "client",
    )
    assert asked.context is not None
    assert f"{asked.context.trace_id:032x}" == TRACE
    assert "GET /jobs/{job_id}" in found
    attempt = found["count_one"]
    assert facts(attempt, "job_id", "outcome", "attempt") == (job_id, "done", 1)
    assert attempt.context is not None
    assert attempt.parent is not None
    assert (attempt.context.trace_id, attempt.parent.span_id) == (
        asked.context.trace_id,
        asked.context.span_id,
    )


def test_a_job_keeps_the_trace_of_who_asked_where_the_server_itself_traces_nothing(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    traces = {f"00-{TRACE}-b7ad6b7169203331-01": TRACE, f"00-{'0' * 32}-b7ad6b7169203331-01": None}
    body = {"job": {"workflow": "loud"}, "parameters": {}}
    submitted = {}
    for given in traces:
        answer = api.client.call("POST", "/job", body, headers={"traceparent": given})
        submitted[answer.json()["id"]] = traces[given]
    # Only now somebody wants spans: whoever works is another process than the server.
    exporter = collecting(monkeypatch)
    with api.deployment.engine.running(1):
        assert wait_until(lambda: all(api.deployment.store.job(one).ended for one in submitted))

    for span in exporter.get_finished_spans():
        assert span.context is not None
        (job_id,) = facts(span, "job_id")
        trace = f"{span.context.trace_id:032x}"
        if (expected := submitted[int(str(job_id))]) is None:
            assert (span.parent, trace != TRACE) == (None, True)
        else:
            assert trace == expected
            assert span.parent is not None
            assert f"{span.parent.span_id:016x}" == "b7ad6b7169203331"
    assert len(exporter.get_finished_spans()) == 2


def test_nothing_of_opentelemetry_is_imported_unless_it_is_asked_for() -> None:
    code = "import sys, adaptation.engine.engine, adaptation.tracing as t"
    code += "\nwith t.span('x'): t.note(a=1)"
    code += "\nsys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
