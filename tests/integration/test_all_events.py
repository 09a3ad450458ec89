"""Events of all jobs: each client hears of its own, an admin of all, whoever else listens."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from adaptation.engine import rows
from adaptation.settings import load_settings
from api_kit import Api, Caller, running_api
from engine_kit import HandWorker
from events_kit import (
    Event,
    SmallDeployment,
    Statements,
    listening_to_all,
    messages,
    until,
    write_lines,
)
from services import wait_until


@pytest.fixture(params=["sqlite", "postgresql"])
def both(
    request: pytest.FixtureRequest, home: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Api]:
    """A server on each database in turn."""
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        monkeypatch.setenv("ADAPTATION_DATABASE_URL", url)
    with served() as api:
        yield api


@pytest.fixture
def api(home: Path) -> Iterator[Api]:
    with served() as api:
        yield api


@contextmanager
def served() -> Iterator[Api]:
    deployment = SmallDeployment(load_settings())
    with running_api(deployment) as api:
        yield api
    deployment.store.close()


def hand_of(api: Api, folder: Path) -> HandWorker:
    return HandWorker(api.deployment.store, api.deployment.registry, folder)


def states(events: list[Event], job_id: int) -> list[str]:
    """The states that a job was told to be in."""
    return [
        one.data["queue_state"] for one in events if one.name == "job" and one.data["id"] == job_id
    ]


def marked(hand: HandWorker, caller: Caller, events: Iterator[Event]) -> list[Event]:
    """All events up to now: up to one about a job of the client that comes after them."""
    job_id = hand.queue(client=caller.name)
    write_lines(hand, job_id, "now")
    return until(events, "log", message="now", job_id=job_id)


def test_jobs_are_told_as_they_come_and_go(both: Api, tmp_path: Path) -> None:
    hand = hand_of(both, tmp_path)
    before = hand.queue("line", client="client")

    with listening_to_all(both.client) as events:
        first = until(events, "job")
        assert (first[-1].data["id"], first[-1].data["queue_state"]) == (before, "queued")
        assert [one.name for one in first] == ["job"], "a new stream begins with what is"
        job_id = hand.queue("line", client="client", parameters={"length": 2})
        until(events, "job", id=job_id, queue_state="queued")
        claim = next(claim for item in hand.ready() if (claim := hand.claim(item)))
        until(events, "job", id=claim.job_id, queue_state="started", progress=0.0)
        assert hand.complete(claim)
        hand.run_all()
        seen = until(events, "job", id=job_id, queue_state="completed", progress=1.0)

    assert {"started", "job completed"} - set(messages(seen)) == {"started"}, "no debug lines"


def test_progress_is_told_without_any_line_of_the_log(api: Api, tmp_path: Path) -> None:
    hand = hand_of(api, tmp_path)
    job_id = hand.submit("line", length=2)
    with listening_to_all(api.admin) as events:
        until(events, "job", id=job_id, queue_state="started", progress=0.0)
        claim = next(claim for item in hand.ready() if (claim := hand.claim(item)))
        with hand.store.database.write() as connection:
            told = "UPDATE task SET progress = 0.5 WHERE id = ?"
            connection.exec_driver_sql(told, (claim.task_id,))
        until(events, "job", id=job_id, progress=0.25)


def test_nobody_hears_of_another_clients_jobs(both: Api, tmp_path: Path) -> None:
    hand = hand_of(both, tmp_path)
    mine, theirs = (hand.queue(client=name) for name in ("client", "other"))
    with ExitStack() as streams:
        hearing = {
            caller.name: streams.enter_context(listening_to_all(caller))
            for caller in (both.client, both.other, both.admin, both.readonly)
        }
        for job_id in (mine, theirs):
            write_lines(hand, job_id, f"secret of {job_id}")
        hand.run_all()
        heard = {
            caller.name: marked(hand, caller, hearing[caller.name])
            for caller in (both.client, both.other, both.readonly, both.admin)
        }
    for name, seen in heard.items():
        ids = {one.data["id" if one.name == "job" else "job_id"] for one in seen}
        assert (mine in ids, theirs in ids) == {
            "client": (True, False),
            "other": (False, True),
            "readonly": (False, False),
            "admin": (True, True),
        }[name], name
    # Nor afterwards, with an id from before.
    with listening_to_all(both.other, last=1) as events:
        assert str(mine) not in {
            word for text in messages(marked(hand, both.other, events)) for word in text.split()
        }


def test_an_admin_may_listen_to_one_client_and_a_client_to_no_other(
    api: Api, tmp_path: Path
) -> None:
    hand = hand_of(api, tmp_path)
    refused = api.other.call("GET", "/events", client="client")
    assert refused.status_code == 403
    with listening_to_all(api.admin, query="?client=client") as events:
        hand.queue(client="other")
        seen = marked(hand, api.client, events)
    assert {one.data["client"] for one in seen if one.name == "job"} <= {"client"}


def test_a_stream_goes_on_where_it_was_cut_off(both: Api, tmp_path: Path) -> None:
    hand = hand_of(both, tmp_path)
    job_id = hand.queue(client="client")
    with listening_to_all(both.client) as events:
        last = marked(hand, both.client, events)[-1]
    write_lines(hand, job_id, *[f"missed {number}" for number in range(1200)])
    hand.run_all()

    with listening_to_all(both.client, last=last.id) as events:
        seen = marked(hand, both.client, events)
        seen += until(events, "job", id=job_id) if "completed" not in states(seen, job_id) else []

    told = [text for text in messages(seen) if text.startswith("missed")]
    assert told == [f"missed {number}" for number in range(1200)]
    assert states(seen, job_id)[-1] == "completed", "it has ended meanwhile"


def test_a_line_that_becomes_visible_late_is_told_also_to_who_was_cut_off(
    home: Path, tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_DATABASE_URL", postgres_url)
    with served() as api:
        hand = hand_of(api, tmp_path)
        job_id = hand.queue(client="client")
        with listening_to_all(api.client) as events:
            until(events, "job")
            with hand.store.database.write() as connection:
                rows.insert_lines(connection, job_id, 0, [(20, "first, and late")])
                write_lines(hand, job_id, "second, and soon")
                cut_off = until(events, "log", message="second, and soon")[-1].id
            late = until(events, "log", message="first, and late")[-1]
            assert late.data["id"] < late.id == cut_off
        with listening_to_all(api.client, last=cut_off) as events:
            assert "first, and late" in messages(marked(hand, api.client, events))


def test_many_who_listen_to_all_cost_the_store_no_more_than_one(api: Api, tmp_path: Path) -> None:
    hand = hand_of(api, tmp_path)
    job_id = hand.queue(client="client")
    with ExitStack() as streams:
        events = streams.enter_context(listening_to_all(api.client))
        until(events, "job")
        alone = statements(hand)
        many = [streams.enter_context(listening_to_all(api.client)) for _ in range(40)]
        for one in many:
            until(one, "job")
        together = statements(hand)
        assert threading.active_count() < 60
        write_lines(hand, job_id, "for all")
        for one in [events, *many]:
            assert until(one, "log", message="for all")

    # Two looks a second: each four statements and what begins it.
    assert alone <= 14
    assert together <= alone + 4
    assert wait_until(lambda: statements(hand, 0.6) == 0), "who is gone is forgotten"


def statements(hand: HandWorker, seconds: float = 1.5) -> float:
    """A second, while nothing happens."""
    with Statements(hand) as seen:
        threading.Event().wait(seconds)
    return seen.count / seconds


def test_no_more_listen_to_all_than_a_process_serves(
    api: Api, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("adaptation.api.ticking.MOST_LISTENERS", 1)
    hand_of(api, tmp_path).queue(client="client")
    with listening_to_all(api.client) as events:
        until(events, "job")
        refused = api.client.call("GET", "/events")
    assert (refused.status_code, refused.json()["code"]) == (503, "too_many_listeners")
