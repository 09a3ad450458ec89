"""Events of jobs: told once, in order, from where a client stopped, however many listen."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import httpx2
import pytest
from sqlalchemy import text
from structlog.testing import capture_logs

from adaptation.api.channel import MOST_WAITING
from adaptation.api.server import serving
from adaptation.engine import rows
from adaptation.settings import load_settings
from api_kit import Api, Caller, running_api
from engine_kit import HandWorker
from events_kit import (
    SmallDeployment,
    Statements,
    listening,
    listening_to_all,
    messages,
    until,
    write_lines,
)
from postgres import Postgres
from services import wait_until


@pytest.fixture
def deployment(home: Path) -> Iterator[SmallDeployment]:
    """A deployment on SQLite; its tasks are run by hand."""
    deployment = SmallDeployment(load_settings())
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


def test_a_job_is_told_from_its_beginning_to_its_end(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue("fan", client="client", parameters={"width": 2})

    with listening(api.client, job_id) as events:
        start = until(events, "job")
        assert (start[-1].data["queue_state"], start[-1].data["position"]) == ("queued", 1)
        assert [one.data["state"] for one in start if one.name == "task"] == ["ready"] + [
            "waiting"
        ] * 2
        hand.run_all()
        rest = list(events)

    assert rest[-1].name == "end"
    assert (rest[-1].data["queue_state"], rest[-1].data["failed"]) == ("completed", False)
    assert rest[-1].data["progress"] == 1
    done = {one.data["id"] for one in rest if one.name == "task" and one.data["state"] == "done"}
    assert done == {task.id for task in hand.store.tasks(job_id)}
    logged = [line.message for line in hand.store.logs(job_id)]
    assert messages([*start, *rest]) == logged


def test_an_ended_job_is_told_whole_and_the_stream_ends(api: Api, hand: HandWorker) -> None:
    job_id = hand.submit("line", length=1)
    hand.run_all()

    with listening(api.admin, job_id) as events:
        told = list(events)

    assert [one.name for one in told if one.name != "log"] == ["task", "job", "end"]


def test_another_clients_job_is_unknown(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")

    assert api.other.call("GET", f"/jobs/{job_id}/events").status_code == 404
    assert api.client.call("GET", f"/jobs/{job_id + 1}/events").status_code == 404
    assert api.client.call("GET", "/jobs/1/events", headers={"api-key": "x"}).status_code == 401
    wrong = api.client.call("GET", f"/jobs/{job_id}/events", headers={"Last-Event-ID": "x"})
    assert wrong.status_code == 400


def test_more_listeners_than_a_process_serves_are_sent_away(
    api: Api, hand: HandWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adaptation.api.ticking.MOST_LISTENERS", 1)
    job_id = hand.queue(client="client")

    with listening(api.client, job_id) as events:
        until(events, "job")
        refused = api.client.call("GET", f"/jobs/{job_id}/events")

    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_listeners")
    assert refused.headers["retry-after"] == "5"


def test_the_stream_of_a_job_that_is_deleted_ends(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")

    with listening(api.client, job_id) as events:
        until(events, "job")
        with hand.store.database.write() as connection:
            for table, column in (("log", "job_id"), ("task", "job_id"), ("job", "id")):
                gone = text(f"DELETE FROM {table} WHERE {column} = :id")
                connection.execute(gone, {"id": job_id})
        assert list(events) == []


def test_a_cancel_and_a_retry_are_told_with_all_their_tasks(api: Api, hand: HandWorker) -> None:
    job_id = hand.submit("line", length=3)
    claim = hand.store.claim_next(("light",), "w", 30, job_id=job_id)
    assert claim is not None

    with listening(api.admin, job_id) as events:
        until(events, "job", queue_state="started")
        hand.store.fail(claim, {"code": "x", "message": "no"}, retry_in_seconds=None)
        ended = list(events)
    states = [one.data["state"] for one in ended if one.name == "task"]
    assert states == ["failed", "skipped", "skipped"]
    assert ended[-1].data["error"]["message"] == "no"

    with listening(api.admin, job_id, last=ended[-1].id) as events:
        assert [one.name for one in events] == ["task"] * 3 + ["job", "end"]
    hand.store.retry(job_id)
    with listening(api.admin, job_id) as events:
        until(events, "job", queue_state="queued")
        hand.run_all()
        assert list(events)[-1].data["progress"] == 1


def test_the_description_of_the_api_names_the_stream(api: Api) -> None:
    paths = api.client.get("/openapi.json")["paths"]

    assert (
        "text/event-stream" in paths["/jobs/{job_id}/events"]["get"]["responses"]["200"]["content"]
    )
    assert {"/metrics", "/livez", "/readyz"} <= set(paths)


def test_debug_lines_are_told_to_whoever_asks_for_all(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")
    write_lines(hand, job_id, "hidden", severity=10)

    with listening(api.client, job_id) as some:
        with listening(api.client, job_id, path="events?show_all=1") as everything:
            seen = until(everything, "job")
            write_lines(hand, job_id, "also hidden", severity=10)
            write_lines(hand, job_id, "last")
            seen += until(everything, "log", message="last")
        shown = until(some, "log", message="last")

    assert messages(seen)[-3:] == ["hidden", "also hidden", "last"]
    assert not {"hidden", "also hidden"} & set(messages(shown))


def test_after_a_restart_no_line_is_lost_and_none_comes_twice(
    deployment: SmallDeployment, tmp_path: Path
) -> None:
    with running_api(deployment) as api:
        hand = HandWorker(deployment.store, deployment.registry, tmp_path)
        job_id = hand.queue(client="client")
        write_lines(hand, job_id, *[f"line {number}" for number in range(1200)])
        with listening(api.client, job_id) as events:
            first = until(events, "log", message="line 700")
        with listening(api.client, job_id, last=first[-1].id) as events:
            first += until(events, "job")
            write_lines(hand, job_id, "before the stop")
            first += until(events, "log", message="before the stop")
            last = first[-1].id
    write_lines(hand, job_id, "while nobody served")

    with serving(deployment, "127.0.0.1", 0) as url:
        caller = Caller(url, "client", api.client.key)
        with listening(caller, job_id, last=last) as events:
            second = until(events, "job")
            write_lines(hand, job_id, "after the start")
            second += until(events, "log", message="after the start")

    told = [one.data["id"] for one in first + second if one.name == "log"]
    assert told == [line.id for line in hand.store.logs(job_id)]
    assert [one.id for one in first + second] == sorted(one.id for one in first + second)


def test_a_server_that_stops_does_not_wait_for_its_streams(
    deployment: SmallDeployment, tmp_path: Path
) -> None:
    with ExitStack() as streams:
        with running_api(deployment) as api:
            hand = HandWorker(deployment.store, deployment.registry, tmp_path)
            job_id = hand.queue(client="client")
            opened = [streams.enter_context(listening(api.client, job_id)) for _ in range(4)]
            opened.append(streams.enter_context(listening_to_all(api.client)))
            for events in opened:
                until(events, "job")
            began = time.monotonic()
        took = time.monotonic() - began
        left = [list(events) for events in opened]

    assert took < 3, took
    assert left == [[]] * 5


def test_many_listeners_cost_the_store_no_more_than_one(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue("line", client="client", parameters={"length": 3})
    hand.store.admit(job_id)

    with ExitStack() as streams:
        events = streams.enter_context(listening(api.client, job_id))
        until(events, "job")
        alone = costs(hand, 3)
        many = [streams.enter_context(listening(api.client, job_id)) for _ in range(199)]
        for one in many:
            until(one, "job")
        together = costs(hand, 3)
        assert threading.active_count() < 60
        write_lines(hand, job_id, "for all")
        for one in [events, *many]:
            assert until(one, "log", message="for all")

    # A look each half second: its two statements and what begins it.
    assert alone[0] <= 6.5
    assert together[0] <= alone[0] + 1.5, (alone, together)
    assert together[1] < alone[1] + 0.1, (alone, together)


def costs(hand: HandWorker, seconds: float) -> tuple[float, float]:
    """Statements a second while nothing happens, and processors that this process uses."""
    began, used = time.monotonic(), time.process_time()
    with Statements(hand) as seen:
        threading.Event().wait(seconds)
    took = time.monotonic() - began
    return seen.count / took, (time.process_time() - used) / took


def test_a_gone_listener_is_forgotten(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")

    with listening(api.client, job_id) as events:
        until(events, "job")

    assert wait_until(lambda: costs(hand, 0.6)[0] == 0)


def test_a_slow_listener_loses_its_stream_and_no_line(api: Api, hand: HandWorker) -> None:
    job_id = hand.queue(client="client")
    headers = {"client": "client", "api-key": api.client.key}
    url = f"{api.url}jobs/{job_id}/events"
    long = "x" * 3900
    with (
        httpx2.Client(timeout=20, trust_env=False) as client,
        client.stream("GET", url, headers=headers) as slow,
    ):
        lines = slow.iter_lines()
        while not next(lines).startswith("event: job"):
            pass
        for _ in range(9):
            write_lines(hand, job_id, *[long] * 1000)
        write_lines(hand, job_id, "last")
        with listening(api.client, job_id) as quick:
            assert len(messages(until(quick, "log", message="last"))) >= 9001
        told = {int(line[4:]) for line in lines if line.startswith("id: ")}
    assert len(told) < 9000 - MOST_WAITING, "it was told all: it was not slow"

    with listening(api.client, job_id, last=max(told)) as events:
        told |= {one.data["id"] for one in until(events, "log", message="last")}
    assert {line.id for line in hand.store.logs(job_id) if line.message == long} <= told


def told(logged: list[MutableMapping[str, Any]]) -> list[str]:
    """What a process has logged."""
    return [str(line["event"]) for line in logged]


def test_a_line_that_becomes_visible_late_is_told(
    home: Path, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", postgres_url)
    deployment = SmallDeployment(load_settings())
    with running_api(deployment) as api:
        hand = HandWorker(deployment.store, deployment.registry, tmp_path)
        job_id = hand.queue(client="client")
        with listening(api.client, job_id) as events:
            until(events, "job")
            with hand.store.database.write() as connection:
                rows.insert_lines(connection, job_id, 0, [(20, "first, and late")])
                write_lines(hand, job_id, "second, and soon")
                seen = until(events, "log", message="second, and soon")
            cut_off = seen[-1].id
            seen = until(events, "log", message="first, and late")
            assert seen[-1].data["id"] < seen[-1].id == cut_off
        # One that was cut off between the two.
        with listening(api.client, job_id, last=cut_off) as events:
            assert "first, and late" in messages(until(events, "job"))
    deployment.store.close()


def test_a_stream_outlives_its_database(
    home: Path, tmp_path: Path, postgres_server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres_server.make_database()
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", url)
    deployment = SmallDeployment(load_settings())
    with running_api(deployment) as api:
        hand = HandWorker(deployment.store, deployment.registry, tmp_path)
        job_id = hand.queue(client="client")
        with listening(api.client, job_id) as events:
            until(events, "job")
            postgres_server.stop()
            try:
                with capture_logs() as logged:
                    assert wait_until(lambda: "watched jobs cannot be looked at" in told(logged))
            finally:
                postgres_server.start()
            write_lines(hand, job_id, "after the outage")
            assert until(events, "log", message="after the outage")
    deployment.store.close()
    postgres_server.drop_database(url)


def test_the_example_of_the_page_follows_a_job_to_its_end(api: Api, hand: HandWorker) -> None:
    page = (Path(__file__).parents[2] / "docs/events.md").read_text()
    example = page.partition("```python\n")[2].partition("```")[0]
    job_id = hand.queue("line", client="client", parameters={"length": 2})
    facts = {"URL": api.url.rstrip("/"), "KEY": api.client.key, "CLIENT": "client"}

    with subprocess.Popen(
        [sys.executable, "-u", "-c", example],
        env={**os.environ, **facts, "JOB": str(job_id)},
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        while process.stdout.readline() != "queued, 0%\n":
            assert process.poll() is None
        hand.run_all()
        rest = process.stdout.read()

    assert process.returncode == 0
    assert "job completed" in rest
    assert rest.endswith("completed, 100%\n")
