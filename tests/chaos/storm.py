"""One run: a fleet, its client, its faults, and what is known of them afterwards."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from sqlalchemy import insert, select, text

import brokers
import clips
import judges
from adaptation.engine.schema import attempt, job, outbox, setting
from adaptation.engine.store import Store
from adaptation.settings import Settings
from adaptation.wiring import Deployment
from chaos import films
from chaos.client import Client, Receiver, Shop
from chaos.director import Director
from chaos.figures import Cost, cost
from chaos.observer import Observer
from chaos.oracle import Attempt, Ended, Evidence, judge, read_ledger
from chaos.plan import Fault, Kind, make_plan
from chaos.supervisor import Member, Supervisor, may_mount
from chaos.workload import Order, make_orders
from engine_kit import broken_invariants
from postgres import Postgres, running_postgres
from services import wait_until

POLL_SECONDS = 0.1
SAY_SECONDS = 10.0
UP_SECONDS = 60.0
TIDY_SECONDS = 60.0
"""How long the fleet may take to tidy up after the last job."""
SCRATCH_BYTES = 24 * 1024 * 1024
BROKERS: dict[str, type[brokers.Broker]] = {"redis": brokers.Redis, "rabbitmq": brokers.RabbitMQ}
from adaptation.cli.app import COMMANDS

CONTROLLER = (
    ("controller",) if any(c[0] == "controller" for c in COMMANDS) else ("worker", "--slots", "1")
)
SHORT_PIECES, LONG_PIECES = 4, 12
"""Most pieces of a job."""


def say(line: str) -> None:
    """Tell whoever waits how far it is."""
    sys.stderr.write(f"{line}\n")


@dataclass(frozen=True)
class Wanted:
    """The size of a run."""

    jobs: int
    faults: int
    seed: int
    broker: str = "redis"
    encodings: int = 0
    """How many of the jobs are real ones."""
    most_pieces: int = LONG_PIECES
    workers: int = 3
    controllers: int = 2
    slots: int = 3
    """Of each worker."""
    max_jobs: int = 24
    """How many jobs are started at once."""
    lease_seconds: float = 30.0
    beat_seconds: float = 2.0
    """Between heartbeats, and between sweeps."""
    retry_delay_seconds: float = 5.0
    retry_limit: int = 3
    order_pause_seconds: float = 0.02
    """Between two orders of the client."""
    longest_seconds: float = 3600.0
    """After this the run is broken off: whatever has not ended is a violation."""

    def orders(self) -> list[Order]:
        """What the client will order."""
        return make_orders(
            self.seed, self.jobs, most_pieces=self.most_pieces, encodings=self.encodings
        )

    def over(self, broker: str) -> Wanted:
        """The same with another broker."""
        return replace(self, broker=broker)


SHORT = Wanted(
    jobs=100,
    faults=len(Kind),
    seed=1,
    most_pieces=SHORT_PIECES,
    lease_seconds=3.0,
    beat_seconds=0.5,
    retry_delay_seconds=0.5,
    retry_limit=6,
    longest_seconds=180.0,
)
"""What the tests have the time for."""


@dataclass(frozen=True)
class Outcome:
    """What a run has come to."""

    evidence: Evidence
    violations: list[str]
    cost: Cost
    impossible: tuple[Kind, ...]
    """Faults that this machine does not allow."""


@dataclass
class Storm:
    """One run in a folder of its own."""

    wanted: Wanted
    folder: Path

    def run(self) -> Outcome:
        """Run it, and judge."""
        with ExitStack() as stack:
            self._postgres = stack.enter_context(running_postgres(durable=True))
            place = self.folder / "broker"
            place.mkdir(parents=True)
            kind = BROKERS[self.wanted.broker]
            self._broker = stack.enter_context(brokers.running(kind, place))
            return self._run_with(self._postgres, self._broker)

    def _run_with(self, postgres: Postgres, broker: brokers.Broker) -> Outcome:
        database = postgres.make_database()
        self._environment = self._make_environment(database, broker.url)
        shop = self._shop(database, broker.url)
        self._store = shop.engine.store
        self._store.migrate()
        _set(self._store, "max_jobs", self.wanted.max_jobs)
        mounts = may_mount(self.folder)
        self._impossible = () if mounts else (Kind.SCRATCH_FILLED,)
        fleet = Supervisor(
            self.folder, self._environment, self._members(), SCRATCH_BYTES if mounts else 0
        )
        observer = Observer(database)
        orders = self.wanted.orders()
        client = Client(shop, orders, self.folder / "client.log", self.wanted.order_pause_seconds)
        receiver = Receiver(broker.url, self.folder / "receiver.log")
        director = Director(
            fleet,
            postgres,
            broker,
            observer,
            shop.engine.registry.queues,
            self.wanted.lease_seconds,
        )
        with fleet.running(), observer.running(), receiver.running():
            self._await_fleet(fleet, observer)
            began = time.time()
            with client.running():
                self._weather(director, observer, client, orders, shop.ledger)
            director.heal()
            self._await_fleet(fleet, observer)
            self._await_tidiness(fleet, receiver, orders)
            names = {one.pid: observer.names_of(one.pid) for one in director.injected}
            fleet.end_all()
            evidence = self._evidence(orders, shop, fleet, receiver, director)
        self._store.close()
        return Outcome(
            evidence,
            judge(evidence),
            cost(
                evidence,
                wall_seconds=self._last_end - began,
                repeats=client.repeats,
                injected=director.injected,
                names=names,
                reigns=observer.reigns,
            ),
            self._impossible,
        )

    def _make_environment(self, database: str, broker: str) -> dict[str, str]:
        wanted = self.wanted
        given = {
            "DATABASE_URL": database,
            "BROKER_URL": broker,
            "SHARED": self.folder,
            "OUTPUT_ROOT": self.folder / "assets",
            "LEASE_SECONDS": wanted.lease_seconds,
            "HEARTBEAT_SECONDS": wanted.beat_seconds,
            "SWEEP_SECONDS": wanted.beat_seconds,
            "RETRY_DELAY": wanted.retry_delay_seconds,
            "RETRY_LIMIT": wanted.retry_limit,
            "SLOTS": wanted.slots,
        }
        kept = {k: v for k, v in os.environ.items() if not k.startswith("ADAPTATION_")}
        paths = os.pathsep.join(path for path in sys.path if path)
        ours = {f"ADAPTATION_{name}": str(value) for name, value in given.items()}
        return kept | ours | {"PYTHONPATH": paths}

    def _shop(self, database: str, broker: str) -> Shop:
        assets, ledger = self.folder / "assets", self.folder / "ledger"
        assets.mkdir()
        settings = Settings(home=self.folder / "client", database_url=database, broker_url=broker)
        deployment = Deployment(settings)
        films.register(deployment.registry)
        clip = clips.make_plain(self.folder) if self.wanted.encodings else None
        return Shop(deployment.engine, assets, ledger, clip)

    def _members(self) -> list[Member]:
        slots = str(self.wanted.slots)
        workers = [
            Member("worker", number, ("worker", "--slots", slots))
            for number in range(self.wanted.workers)
        ]
        controllers = [
            Member("controller", number, CONTROLLER) for number in range(self.wanted.controllers)
        ]
        return [*controllers, *workers]

    def _await_fleet(self, fleet: Supervisor, observer: Observer) -> None:
        def is_up() -> bool:
            return all(
                each.runs and each.process and observer.names_of(each.process.pid)
                for each in fleet.members
            )

        if not wait_until(is_up, UP_SECONDS):
            fleet.incidents.append("the fleet did not come up")

    def _weather(
        self,
        director: Director,
        observer: Observer,
        client: Client,
        orders: Sequence[Order],
        ledger: Path,
    ) -> None:
        """Inject each fault when so much work is done, until all jobs have ended."""
        plan = make_plan(self.wanted.seed, self.wanted.faults, self._impossible)
        work = sum(order.tasks for order in orders)
        deadline = time.monotonic() + self.wanted.longest_seconds
        said = 0.0
        while not (client.is_done and observer.ended >= len(orders)):
            if time.monotonic() > deadline:
                director.errors.append("broken off: it took too long")
                return
            done = _lines(ledger) / work
            while plan and plan[0].at <= done:
                director.inject(plan.pop(0))
            if time.monotonic() - said > SAY_SECONDS:
                said = time.monotonic()
                self._say(done, observer, director, plan)
            time.sleep(POLL_SECONDS)
        # What the plan still holds is for the very end: the fleet's last moments count as well.
        for fault in plan:
            director.inject(fault)

    def _say(
        self, done: float, observer: Observer, director: Director, plan: Sequence[Fault]
    ) -> None:
        say(
            f"{min(done, 1):.0%} of the tasks run, {observer.ended} of {self.wanted.jobs} jobs"
            f" ended, {len(director.injected)} faults injected, {len(plan)} to come"
        )

    def _await_tidiness(
        self, fleet: Supervisor, receiver: Receiver, orders: Sequence[Order]
    ) -> None:
        films_ordered = {order.main_task_id for order in orders if not order.is_encoding}
        wait_until(
            lambda: (
                not self._left(fleet)
                and {notice.main_task_id for notice in receiver.notices} >= films_ordered
            ),
            TIDY_SECONDS if not receiver.url.startswith("redis") else TIDY_SECONDS / 4,
        )

    def _left(self, fleet: Supervisor) -> list[str]:
        """What should be gone when all jobs have ended."""
        scratch = [name for each in fleet.members for name in _files(fleet.scratch(each.host))]
        shared = [name for kind in ("work", "live") for name in _files(self.folder / kind)]
        return [str(name.relative_to(self.folder)) for name in (*scratch, *shared)]

    def _evidence(
        self,
        orders: Sequence[Order],
        shop: Shop,
        fleet: Supervisor,
        receiver: Receiver,
        director: Director,
    ) -> Evidence:
        homes = [fleet.home(each.host) for each in fleet.members]
        client_log = (self.folder / "client.log").read_text().splitlines()
        return Evidence(
            orders=orders,
            accepted=[tuple(json.loads(line)) for line in client_log],
            jobs=self._jobs(),
            attempts=self._attempts(),
            notices=list(receiver.notices),
            ledger=read_ledger(shop.ledger),
            assets=shop.assets,
            wiped=director.wiped if self.wanted.broker == "redis" else (),
            invariants=broken_invariants(self._store),
            left=self._left(fleet),
            processes=[line for home in homes for line in judges.processes_of(home)],
            incidents=[*fleet.incidents, *director.errors],
        )

    def _jobs(self) -> dict[str, Ended]:
        with self._store.database.read() as connection:
            told: dict[int, list[tuple[str, float | None]]] = {}
            for row in connection.execute(select(outbox).where(outbox.c.address == films.RECEIVER)):
                sent = None if row.sent_at is None else row.sent_at / 1000
                told.setdefault(row.job_id, []).append((row.identity, sent))
            rows = connection.execute(select(job)).all()
        self._last_end = max((row.finished_at or 0 for row in rows), default=0) / 1000
        return {
            row.main_task_id: Ended(
                row.id,
                row.state,
                row.failed,
                str((row.error or {}).get("message", "")),
                tuple(told.get(row.id, ())),
            )
            for row in rows
        }

    def _attempts(self) -> list[Attempt]:
        columns = [
            attempt.c[name]
            for name in (
                "task_id",
                "generation",
                "worker_id",
                "started_at",
                "finished_at",
                "outcome",
            )
        ]
        with self._store.database.read() as connection:
            return [Attempt(*row) for row in connection.execute(select(*columns))]


def _set(store: Store, name: str, value: int) -> None:
    """Change a setting of the fleet, as the operator does."""
    with store.database.write() as connection:
        connection.execute(text("DELETE FROM setting WHERE name = :name"), {"name": name})
        connection.execute(
            insert(setting).values(name=name, value=value, updated_at=int(time.time() * 1000))
        )


def _lines(ledger: Path) -> int:
    """How many tasks were run, roughly: some more than once."""
    return ledger.read_bytes().count(b'"executed"') if ledger.exists() else 0


def _files(root: Path) -> list[Path]:
    """All files below a folder, while others delete there."""
    return [Path(folder, name) for folder, _, names in os.walk(root) for name in names]
