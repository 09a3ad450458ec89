"""Scale on paper: how long thousands of jobs take a large fleet, against what is possible at all.

`PYTHONPATH=tests python -m simulation.scale --jobs 10000 --workers 1000 --deaths 0.01`
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass

from celery import chain
from celery.canvas import Signature

from adaptation.engine.graph import lower
from adaptation.engine.model import Claim, NewJob
from adaptation.engine.plan import Plan
from adaptation.engine.rules import Rules
from simulation.machines import MS, Fate, Fleet, Machine, SimController, SimWorker, Tempo
from simulation.model import Model
from simulation.network import Network
from simulation.oracle import Oracle, demand
from simulation.timeline import Timeline
from simulation.workload import QUEUES

SECONDS = {"0:step": 20.0, "1:fan": 3.0, "1:fan.end:join": 5.0, "2:step": 15.0}
"""Download, probe and plan, stitch, package; every other task encodes a chunk."""
CHUNK_SECONDS = 30.0
SPREAD = 0.3
"""Tasks take this much less or more, at most."""
CHUNKS = (4, 40)
RESTART_SECONDS = 60.0
"""After which somebody has started a new worker in the place of a dead one."""
HOUR_MS = 3_600_000


@dataclass(frozen=True)
class Drain:
    """How a fleet got through a heap of jobs that were submitted all at once."""

    jobs: int
    workers: int
    slots: int
    tasks: int
    deaths: int
    seconds: float
    ideal_seconds: float
    """The work shared by all slots without a gap, or the longest job, whichever is longer."""
    peak_transitions: int
    """Claims and ends of attempts, in the busiest second."""
    peak_messages: int
    peak_waiting: int
    """Messages at the broker at once."""
    heartbeats: float
    """Transactions a second."""

    @property
    def ratio(self) -> float:
        """The time taken over the ideal."""
        return self.seconds / self.ideal_seconds


def job_of(chunks: int) -> Plan:
    """Download, probe, encode in chunks, stitch, package."""
    step, fan = (Signature("step"), Signature("fan", kwargs={"width": chunks}))
    return lower(chain(step, fan, step))


class Scale:
    """One drain on virtual time."""

    def __init__(self, jobs: int, workers: int, slots: int, deaths_per_hour: float) -> None:
        self.jobs, self.workers, self.slots = jobs, workers, slots
        self.time = Timeline(0, self._set_database_clock)
        # As many jobs as slots: enough to have chunks for all, and few enough to end soon.
        rules = Rules(max_jobs=workers * slots)
        self.model = Model(rules)
        self.tempo = Tempo(look=1.0)
        oracle = Oracle(self.time, self.model, rules, takeover_ms=120 * MS)
        network = Network(self.time, workers * slots, faulty=False)
        self.fleet = Fleet(self.time, self.model, network, oracle, self._fate_of, self.tempo)
        self.fleet.mourn = self._replace
        self.deaths = 0
        self._deaths_per_hour = deaths_per_hour
        self._work: dict[int, float] = {}
        for number in range(workers):
            self._start_worker(number)
        oracle.controllers.append(SimController(self.fleet, "controller", "control", lapse=0))

    def _set_database_clock(self, now: int) -> None:
        self.model.now = now

    def _start_worker(self, number: int) -> None:
        name, host = f"worker-{number}-{self.deaths}", f"host-{number}"
        worker = SimWorker(self.fleet, name, host, ("light", "heavy"), self.slots)
        if self._deaths_per_hour:
            dies = self.time.chance.expovariate(self._deaths_per_hour) * HOUR_MS
            self.time.after(dies, worker.die)

    def _replace(self, machine: Machine) -> None:
        self.deaths += 1
        number = int(machine.name.split("-")[1])
        self.time.after(RESTART_SECONDS * MS, self._start_worker, number)

    def _fate_of(self, claim: Claim) -> Fate:
        usual = SECONDS.get(claim.key, CHUNK_SECONDS)
        seconds = usual * self.time.chance.uniform(1 - SPREAD, 1 + SPREAD)
        # The work there is: what an attempt that is lost did counts only once.
        self._work[claim.task_id] = seconds
        return Fate(seconds)

    def run(self) -> Drain:
        """Submit everything, and let it be done.

        Raises:
            Broken: something happened that must never happen.
        """
        plans = [job_of(self.time.chance.randint(*CHUNKS)) for _ in range(self.jobs)]
        for number, plan in enumerate(plans):
            new = NewJob(f"job-{number}", "film", {}, {"n": 0}, client=f"client-{number % 10}")
            self.model.submit(new, plan, QUEUES)
        peaks = self._watch()
        work = sum(self._work.values())
        longest = (sum(SECONDS.values()) + CHUNK_SECONDS) * 1.0
        return Drain(
            jobs=self.jobs,
            workers=self.workers,
            slots=self.workers * self.slots,
            tasks=len(self.model.tasks),
            deaths=self.deaths,
            seconds=self.time.now / MS,
            ideal_seconds=max(work / (self.workers * self.slots), longest),
            peak_transitions=peaks[0],
            peak_messages=peaks[1],
            peak_waiting=peaks[2],
            heartbeats=self.workers / self.tempo.heartbeat,
        )

    def _watch(self) -> list[int]:
        """Let time go on until all jobs have ended.

        Returns:
            The most transitions a second, messages a second, and messages waiting at once.
        """
        oracle, network = self.fleet.oracle, self.fleet.network
        oracle.open = {job.id for job in self.model.jobs}
        second, before, peaks = 0, (0, 0), [0, 0, 0]
        while oracle.open:
            demand(self.time.step(), "nothing happens any more")
            self._judge()
            if self.time.now // MS > second:
                now = oracle.transitions, network.sent
                seen = now[0] - before[0], now[1] - before[1], network.waiting
                peaks = list(map(max, peaks, seen))
                second, before = self.time.now // MS, now
        return peaks

    def _judge(self) -> None:
        """As the oracle does, but for ends only: a result depends on the job's own width."""
        oracle = self.fleet.oracle
        for job in self.model.touched:
            if job.finished_at is not None:
                widths = [task.params["width"] for task in job.tasks if task.name == "fan"]
                expected = {"n": 2 * widths[0] + 2}
                demand(job.result == expected, "job", job.id, "gave", job.result)
                oracle.open.discard(job.id)
        self.model.touched.clear()


def main() -> int:
    """Print what a drain takes."""
    parser = argparse.ArgumentParser(prog="simulation.scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=1_000)
    parser.add_argument("--slots", type=int, default=2)
    parser.add_argument("--deaths", type=float, default=0.0, help="of each worker, an hour")
    given = parser.parse_args()
    drain = Scale(given.jobs, given.workers, given.slots, given.deaths).run()
    sys.stdout.write(f"{drain}\nratio to the ideal: {drain.ratio:.3f}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
