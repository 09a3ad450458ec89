"""The judge outside the fleet: what was ordered, accepted, done, published and told must agree.

It believes the client's log, the receiver's log, the tasks' ledger and the files. Of the database
it takes what no other can know: in which state a job is, and which attempt was committed.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import judges
from chaos.client import Notice
from chaos.workload import FILM, RECORD, Order

FORGIVEN_SECONDS = 5.0
"""A notification may have lain in a broker that lost its memory, for so long at most."""


@dataclass(frozen=True)
class Ended:
    """A job as the database has it at the end."""

    job_id: int
    state: str
    failed: bool
    error: str
    told: tuple[tuple[str, float | None], ...]
    """Identity of each notification to the receiver, and when the broker took it."""
    ended_at: float | None = None
    """Seconds since 1970."""

    @property
    def is_well(self) -> bool:
        """Whether it has done what was asked for."""
        return self.state == "completed" and not self.failed


@dataclass(frozen=True)
class Attempt:
    """An attempt as the database has it; times in milliseconds since 1970."""

    task_id: int
    generation: int
    worker_id: str
    started_at: int
    finished_at: int | None
    outcome: str | None


@dataclass(frozen=True)
class Entry:
    """A line of the ledger."""

    deed: str
    """`executed`, or `published` and the inode of the folder."""
    main_task_id: str
    key: str
    """Which of the job's tasks."""
    task_id: int
    generation: int


@dataclass(frozen=True)
class Evidence:
    """All that is known after a run."""

    orders: Sequence[Order]
    accepted: Sequence[tuple[str, int]]
    """The client's log: its own id, and the job's."""
    jobs: Mapping[str, Ended]
    attempts: Sequence[Attempt]
    notices: Sequence[Notice]
    ledger: Sequence[Entry]
    assets: Path
    """The folder of everything published."""
    wiped: Sequence[float] = ()
    """When the broker had forgotten all, `time.time()`."""
    invariants: Sequence[str] = ()
    """Those that are broken."""
    left: Sequence[str] = ()
    """What is left in scratch and work areas."""
    processes: Sequence[str] = ()
    """What still runs."""
    incidents: Sequence[str] = ()
    """What the supervisor and the director saw that should not be."""


def judge(evidence: Evidence) -> list[str]:
    """Every violation in words; none: nothing was lost, doubled or left behind."""
    return [
        *_lost(evidence),
        *_published(evidence),
        *_told(evidence),
        *_executed(evidence),
        *(f"invariant: {line}" for line in evidence.invariants),
        *(f"left behind: {line}" for line in evidence.left),
        *(f"still runs: {line}" for line in evidence.processes),
        *evidence.incidents,
    ]


def read_ledger(place: Path) -> list[Entry]:
    """The ledger's lines."""
    if not place.exists():
        return []
    lines = (json.loads(line) for line in place.read_text().splitlines())
    return [
        Entry(deed, main_task_id, key, task_id, generation)
        for deed, main_task_id, _, key, task_id, generation, _ in lines
    ]


def _lost(evidence: Evidence) -> Iterator[str]:
    """Every order was accepted under one job, which ended well; there are no other jobs."""
    job_ids = defaultdict(set)
    for main_task_id, job_id in evidence.accepted:
        job_ids[main_task_id].add(job_id)
    for order in evidence.orders:
        if order.main_task_id not in job_ids:
            yield f"never accepted: {order.main_task_id}"
    for main_task_id, found in job_ids.items():
        job = evidence.jobs.get(main_task_id)
        if job is None:
            yield f"lost: {main_task_id} was accepted and is no more"
        elif found != {job.job_id}:
            yield f"doubled: {main_task_id} was accepted as {found} and is {job.job_id}"
        elif not job.is_well:
            yield f"not done: {main_task_id} is {job.state}, failed={job.failed}: {job.error}"
    for main_task_id in evidence.jobs.keys() - job_ids.keys():
        yield f"unknown: nobody was told that {main_task_id} is accepted"


def _published(evidence: Evidence) -> Iterator[str]:
    """Each order has its folder with exactly what it should hold, and there is nothing else."""
    found = {path.name for path in evidence.assets.iterdir()}
    for name in sorted(found - {order.main_task_id for order in evidence.orders}):
        yield f"partial or unknown output: {name}"
    for order in evidence.orders:
        folder = evidence.assets / order.main_task_id
        if order.main_task_id not in found:
            yield f"lost output: {order.main_task_id}"
        elif order.is_encoding:
            yield from _encoded(folder)
        else:
            yield from _film(folder, order)
    folders = defaultdict(set)
    for entry in evidence.ledger:
        if entry.deed.startswith("published"):
            folders[entry.main_task_id].add(entry.deed)
    for main_task_id, deeds in folders.items():
        if len(deeds) > 1:
            yield f"doubled output: {main_task_id} was published as {sorted(deeds)}"


def _film(folder: Path, order: Order) -> Iterator[str]:
    names = judges.tree(folder)
    if names != {FILM, RECORD}:
        yield f"partial output: {folder.name} holds {sorted(names)}"
    elif (folder / FILM).read_bytes() != order.film():
        yield f"wrong output: the bytes of {folder.name}"
    elif judges.record(folder)["asset_id"] != order.main_task_id:
        yield f"wrong output: {folder.name} holds another order's asset"


def _encoded(folder: Path) -> Iterator[str]:
    if judges.tree(folder) != judges.promised(folder):
        yield f"partial output: {folder.name} holds {sorted(judges.tree(folder))}"
    elif judges.media_digests(folder) != judges.promised_digests(folder):
        yield f"wrong output: the bytes of {folder.name}"
    elif {row["codec_type"] for row in judges.streams(folder / judges.MASTER)} != {
        "video",
        "audio",
    }:
        yield f"wrong output: ffprobe does not find picture and sound in {folder.name}"


def _told(evidence: Evidence) -> Iterator[str]:
    """Each film was told of once, by one identity, however often that arrived."""
    arrived = defaultdict(set)
    for notice in evidence.notices:
        arrived[notice.main_task_id].add(notice.identity)
    for order in evidence.orders:
        job = evidence.jobs.get(order.main_task_id)
        if job is None or order.is_encoding:
            continue
        identities = {identity for identity, _ in job.told}
        if len(identities) != 1:
            yield f"{order.main_task_id} has {len(identities)} notifications: {identities}"
        if strange := arrived[order.main_task_id] - identities:
            yield f"nobody knows these notifications of {order.main_task_id}: {strange}"
        for identity, sent_at in job.told:
            if identity not in arrived[order.main_task_id] and not _wiped(evidence, sent_at):
                yield f"lost notification: {identity} of {order.main_task_id}, sent {sent_at}"


def forgotten(evidence: Evidence) -> int:
    """Notifications that the broker had taken and lost with its memory."""
    arrived = {notice.identity for notice in evidence.notices}
    told = [one for job in evidence.jobs.values() for one in job.told]
    return sum(identity not in arrived and _wiped(evidence, at) for identity, at in told)


def _wiped(evidence: Evidence, sent_at: float | None) -> bool:
    return sent_at is not None and any(
        sent_at - 1 <= wiped <= sent_at + FORGIVEN_SECONDS for wiped in evidence.wiped
    )


def _executed(evidence: Evidence) -> Iterator[str]:
    """No attempt was run twice; each task was committed once, by an attempt that was run."""
    runs = Counter(
        (entry.task_id, entry.generation) for entry in evidence.ledger if entry.deed == "executed"
    )
    for (task_id, generation), times in runs.items():
        if times > 1:
            yield f"attempt {generation} of task {task_id} was run {times} times"
    commits: dict[int, list[int]] = defaultdict(list)
    for attempt in evidence.attempts:
        if attempt.outcome == "done":
            commits[attempt.task_id].append(attempt.generation)
    for order in evidence.orders:
        tasks = {e.task_id for e in evidence.ledger if e.main_task_id == order.main_task_id}
        if len(tasks) != order.tasks:
            yield f"{order.main_task_id} ran {len(tasks)} tasks instead of {order.tasks}"
        for task_id in tasks:
            done = commits[task_id]
            if len(done) != 1 or (task_id, done[0]) not in runs:
                yield f"task {task_id} of {order.main_task_id} was committed by attempts {done}"
