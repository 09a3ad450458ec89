"""The Python client over a real server: what it asks for is done once, whatever is lost between."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from adaptation.client import ApiError, Client, NotEnded, ServerUnavailable
from adaptation.errors import SettingsError
from adaptation.settings import load_settings
from api_kit import Api, Caller, running_api
from engine_kit import HandWorker
from events_kit import SmallDeployment, write_lines
from fault_proxy import LOST, Fault, FaultProxy, running_proxy
from services import free_port, wait_until

LINE = {"length": 1}


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    """A server whose tasks do next to nothing, and are run by hand."""
    deployment = SmallDeployment(load_settings())
    with running_api(deployment) as served:
        yield served
    deployment.store.close()


@pytest.fixture
def hand(api: Api, tmp_path: Path) -> HandWorker:
    return HandWorker(api.deployment.store, api.deployment.registry, tmp_path)


@pytest.fixture
def proxy(api: Api) -> Iterator[FaultProxy]:
    with running_proxy(api.url) as running:
        yield running


@pytest.fixture
def client(api: Api) -> Iterator[Client]:
    with asking(api.client) as client:
        yield client


@pytest.fixture
def cut(api: Api, proxy: FaultProxy) -> Iterator[Client]:
    """A client whose requests pass the proxy."""
    with Client(proxy.url, api.client.name, api.client.key, timeout_seconds=10) as client:
        yield client


def asking(caller: Caller) -> Client:
    return Client(caller.url, caller.name, caller.key, timeout_seconds=10)


def test_a_job_is_submitted_and_looked_at(client: Client) -> None:
    later = datetime.now(UTC) + timedelta(hours=1)
    job_id = client.submit("line", LINE, priority=3, run_at=later, persist=True).id

    job = client.job(job_id)
    assert (job.queue_state, job.priority, job.ended) == ("scheduled", 3, False)
    assert job.run_at is not None
    assert abs(job.run_at - later) < timedelta(milliseconds=2)
    assert job.parameters == LINE
    assert client.change(job_id, run_at=None) == "Performed updates: run_at"
    assert client.job(job_id).run_at is None
    assert client.cancel(job_id) == "cancelled"


def test_a_job_is_held_goes_on_and_runs(client: Client, hand: HandWorker) -> None:
    job_id = client.submit("line", LINE).id

    assert client.pause(job_id) == "paused"
    assert client.change(job_id, priority=1) == "Performed updates: priority"
    assert client.resume(job_id) == "resumed"
    hand.run_all()
    job = client.job(job_id)
    assert (job.queue_state, job.succeeded, job.priority) == ("completed", True, 1)
    assert [(task.name, task.state, task.progress) for task in client.tasks(job_id)] == [
        ("count_one", "done", 1.0)
    ]
    assert client.logs(job_id)
    again = client.rerun(job_id).id
    assert client.cancel(again) == "cancelled"
    assert [one.id for one in client.jobs()] == [again, job_id]


def test_jobs_are_filtered(client: Client) -> None:
    first, second = (client.submit("line", LINE, persist=bool(one)).id for one in (0, 1))
    soon = datetime.now(UTC) + timedelta(hours=1)

    assert [one.id for one in client.jobs(persist=True)] == [second]
    assert [one.id for one in client.jobs(asc=True, limit=1)] == [first]
    assert [one.id for one in client.jobs(job_ids=[first])] == [first]
    assert client.jobs(state="paused") == client.jobs(since=soon) == []


def test_the_fleet_is_asked_and_set(api: Api, client: Client) -> None:
    assert client.health()["jobs"]["max_jobs"] == 2
    assert client.workers() == []
    assert {one.name for one in client.workflows()} == {"fan", "line"}
    assert [task["name"] for task in client.workflow("fan").tasks][:1] == ["count_one"]
    with pytest.raises(ApiError) as unknown:
        client.workflow("no such/one")
    assert unknown.value.status == 404
    with asking(api.admin) as admin:
        assert admin.set_setting("max_jobs", 7) == "max_jobs setting created"
    assert {one.name: one.setting for one in client.settings()}["max_jobs"] == 7
    with pytest.raises(ApiError) as refused:
        client.set_setting("max_jobs", 8)
    assert (refused.value.status, refused.value.code) == (403, "forbidden")


def test_an_error_has_all_that_the_server_said(api: Api, client: Client) -> None:
    with pytest.raises(ApiError) as refused:
        client.job(77)

    error = refused.value
    assert (error.status, error.code, error.job_id) == (404, "job_unknown", 77)
    assert error.message == "there is no job 77"
    assert error.hint
    assert error.request_id
    with Client(api.url, "client", "wrong") as stranger, pytest.raises(ApiError) as refused:
        stranger.jobs()
    assert refused.value.status == 401
    assert "wrong" not in repr(vars(refused.value))


def test_a_job_whose_answer_was_lost_is_stored_once(cut: Client, proxy: FaultProxy) -> None:
    proxy.faults = [LOST, LOST]

    job_id = cut.submit("line", LINE).id

    assert [one.id for one in cut.jobs()] == [job_id]
    keys = {headers["idempotency-key"] for method, _, headers in proxy.requests if method == "POST"}
    assert len(proxy.requests) == 4
    assert len(keys) == 1


def test_a_lost_answer_is_an_error_where_a_second_request_would_do_harm(
    cut: Client, proxy: FaultProxy
) -> None:
    job_id = cut.submit("line", LINE).id
    proxy.faults = [LOST]

    with pytest.raises(ServerUnavailable) as lost:
        cut.rerun(job_id)

    assert lost.value.code == "server_unavailable"
    assert len(cut.jobs()) == 2


def test_the_same_idempotency_key_gives_the_same_job(client: Client) -> None:
    first = client.submit("line", LINE, idempotency_key="film-1")

    assert client.submit("line", LINE, idempotency_key="film-1") == first
    with pytest.raises(ApiError) as refused:
        client.submit("line", {"length": 2}, idempotency_key="film-1")
    assert (refused.value.status, refused.value.code) == (409, "idempotency_conflict")


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_waited_for(cut: Client, proxy: FaultProxy, status: int) -> None:
    proxy.faults = [Fault(status=status, headers={"Retry-After": "0"})] * 2

    assert cut.submit("line", LINE).id
    assert len(proxy.requests) == 3


def test_a_server_that_stays_busy_is_given_up(cut: Client, proxy: FaultProxy) -> None:
    busy = b'{"error": "too many. Ask again.", "code": "too_many_requests", "hint": "Ask again."}'
    proxy.faults = [Fault(status=429, headers={"Retry-After": "0"}, body=busy)] * 3

    with pytest.raises(ApiError, match=r"^too many$") as refused:
        cut.jobs()

    assert (refused.value.code, refused.value.retryable) == ("too_many_requests", True)
    proxy.faults = [Fault(status=429, headers={"Retry-After": "3600"}, body=busy)]
    with pytest.raises(ApiError) as refused:
        cut.jobs()
    assert refused.value.retry_after_seconds == 3600
    assert len(proxy.requests) == 4


def test_what_answers_but_is_no_such_server_is_named(cut: Client, proxy: FaultProxy) -> None:
    for fault in (Fault(status=200, body=b"<html>"), Fault(status=302, body=b"<html>")):
        proxy.faults = [fault]
        with pytest.raises(ApiError) as refused:
            cut.job(1)
        assert refused.value.code == "answer_invalid"
    for ask in (lambda: cut.job(1), cut.jobs, cut.settings, cut.workers):
        for body in (b'{"id": 1}', b"[1]", b"7"):
            proxy.faults = [Fault(status=200, body=body)]
            with pytest.raises(ApiError) as refused:
                ask()
            assert refused.value.code == "answer_invalid"


def test_a_server_that_is_not_there_is_named() -> None:
    url = f"http://127.0.0.1:{free_port()}"

    with Client(url, "client", "key", tries=1) as client, pytest.raises(ServerUnavailable) as away:
        client.submit("line", LINE)

    assert url in away.value.message
    assert away.value.retryable


def test_a_proxy_is_asked_but_for_this_machine(
    api: Api, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("no_proxy", "")
    with asking(api.client) as client:
        assert client.jobs() == []
    monkeypatch.setenv("http_proxy", proxy.url)
    proxy.faults = [Fault(status=200, body=b"[]")]
    with Client("http://adaptation.example.org/tasks/", "client", "key") as client:
        assert client.jobs() == []
    assert [path.rstrip("?") for _, path, _ in proxy.requests] == [
        "http://adaptation.example.org/tasks/jobs"
    ]


@pytest.mark.parametrize(
    ("server", "name", "key", "code"),
    [
        ("adaptation.example.org", "a", "b", "server_invalid"),
        ("ftp://example.org", "a", "b", "server_invalid"),
        ("http://me:secret@example.org", "a", "b", "server_invalid"),
        ("http://[", "a", "b", "server_invalid"),
        ("http://127.0.0.1", "", "b", "credentials_missing"),
        ("http://127.0.0.1", "a", "", "credentials_missing"),
        ("http://127.0.0.1", "a", "b\n", "credentials_missing"),
    ],
)
def test_what_cannot_be_an_address_or_a_key_is_refused_at_once(
    server: str, name: str, key: str, code: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        Client(server, name, key)

    assert refused.value.code == code


def test_a_plan_is_asked_for_and_a_job_that_an_old_server_stores_is_cancelled(
    cut: Client, proxy: FaultProxy
) -> None:
    proxy.faults = [Fault(status=200, body=b'{"tasks": []}')]
    assert cut.plan("line", LINE, priority=1) == {"tasks": []}
    proxy.faults = [
        Fault(status=200, body=b'{"id": 7, "job_id": 7, "result": "accepted"}'),
        Fault(status=200, body=b'{"id": 7, "result": "cancelled"}'),
    ]

    with pytest.raises(ApiError) as refused:
        cut.plan("line", LINE)

    assert refused.value.code == "dry_run_unknown"
    assert [path for _, path, _ in proxy.requests] == [
        "/job?dry_run=1",
        "/job?dry_run=1",
        "/jobs/7/cancel",
    ]


def test_a_job_is_waited_for(client: Client, hand: HandWorker) -> None:
    job_id = client.submit("line", LINE).id

    with pytest.raises(NotEnded) as late:
        client.wait(job_id, timeout_seconds=0.01)
    assert (late.value.code, f"job {job_id} is queued" in late.value.message) == (
        "job_not_ended",
        True,
    )
    hand.run_all()
    assert client.wait(job_id, timeout_seconds=5).succeeded
    assert client.wait(job_id).succeeded


def test_events_tell_a_job_up_to_its_end(client: Client, hand: HandWorker) -> None:
    job_id = client.submit("line", LINE).id

    events = client.events(job_id)
    first = next(event for event in events if event.name == "job")
    assert first.data["queue_state"] == "queued"
    hand.run_all()
    rest = list(events)

    assert (rest[-1].name, rest[-1].data["queue_state"]) == ("end", "completed")
    assert {event.name for event in rest} >= {"task", "log", "job"}
    told = [event.data["id"] for event in client.events(job_id) if event.name == "log"]
    assert told == [line.id for line in client.logs(job_id)]
    assert [event.name for event in client.events(job_id, rest[-1].id)].count("log") == 0


def test_a_broken_stream_goes_on_and_repeats_nothing(
    cut: Client, proxy: FaultProxy, hand: HandWorker
) -> None:
    job_id = cut.submit("line", LINE).id
    write_lines(hand, job_id, *(f"line {number}\u2028" for number in range(20)))
    busy = Fault(status=503, headers={"Retry-After": "0"})
    proxy.faults = [Fault(cut_after=1_500), busy, Fault(cut_after=2_500), LOST]

    events = cut.events(job_id)
    told = [next(events)]
    hand.run_all()
    told += events

    lines = [event.data["message"] for event in told if event.name == "log"]
    assert lines == [line.message for line in cut.logs(job_id)]
    assert len(lines) > 20
    assert told[-1].name == "end"
    resumed = [headers.get("last-event-id") for _, path, headers in proxy.requests if "ev" in path]
    assert resumed[0] is None
    assert len(resumed) >= 4
    assert int(resumed[-1] or 0) >= int(resumed[1] or 0) > 0


def test_events_of_no_job_and_of_a_server_that_went_away_are_errors(
    cut: Client, proxy: FaultProxy
) -> None:
    with pytest.raises(ApiError) as refused:
        list(cut.events(77))
    assert refused.value.code == "job_unknown"
    proxy.faults = [LOST] * 3
    with pytest.raises(ServerUnavailable):
        list(cut.events(77))


def test_a_job_is_waited_for_by_its_events(
    cut: Client, proxy: FaultProxy, hand: HandWorker
) -> None:
    job_id = cut.submit("line", LINE).id
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(cut.wait, job_id)
        assert wait_until(lambda: any("events" in path for _, path, _ in proxy.requests))
        hand.run_all()
        assert waiting.result(timeout=10).succeeded
    asked = [path for method, path, _ in proxy.requests if method == "GET"]
    assert asked == [f"/jobs/{job_id}/events", f"/jobs/{job_id}"]


def test_a_job_is_waited_for_where_no_stream_passes(
    cut: Client, proxy: FaultProxy, hand: HandWorker
) -> None:
    job_id = cut.submit("line", LINE).id
    proxy.faults = [Fault(status=404, body=b"<html>")]
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(cut.wait, job_id)
        assert wait_until(lambda: any("events" in path for _, path, _ in proxy.requests))
        hand.run_all()
        assert waiting.result(timeout=10).succeeded


def test_the_client_loads_nothing_of_the_engine() -> None:
    heavy = ("sqlalchemy", "celery", "kombu", "fastapi", "pydantic", "adaptation.engine")
    code = f"import sys, adaptation.client; print([n for n in {heavy!r} if n in sys.modules])"

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.strip() == "[]"
