"""A fleet, its clients and its misfortunes, all of it drawn from one seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from itertools import count

from adaptation.engine.changes import Change
from adaptation.engine.control import StateForbids
from adaptation.engine.model import Claim, NewJob
from adaptation.engine.rules import Rules
from simulation.machines import MS, Fate, Fleet, Machine, SimController, SimWorker, Tempo
from simulation.model import Model
from simulation.network import Network
from simulation.oracle import Broken, Oracle, demand
from simulation.timeline import Timeline
from simulation.workload import QUEUES, SHAPES, plan_of
from simulation.world import Job

JOBS = 50
CALM_SECONDS = 150
"""From here on nothing goes wrong any more."""
PATIENCE_SECONDS = 3_600
"""By then every job must have ended."""
FAULTS = 16
LONG_TASKS = 0.06
"""Share of attempts that outlast a lease, and so may be lost and won by another meanwhile."""
TROUBLES = ("cancel", "cancel", "pause", "pause", "resume", "retry", "change", "change")
MOST_RETRIES = 2
"""Of one failed job, by its client."""
ALL_QUEUES = ("light", "heavy")
WORKERS = (
    ("h0", ("light",), 3),
    ("h1", ALL_QUEUES, 2),
    ("h1", ("light",), 3),
    ("h2", ("heavy",), 2),
)
"""Host, queues and slots of each."""
TAKEOVER = Tempo().lease + Tempo().leader + 3 * Tempo().sweep
"""Seconds within which a dead worker's tasks are taken back, also if the leader dies as well."""


class Simulation:
    """One run. Equal seeds give equal runs."""

    def __init__(self, seed: int, kind: Callable[[Rules], Model] = Model, jobs: int = JOBS) -> None:
        self.seed = seed
        self.time = Timeline(seed, self._set_database_clock)
        self.chance = self.time.chance
        rules = Rules(
            max_jobs=self.chance.randint(3, 12),
            priority_slots=self.chance.randint(0, 2),
            priority_threshold=self.chance.randint(2, 5),
            ageing_seconds=60.0,
        )
        self.model = kind(rules)
        self.oracle = Oracle(self.time, self.model, rules, int(TAKEOVER * MS))
        slots = sum(place[2] for place in WORKERS)
        network = Network(self.time, slots, faulty=True)
        self.fleet = Fleet(self.time, self.model, network, self.oracle, self._fate_of)
        self.fleet.mourn = self._replace
        self._numbers = count(1)
        self._host_back: dict[str, int] = {}
        """When a host has power again."""
        self._boots: Counter[str] = Counter()
        self._pending = jobs
        """Submissions and orders of users that are still to come."""
        self._plan(jobs)

    def run(self) -> None:
        """Let everything happen.

        Raises:
            Broken: something happened that must never happen.
        """
        try:
            self._run()
        except (Broken, AssertionError) as error:
            message = f"seed {self.seed} at {self.time.now / MS:.3f} s: {error}"
            raise Broken(f"{message}\nreplay it with: make sim SEED={self.seed}") from error

    def _run(self) -> None:
        time, oracle, touched = self.time, self.oracle, self.model.touched
        calm, patience = CALM_SECONDS * MS, PATIENCE_SECONDS * MS
        while self._pending or oracle.open or time.now < calm:
            demand(time.step(), "nothing happens any more")
            if touched:
                oracle.judge()
                if oracle.ended:
                    self._clients_learn_of_ends()
            if time.now > patience:
                raise Broken(f"jobs {sorted(oracle.open)} never end")

    # What is planned at the start

    def _plan(self, jobs: int) -> None:
        for place in WORKERS:
            self._start_worker(*place)
        for host in ("h0", "h1"):
            self._start_controller(host)
        for number in range(jobs):
            self._at(self.chance.uniform(0, 100), self._submit, number, self.chance.random() < 0.1)
        for _ in range(jobs // 5):
            self._pending += 1
            self._at(self.chance.uniform(5, 200), self._trouble, self.chance.choice(TROUBLES))
        for _ in range(FAULTS):
            fault = self.chance.choice(self._faults)
            self._at(self.chance.uniform(1, CALM_SECONDS * 0.8), fault)
        self._poisoned = self.chance.randrange(jobs) if self.chance.random() < 0.04 else None

    def _at(self, seconds: float, deed: Callable[..., None], *words: object) -> None:
        self.time.after(seconds * MS, deed, *words)

    def _set_database_clock(self, now: int) -> None:
        self.model.now = now

    def _start_worker(self, host: str, queues: tuple[str, ...], slots: int) -> None:
        name = f"worker-{next(self._numbers)}"
        SimWorker(self.fleet, name, self._identity(host), queues, slots)

    def _start_controller(self, host: str) -> None:
        name = f"controller-{next(self._numbers)}"
        controller = SimController(self.fleet, name, self._identity(host), lapse=0.1)
        self.oracle.controllers.append(controller)

    def _identity(self, host: str) -> str:
        """A host is another one after each boot: nobody can see its old processes die."""
        return f"{host}/{self._boots[host]}"

    def _fate_of(self, claim: Claim) -> Fate:
        luck = self.chance.random()
        long = self.chance.random() < LONG_TASKS
        seconds = self.chance.uniform(20, 120) if long else self.chance.expovariate(0.4)
        if claim.job_id - 1 == self._poisoned:
            return Fate(seconds, "kills")
        if luck < 0.05:
            return Fate(seconds, "transient")
        if luck < 0.065:
            return Fate(seconds, "permanent")
        faulty = self.time.now < CALM_SECONDS * MS
        return Fate(seconds, "leaves" if faulty and luck > 0.997 else "done")

    # Clients and users

    def _submit(self, number: int, twice: bool) -> None:
        self._pending -= 1
        shape = SHAPES[number % len(SHAPES)]
        client = f"client-{number % 3}"
        priority = self.chance.choice((1, 3, 5, 5, 5, 8))
        later = self.time.now + 20 * MS if self.chance.random() < 0.1 else None
        new = NewJob(
            main_task_id=f"job-{number}",
            workflow=shape,
            parameters={},
            context={"n": 0},
            priority=priority,
            client=client,
            run_at=later,
        )
        for _ in range(1 + twice):
            job_id = self.model.submit(new, plan_of(shape), QUEUES)
            self.time.note("submits", client, job_id)
            self.fleet.network.send(self.model.admit())

    def _trouble(self, deed: str) -> None:
        self._pending -= 1
        if not self.model.jobs:
            return
        job = self.chance.choice(self.model.jobs[-12:])
        if self._do(deed, job) and deed == "pause":
            self._order("resume", job, self.chance.uniform(1, 60))

    def _order(self, deed: str, job: Job, seconds: float) -> None:
        self._pending += 1
        self._at(seconds, self._obey, deed, job)

    def _obey(self, deed: str, job: Job) -> None:
        self._pending -= 1
        self._do(deed, job)

    def _do(self, deed: str, job: Job) -> bool:
        ended = job.id not in self.oracle.open
        words = [self._wish()] if deed == "change" else []
        try:
            done = bool(getattr(self.model, deed)(job.id, *words))
        except StateForbids:
            done = False
        if deed == "cancel" and not ended:
            self.oracle.cancelled.add(job.id)
        if deed == "retry" and done:
            self.oracle.cancelled.discard(job.id)
        self.time.note(deed, job.id, done)
        return done

    def _wish(self) -> Change:
        """To run more or less urgently, or later."""
        if self.chance.random() < 0.6:
            return Change(priority=self.chance.randint(1, 10))
        wait_ms = int(self.chance.uniform(1, 60) * MS)
        return Change(run_at=datetime.fromtimestamp((self.time.now + wait_ms) / MS, UTC))

    def _clients_learn_of_ends(self) -> None:
        for job in self.oracle.ended:
            again = job.run_no <= MOST_RETRIES and self.chance.random() < 0.7
            if again and (job.failed or job.cancelling):
                self._order("retry", job, self.chance.uniform(0, 20))
        self.oracle.ended.clear()

    # Misfortunes

    @property
    def _faults(self) -> list[Callable[[], None]]:
        seldom = (self._lose_host, self._flush, self._take_broker_away, self._jump_clock)
        often = (self._kill, self._stop, self._drain, partial(self._stop, controllers=True))
        return [*seldom, *often, *often, partial(self._kill, controllers=True)]

    def _living(self, *, controllers: bool) -> Machine | None:
        kind = SimController if controllers else SimWorker
        found = [m for m in self.fleet.machines.values() if m.alive and isinstance(m, kind)]
        return self.chance.choice(found) if found else None

    def _kill(self, *, controllers: bool = False) -> None:
        if machine := self._living(controllers=controllers):
            machine.die()

    def _replace(self, machine: Machine) -> None:
        """Somebody starts another one, as soon as its host is there."""
        host = machine.host.partition("/")[0]
        seconds = self.chance.uniform(0.5, 20)
        seconds += max(0, self._host_back.get(host, 0) - self.time.now) / MS
        if isinstance(machine, SimWorker):
            place = host, machine.queues, machine.slots
            self._at(seconds, self._start_worker, *place)
        else:
            self._at(seconds, self._start_controller, host)

    def _stop(self, *, controllers: bool = False) -> None:
        if machine := self._living(controllers=controllers):
            machine.freeze(self.chance.choice((3, 35, 90)) * self.chance.uniform(0.8, 1.2))

    def _drain(self) -> None:
        machine = self._living(controllers=False)
        if isinstance(machine, SimWorker) and not machine.draining:
            machine.drain(self.chance.uniform(0, 10))

    def _lose_host(self) -> None:
        """A host loses its power: nobody of it is there to bury anybody."""
        host = self.chance.choice(("h0", "h1", "h2"))
        self._host_back[host] = self.time.now + int(self.chance.uniform(10, 100) * MS)
        self.time.note("loses its power", host)
        for machine in list(self.fleet.machines.values()):
            if machine.alive and machine.host == self._identity(host):
                machine.die()
        self._boots[host] += 1

    def _flush(self) -> None:
        self.time.note("the broker is flushed")
        self.fleet.network.flush()

    def _take_broker_away(self) -> None:
        self.time.note("the broker is away")
        self.fleet.network.away = True
        self._at(self.chance.uniform(1, 30), self._bring_broker_back)

    def _bring_broker_back(self) -> None:
        self.time.note("the broker is back")
        self.fleet.network.away = False
        self.fleet.network.flush()

    def _jump_clock(self) -> None:
        """A host's own clock jumps: its controller holds its processes for strangers."""
        machine = self._living(controllers=True)
        if isinstance(machine, SimController):
            self.time.note("the clock jumps", machine.host)
            machine.bury(only_dead=False)
