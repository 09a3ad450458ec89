"""One run: a fleet, its client, its faults, and what is known of them afterwards."""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import brokers
import clips
import judges
from adaptation.adapters.keyring import new_key_text
from adaptation.engine.store import Store
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from chaos import films, inquest
from chaos.client import Client, Receiver, Shop
from chaos.director import Director
from chaos.figures import Cost, cost
from chaos.observer import Observer
from chaos.oracle import Evidence, judge, read_ledger
from chaos.plan import Kind, make_plan
from chaos.supervisor import Member, Supervisor, may_mount
from chaos.wanted import BROKERS, Wanted
from chaos.workload import Order
from engine_kit import broken_invariants
from postgres import Postgres, running_postgres
from services import wait_until

POLL_SECONDS = 0.1
SAY_SECONDS = 10.0
UP_SECONDS = 60.0
TIDY_SECONDS = 60.0
"""How long the fleet may take to tidy up after the last job."""
LISTEN_SECONDS = 5.0
"""After so long without a notification none comes any more."""
SCRATCH_BYTES = 24 * 1024 * 1024
KEYS = "secret.key"
"""Name of the file with what seals the secrets of the whole fleet."""


@dataclass(frozen=True)
class Outcome:
    """What a run has come to."""

    evidence: Evidence
    violations: list[str]
    cost: Cost
    impossible: tuple[Kind, ...]
    """Faults that this machine does not allow."""
    hosts: int
    """How many hosts the database has seen; one process can only ask about others on its own."""


@dataclass(frozen=True)
class Stage:
    """All that takes part in a run."""

    wanted: Wanted
    orders: list[Order]
    shop: Shop
    fleet: Supervisor
    observer: Observer
    client: Client
    receiver: Receiver
    director: Director


def run(wanted: Wanted, folder: Path) -> Outcome:
    """Run it in a folder of its own, and judge."""
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(durable=True))
        place = folder / "broker"
        place.mkdir()
        broker = stack.enter_context(brokers.running(BROKERS[wanted.broker], place))
        stage = _set_up(wanted, folder, postgres, broker)
        stack.callback(stage.shop.engine.store.close)
        for part in (stage.fleet, stage.observer, stage.receiver):
            stack.enter_context(part.running())
        return _play(stage)


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"{line}\n")


def _set_up(wanted: Wanted, folder: Path, postgres: Postgres, broker: brokers.Broker) -> Stage:
    database = postgres.make_database()
    shop = _open_shop(wanted, folder, database, broker.url)
    shop.engine.store.migrate()
    shop.engine.store.set_setting("max_jobs", wanted.max_jobs)
    orders = wanted.orders()
    fleet = Supervisor(
        folder,
        _environment(wanted, folder, database, broker.url),
        _members(wanted),
        SCRATCH_BYTES if may_mount(folder) else 0,
    )
    observer = Observer(database)
    queues = shop.engine.registry.queues
    return Stage(
        wanted,
        orders,
        shop,
        fleet,
        observer,
        Client(shop, orders, folder / "client.log", wanted.order_pause_seconds),
        Receiver(broker.url, folder / "receiver.log"),
        Director(fleet, postgres, broker, observer, queues, wanted.lease_seconds),
    )


def _open_shop(wanted: Wanted, folder: Path, database: str, broker: str) -> Shop:
    assets = folder / "assets"
    assets.mkdir()
    keys = folder / KEYS
    keys.write_text(new_key_text())
    settings = Settings(
        home=folder / "client", database_url=database, broker_url=broker, secret_key_file=keys
    )
    deployment = Deployment(settings)
    films.register(deployment.registry)
    clip = clips.make_plain(folder) if wanted.encodings else None
    return Shop(deployment.engine, assets, folder / "ledger", clip)


def _environment(wanted: Wanted, folder: Path, database: str, broker: str) -> dict[str, str]:
    """What every process of the fleet is told."""
    given = {
        "DATABASE_URL": database,
        "BROKER_URL": broker,
        "SHARED": folder,
        "SECRET_KEY_FILE": folder / KEYS,
        "LEASE_SECONDS": wanted.lease_seconds,
        "HEARTBEAT_SECONDS": wanted.beat_seconds,
        "SWEEP_SECONDS": wanted.beat_seconds,
        "RETRY_DELAY": wanted.retry_delay_seconds,
        "RETRY_LIMIT": wanted.retry_limit,
    }
    ours = {f"ADAPTATION_{name}": str(value) for name, value in given.items()}
    kept = {name: v for name, v in os.environ.items() if not name.startswith("ADAPTATION_")}
    return kept | ours | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def _members(wanted: Wanted) -> list[Member]:
    work = ("worker", "--slots", str(wanted.slots))
    workers = [Member("worker", number, work) for number in range(wanted.workers)]
    controllers = [
        Member("controller", number, ("controller",)) for number in range(wanted.controllers)
    ]
    return [*controllers, *workers]


def _play(stage: Stage) -> Outcome:
    impossible = () if stage.fleet.scratch_bytes else (Kind.SCRATCH_FILLED,)
    _await_fleet(stage)
    began = time.time()
    with stage.client.running():
        _inject(stage, impossible)
    stage.director.heal()
    _await_fleet(stage)
    _await_tidiness(stage)
    injected = stage.director.injected
    names = {one.pid: stage.observer.names_of(one.pid) for one in injected}
    stage.fleet.end_all()
    evidence = _gather(stage)
    figures = cost(
        evidence,
        began=began,
        repeats=stage.client.repeats,
        injected=injected,
        names=names,
        reigns=stage.observer.reigns,
    )
    return Outcome(evidence, judge(evidence), figures, impossible, len(stage.observer.hosts))


def _await_fleet(stage: Stage) -> None:
    def is_up() -> bool:
        return all(
            each.runs and each.process and stage.observer.names_of(each.process.pid)
            for each in stage.fleet.members
        )

    if not wait_until(is_up, UP_SECONDS):
        stage.fleet.incidents.append(f"the fleet did not come up within {UP_SECONDS:g} s")


def _inject(stage: Stage, impossible: tuple[Kind, ...]) -> None:
    """Inject each fault when so much work is done, until all jobs have ended."""
    wanted, director = stage.wanted, stage.director
    plan = make_plan(wanted.seed, wanted.faults, impossible)
    work = sum(order.tasks for order in stage.orders)
    deadline, said = time.monotonic() + wanted.longest_seconds, 0.0
    while not (stage.client.is_done and stage.observer.ended >= wanted.jobs):
        if time.monotonic() > deadline:
            director.errors.append(f"broken off after {wanted.longest_seconds:g} s")
            return
        done = _executed(stage.shop.ledger) / work
        while plan and plan[0].at <= done:
            director.inject(plan.pop(0))
        if time.monotonic() - said > SAY_SECONDS:
            said = time.monotonic()
            share, ended = f"{min(done, 1):.0%}", f"{stage.observer.ended} of {wanted.jobs}"
            faults = f"{len(director.injected)} of {wanted.faults}"
            say(f"{share} of the tasks run, {ended} jobs ended, {faults} faults injected")
        time.sleep(POLL_SECONDS)
    # What the plan still holds befalls a fleet that has nothing to do any more.
    for fault in plan:
        director.inject(fault)


def _executed(ledger: Path) -> int:
    """How many tasks were run; those that were run twice count twice."""
    return ledger.read_bytes().count(b'"executed"') if ledger.exists() else 0


def _await_tidiness(stage: Stage) -> None:
    """Give controllers the time to remove what is spent, and notifications that to arrive."""
    wait_until(lambda: not inquest.left_behind(stage.fleet), TIDY_SECONDS)
    films_ordered = {order.main_task_id for order in stage.orders if not order.is_encoding}
    wait_until(
        lambda: (
            films_ordered <= {notice.main_task_id for notice in stage.receiver.notices}
            or time.monotonic() - stage.receiver.heard > LISTEN_SECONDS
        ),
        TIDY_SECONDS,
    )


def _gather(stage: Stage) -> Evidence:
    # Of its own: the client's connections may have been cut while nobody used them.
    with closing(Store(stage.observer.url)) as store:
        return _gather_from(store, stage)


def _gather_from(store: Store, stage: Stage) -> Evidence:
    fleet = stage.fleet
    accepted = [json.loads(line) for line in stage.client.log.read_text().splitlines()]
    homes = (fleet.folder / "hosts").iterdir()
    return Evidence(
        orders=stage.orders,
        accepted=[(main_task_id, job_id) for main_task_id, job_id in accepted],
        jobs=inquest.jobs(store),
        attempts=inquest.attempts(store),
        notices=list(stage.receiver.notices),
        ledger=read_ledger(stage.shop.ledger),
        assets=stage.shop.assets,
        # RabbitMQ keeps on disk what it has confirmed, and only queues of tasks are flushed.
        wiped=stage.director.wiped if stage.wanted.broker == "redis" else (),
        invariants=broken_invariants(store),
        left=inquest.left_behind(fleet),
        processes=[line for home in homes for line in judges.processes_of(home)],
        incidents=[*fleet.incidents, *_gave_up(stage), *stage.director.errors],
    )


def _gave_up(stage: Stage) -> list[str]:
    """Processes that were at work and could not wait for the database or the broker."""
    return [
        f"{name} gave up because the database or the broker was away"
        for name, pid in stage.fleet.refused
        if stage.observer.names_of(pid)
    ]
