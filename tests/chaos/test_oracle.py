"""The oracle sees what is wrong: each planted violation is found, and only that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from chaos.client import Notice
from chaos.director import Injected
from chaos.figures import Spread, cost
from chaos.observer import Reign
from chaos.oracle import Attempt, Ended, Entry, Evidence, forgotten, judge
from chaos.plan import Fault, Kind
from chaos.workload import FILM, RECORD, Order, make_orders

SENT = 1000.0
FIRST = "order-00000"


def tasks_of(number: int, order: Order) -> range:
    """Ids of a job's tasks."""
    return range(100 * number, 100 * number + order.tasks)


def publish(assets: Path, order: Order) -> None:
    """Do what the last task of an order does."""
    folder = assets / order.main_task_id
    folder.mkdir(parents=True)
    (folder / FILM).write_bytes(order.film())
    (folder / RECORD).write_text(json.dumps({"asset_id": order.main_task_id}))


@pytest.fixture
def honest(tmp_path: Path) -> Evidence:
    """Three orders without a fault, one of whose tasks was begun twice."""
    orders = make_orders(1, 3, most_pieces=3)
    ledger = []
    attempts = [Attempt(0, 1, "dead", 0, 5000, "lost")]
    for number, order in enumerate(orders):
        publish(tmp_path / "assets", order)
        for task_id in tasks_of(number, order):
            generation = 1 if task_id else 2
            ledger.append(Entry("executed", order.main_task_id, "key", task_id, generation))
            attempts.append(Attempt(task_id, generation, "w", 9000, 9500, "done"))
        ledger.append(Entry("published 7", order.main_task_id, "key", task_id, 1))
    names = [order.main_task_id for order in orders]
    return Evidence(
        orders=orders,
        accepted=[(name, number) for number, name in enumerate(names)] + [(FIRST, 0)],
        jobs={
            name: Ended(number, "completed", False, "", ((f"{number}/end", SENT),))
            for number, name in enumerate(names)
        },
        attempts=attempts,
        notices=[Notice(f"{number}/end", name) for number, name in enumerate(names)] * 2,
        ledger=[*ledger, Entry("executed", FIRST, "key", 0, 1)],
        assets=tmp_path / "assets",
    )


def test_an_honest_run_is_without_a_fault(honest: Evidence) -> None:
    assert judge(honest) == []


def change_a_byte(honest: Evidence) -> Evidence:
    film = honest.assets / FIRST / FILM
    film.write_bytes(bytes([film.read_bytes()[0] ^ 1]) + film.read_bytes()[1:])
    return honest


def cut_a_film(honest: Evidence) -> Evidence:
    film = honest.assets / FIRST / FILM
    film.write_bytes(film.read_bytes()[:-1])
    return honest


def lose_a_file(honest: Evidence) -> Evidence:
    (honest.assets / FIRST / FILM).unlink()
    return honest


def lose_an_output(honest: Evidence) -> Evidence:
    shutil.rmtree(honest.assets / FIRST)
    return honest


def leave_a_part(honest: Evidence) -> Evidence:
    (honest.assets / FIRST / "film.bin.part").touch()
    return honest


def leave_a_publication_behind(honest: Evidence) -> Evidence:
    shutil.copytree(honest.assets / FIRST, honest.assets / f".{FIRST}.job0.x.partial")
    return honest


def mix_two_up(honest: Evidence) -> Evidence:
    (honest.assets / FIRST / RECORD).write_text(json.dumps({"asset_id": "order-00001"}))
    return honest


def publish_twice(honest: Evidence) -> Evidence:
    return replace(honest, ledger=[*honest.ledger, Entry("published 8", FIRST, "key", 1, 2)])


def commit_twice(honest: Evidence) -> Evidence:
    return replace(honest, attempts=[*honest.attempts, Attempt(1, 2, "w", 0, 1, "done")])


def commit_unseen(honest: Evidence) -> Evidence:
    ledger = [entry for entry in honest.ledger if (entry.task_id, entry.generation) != (0, 2)]
    return replace(honest, ledger=ledger)


def run_an_attempt_twice(honest: Evidence) -> Evidence:
    return replace(honest, ledger=[*honest.ledger, Entry("executed", FIRST, "key", 1, 1)])


def skip_a_task(honest: Evidence) -> Evidence:
    return replace(honest, ledger=[entry for entry in honest.ledger if entry.task_id != 1])


def lose_a_job(honest: Evidence) -> Evidence:
    return replace(honest, jobs={n: job for n, job in honest.jobs.items() if n != FIRST})


def double_a_job(honest: Evidence) -> Evidence:
    return replace(honest, accepted=[*honest.accepted, (FIRST, 9)])


def invent_a_job(honest: Evidence) -> Evidence:
    return replace(honest, jobs={**honest.jobs, "nobody": honest.jobs[FIRST]})


def never_accept(honest: Evidence) -> Evidence:
    accepted = [(name, job_id) for name, job_id in honest.accepted if name != FIRST]
    return replace(honest, accepted=accepted)


def fail_a_job(honest: Evidence) -> Evidence:
    failed = replace(honest.jobs[FIRST], failed=True)
    return replace(honest, jobs={**honest.jobs, FIRST: failed})


def leave_a_job_running(honest: Evidence) -> Evidence:
    started = replace(honest.jobs[FIRST], state="started")
    return replace(honest, jobs={**honest.jobs, FIRST: started})


def lose_a_notification(honest: Evidence) -> Evidence:
    notices = [notice for notice in honest.notices if notice.main_task_id != FIRST]
    return replace(honest, notices=notices)


def tell_twice(honest: Evidence) -> Evidence:
    return replace(honest, notices=[*honest.notices, Notice("other", FIRST)])


def never_tell(honest: Evidence) -> Evidence:
    untold = replace(honest.jobs[FIRST], told=())
    return lose_a_notification(replace(honest, jobs={**honest.jobs, FIRST: untold}))


PLANTED: dict[Callable[[Evidence], Evidence], str] = {
    change_a_byte: "wrong output",
    cut_a_film: "wrong output",
    lose_a_file: "partial output",
    lose_an_output: "lost output",
    leave_a_part: "partial output",
    leave_a_publication_behind: "partial or unknown output",
    mix_two_up: "wrong output",
    publish_twice: "doubled output",
    commit_twice: "was committed by attempts",
    commit_unseen: "was committed by attempts",
    run_an_attempt_twice: "was run 2 times",
    skip_a_task: "tasks instead of",
    lose_a_job: "lost: ",
    double_a_job: "doubled: ",
    invent_a_job: "unknown: ",
    never_accept: "never accepted",
    fail_a_job: "not done",
    leave_a_job_running: "not done",
    lose_a_notification: "lost notification",
    tell_twice: "nobody knows",
    never_tell: "has 0 notifications",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_violation_is_found(
    honest: Evidence, plant: Callable[[Evidence], Evidence]
) -> None:
    found = judge(plant(honest))

    assert any(PLANTED[plant] in line for line in found), found
    assert all("00001" not in line and "00002" not in line for line in found), found


def test_a_broker_that_lost_its_memory_may_lose_what_it_had_just_taken(honest: Evidence) -> None:
    silent = lose_a_notification(honest)

    assert judge(replace(silent, wiped=[SENT + 1])) == []
    assert forgotten(replace(silent, wiped=[SENT + 1])) == 1
    assert len(judge(replace(silent, wiped=[SENT + 60]))) == 1


@pytest.mark.parametrize("place", ["invariants", "left", "processes", "incidents"])
def test_whatever_others_have_seen_counts(honest: Evidence, place: str) -> None:
    seen = {place: ["something"]}

    assert len(judge(replace(honest, **seen))) == 1  # type: ignore[arg-type]


def test_a_takeover_is_from_the_kill_to_the_next_claim(honest: Evidence) -> None:
    fault = Fault(0.5, Kind.HOST_LOST, 0, 0.0)
    figures = cost(
        honest,
        began=1.0,
        repeats=0,
        injected=[Injected(fault, at=4.0, pid=12)],
        names={12: ["dead"]},
        reigns=[Reign(1.0, "dead"), Reign(6.5, "next")],
    )

    assert figures.takeovers[Kind.HOST_LOST].values == (5.0,)
    assert figures.takeovers[Kind.WORKER_KILLED].values == ()
    assert figures.taken_back.values == (1.0,)
    assert figures.leaderless.values == (2.5,)
    assert figures.executions == figures.tasks + 1


def test_a_percentile_is_a_value_that_was_seen() -> None:
    spread = Spread(tuple(float(number) for number in range(1, 101)))

    assert (spread.at(0.5), spread.at(0.95)) == (50.0, 95.0)
    assert Spread((3.0,)).at(0.95) == 3.0
