"""Workers and controllers on virtual time, which die, stand still and come back at any moment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from adaptation.engine.controller import LEAD_SECONDS, RESEND_SECONDS
from adaptation.engine.engine import Pace
from adaptation.engine.model import Claim, Dispatch, Moved, Process
from adaptation.engine.moves import Beat
from adaptation.engine.states import Order
from adaptation.engine.worker import RetryRule
from simulation.model import Model
from simulation.network import Network
from simulation.oracle import Oracle
from simulation.timeline import Timeline
from simulation.workload import QUEUES, perform

MS = 1000


@dataclass(frozen=True)
class Tempo:
    """The clocks of a fleet, in seconds; the product's own, but rarer looks and heartbeats."""

    lease: float = Pace.lease_seconds
    heartbeat: float = 5.0
    look: float = 2.0
    sweep: float = Pace.sweep_seconds
    leader: float = LEAD_SECONDS
    resend: float = RESEND_SECONDS
    silence: float = 120.0


@dataclass(frozen=True)
class Fate:
    """How an attempt goes."""

    seconds: float
    ends: str = "done"
    """done, transient, permanent, kills (its worker), leaves (dies after its commit)."""


@dataclass
class Fleet:
    """What all machines share."""

    time: Timeline
    model: Model
    network: Network
    oracle: Oracle
    fate_of: Callable[[Claim], Fate]
    tempo: Tempo = field(default_factory=Tempo)
    retry: RetryRule = field(default_factory=RetryRule)
    mourn: Callable[[Machine], None] = lambda _: None
    """Told of every death."""
    machines: dict[str, Machine] = field(default_factory=dict)
    """Every worker and controller that ever was, by its id."""


class Machine:
    """A process on a host: it may die, or stand still and do everything late."""

    def __init__(self, fleet: Fleet, name: str, host: str) -> None:
        self.fleet, self.name, self.host = fleet, name, host
        self.alive, self.frozen = True, False
        self.up_since = fleet.time.now
        self.missed = False
        """Whether something could not be sent, since the broker was last seen."""
        self._late: list[tuple[Callable[..., None], tuple[Any, ...]]] = []
        fleet.machines[name] = self

    def later(self, seconds: float, deed: Callable[..., None], *words: Any) -> None:
        """Do something in a while, if still alive, and not before it can."""
        self.fleet.time.after(seconds * MS, self._do, deed, words)

    def _do(self, deed: Callable[..., None], words: tuple[Any, ...]) -> None:
        if self.frozen:
            self._late.append((deed, words))
        elif self.alive:
            deed(*words)

    def send(self, items: Iterable[Dispatch]) -> None:
        """Send messages, or note that the broker is away."""
        self.missed = not self.fleet.network.send(items)
        if self.missed:
            self.fleet.time.note("cannot send", self.name)

    def die(self) -> None:
        """Kill -9."""
        if self.alive:
            self.fleet.time.note("dies", self.name)
            self.alive = self.frozen = False
            self.fleet.mourn(self)

    def freeze(self, seconds: float) -> None:
        """Stand still (SIGSTOP), knowing nothing of it, then go on."""
        if self.alive and not self.frozen:
            self.fleet.time.note("stands still", self.name, int(seconds))
            self.frozen = True
            self.fleet.time.after(seconds * MS, self._thaw)

    def _thaw(self) -> None:
        if not self.frozen:
            return
        self.fleet.time.note("goes on", self.name)
        self.frozen, self.up_since = False, self.fleet.time.now
        late, self._late = self._late, []
        self.fleet.time.chance.shuffle(late)
        for deed, words in late:
            self._do(deed, words)


class SimWorker(Machine):
    """Slots that claim, run and settle, and a heart that beats for them."""

    def __init__(
        self, fleet: Fleet, name: str, host: str, queues: Sequence[str], slots: int
    ) -> None:
        super().__init__(fleet, name, host)
        self.queues, self.slots = queues, slots
        self.runs: dict[tuple[int, int], Claim] = {}
        self.told_to_stop: set[tuple[int, int]] = set()
        self.draining = False
        self._process = Process(name, host, 0, 0, slots)
        fleet.model.sign_on(self._process)
        fleet.network.consumers.append(self)
        self.later(fleet.time.chance.random() * fleet.tempo.heartbeat, self._beat)
        for _ in range(slots):
            if item := fleet.network.take(queues):
                self.deliver(item)

    @property
    def idle(self) -> bool:
        return self.alive and not self.draining and len(self.runs) < self.slots

    def deliver(self, item: Dispatch) -> None:
        self.later(0, self._execute, item)

    def _execute(self, item: Dispatch | None) -> None:
        """What a slot does with a message: claim whatever is most urgent, if anything is."""
        if item and self.draining:
            self.fleet.model.hand_on(item.task_id, item.generation)
        while self.idle:
            claim = self.fleet.model.claim_next(self.queues, self.name, self.fleet.tempo.lease)
            if claim is not None:
                self._begin(claim)
                return
            if not self.fleet.network.take(self.queues):
                return

    def _begin(self, claim: Claim) -> None:
        self.fleet.time.note("claims", self.name, claim.task_id, claim.generation)
        self.fleet.oracle.claimed(claim)
        self.runs[claim.task_id, claim.generation] = claim
        fate = self.fleet.fate_of(claim)
        self.later(fate.seconds, self._end, claim, fate)

    def _end(self, claim: Claim, fate: Fate) -> None:
        key = claim.task_id, claim.generation
        if key not in self.runs:
            return
        if fate.ends == "kills":
            self.fleet.time.note("kills", self.name, claim.task_id, claim.generation)
            self.die()
            return
        del self.runs[key]
        moved = self._settle(claim, fate, stopped=key in self.told_to_stop)
        self.told_to_stop.discard(key)
        if fate.ends == "leaves":
            self.die()
            return
        self._follow(moved)
        if self.draining and not self.runs:
            self._sign_off()
        self._execute(None)

    def _settle(self, claim: Claim, fate: Fate, *, stopped: bool) -> Moved | None:
        model, oracle = self.fleet.model, self.fleet.oracle
        if stopped:
            moved = model.give_back(claim)
        elif fate.ends in ("done", "leaves"):
            result, expansion = perform(claim)
            moved = model.complete(claim, result, expansion=expansion, queues=QUEUES)
            oracle.completed(self.name, claim, moved)
            if self.fleet.time.chance.random() < 0.02:
                # The answer was lost on its way, so the same call is made again.
                again = model.complete(claim, result, expansion=expansion, queues=QUEUES)
                oracle.completed(self.name, claim, again)
        else:
            wait = self.fleet.retry.wait_seconds(claim.attempt)
            wait = None if fate.ends == "permanent" else wait
            moved = model.fail(claim, {}, retry_in_seconds=wait)
            oracle.failed(claim, moved, for_good=wait is None)
        ends = "stopped" if stopped else fate.ends
        self.fleet.time.note(ends, self.name, claim.task_id, claim.generation, moved is not None)
        return moved

    def _follow(self, moved: Moved | None) -> None:
        if moved:
            self.send(moved.ready)
            if moved.ended:
                self.send(self.fleet.model.admit())

    def _beat(self) -> None:
        beats = [
            Beat(claim.task_id, claim.generation, claim.job_id, 0.5, None, ())
            for claim in self.runs.values()
        ]
        lease = self.fleet.tempo.lease
        orders = self.fleet.model.heartbeat(self.name, beats, lease, self._process)
        for key in list(self.runs):
            if orders[key[0]] is not Order.RUN and key not in self.told_to_stop:
                self.tell_to_stop(key)
        self.later(self.fleet.tempo.heartbeat, self._beat)

    def tell_to_stop(self, key: tuple[int, int]) -> None:
        """Let an attempt end soon, though not at once."""
        if key in self.runs:
            self.told_to_stop.add(key)
            soon = self.fleet.time.chance.random() * 2
            self.later(soon, self._end, self.runs[key], Fate(soon))

    def drain(self, grace_seconds: float) -> None:
        """Take nothing new, hand back after a grace what still runs, and leave (SIGTERM)."""
        if not self.alive or self.draining:
            return
        self.fleet.time.note("drains", self.name)
        self.draining = True
        for key in self.runs:
            self.later(grace_seconds, self.tell_to_stop, key)
        if not self.runs:
            self._sign_off()

    def _sign_off(self) -> None:
        self.fleet.model.bury(self.name)
        self.die()

    def die(self) -> None:
        if self.alive:
            self.fleet.network.consumers.remove(self)
            self.fleet.oracle.expect_back(self, list(self.runs))
        super().die()


class SimController(Machine):
    """Starts jobs, sends tasks and sweeps while it believes to lead."""

    def __init__(self, fleet: Fleet, name: str, host: str, lapse: float) -> None:
        super().__init__(fleet, name, host)
        self._next_sweep = 0
        self._lapse = lapse
        """Chance that it stands still between deciding and doing."""
        self.later(fleet.time.chance.random() * fleet.tempo.look, self._look)

    def _look(self) -> None:
        tempo, model, now = self.fleet.tempo, self.fleet.model, self.fleet.time.now
        sweeps = now >= self._next_sweep
        if sweeps:
            self._next_sweep = now + int(tempo.sweep * MS)
            self.bury(only_dead=True)
        if model.lead("sweep", self.name, tempo.leader):
            if self.fleet.time.chance.random() < self._lapse / 20:
                # It will believe to lead when it goes on.
                self.later(0, self._lead, sweeps)
                self.freeze(self.fleet.time.chance.uniform(1, 60))
            else:
                self._lead(sweeps)
        self.later(tempo.look, self._look)

    def _lead(self, sweeps: bool) -> None:
        if sweeps:
            self._sweep()
        model = self.fleet.model
        model.queue_due()
        self.send(model.admit())
        resend = 0.0 if self.missed else self.fleet.tempo.resend
        self.send(model.due(resend, each=self.fleet.network.limit))

    def _sweep(self) -> None:
        model, chance = self.fleet.model, self.fleet.time.chance
        old = self.fleet.time.now - int(self.fleet.tempo.silence * MS)
        for name, heard in list(model.workers.items()):
            if heard < old:
                self.fleet.time.note("forgets", self.name, name)
                model.bury(name)
        found = model.expired()
        if found and chance.random() < self._lapse:
            # What it has read is not so any more when it goes on.
            self.later(0, self._take_back, found)
            self.freeze(chance.uniform(1, 60))
        else:
            self._take_back(found)

    def _take_back(self, found: list[tuple[int, int]]) -> None:
        for task_id, generation in found:
            lost = self.fleet.model.lose(task_id, generation)
            self.fleet.time.note("takes back", self.name, task_id, generation, lost)

    def bury(self, *, only_dead: bool) -> None:
        """Take over from this host's workers that seem dead.

        Args:
            only_dead: False: the host's clock has jumped, and all seem to be others.
        """
        for name in list(self.fleet.model.workers):
            machine = self.fleet.machines[name]
            if machine.host == self.host and not (only_dead and machine.alive):
                self.fleet.time.note("buries", self.name, name)
                self.fleet.model.bury(name)
