"""kill -9 at any moment of a job: the same command again always ends in one whole asset."""

from __future__ import annotations

import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Protocol

import pytest

import clips
import judges
from command_line import here, read_until, show, started
from services import wait_until

SHORT_SECONDS = 3
FRAMES = 75
RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")
KILLS_PER_JOB = 3
PER_STAGE = (1, pytest.param(3, marks=pytest.mark.long))
"""Kills in each stage of a job."""
RESUME_SECONDS = 20
"""By how much a run after a kill may be longer than one that was left in peace."""
DYING_SECONDS = 2
"""How soon after a kill no child may live."""
TIDY_SECONDS = 10
END_SECONDS = 60

pytestmark = [pytest.mark.slow, pytest.mark.crash]


@pytest.fixture(scope="session")
def short_clip(real_clips: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 3 s of Big Buck Bunny, 320x180."""
    cut = f"-t {SHORT_SECONDS} -i '{real_clips['bigbuckbunny.mp4']}'"
    code = f"-vf scale=320:180,setsar=1 {clips.X264} -c:a copy short.mp4"
    return clips.ffmpeg(tmp_path_factory.mktemp("short"), f"{cut} {code}")


class Way(Protocol):
    """How a job is run by commands of the product."""

    def running(self, output: Path) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start what runs the job that makes `output`, or takes it up again."""

    def is_over(self, process: subprocess.Popen[str], output: Path) -> bool:
        """Whether the job has ended."""

    @property
    def tidies_at_once(self) -> bool:
        """Whether nothing is left of an ended job when its last process has ended."""


@dataclass(frozen=True)
class ByEncode:
    """`adaptation encode SOURCE OUTPUT`, always the same command."""

    source: Path
    tidies_at_once: ClassVar[bool] = True

    def running(self, output: Path) -> AbstractContextManager[subprocess.Popen[str]]:
        return started("encode", self.source, output, *RUNGS, "--quiet")

    def is_over(self, process: subprocess.Popen[str], output: Path) -> bool:  # noqa: ARG002
        return process.poll() is not None


@dataclass(frozen=True)
class ByService:
    """`adaptation submit SOURCE OUTPUT` once, then `adaptation serve` again and again."""

    source: Path
    tidies_at_once: ClassVar[bool] = False

    @contextmanager
    def running(self, output: Path) -> Iterator[subprocess.Popen[str]]:
        if job_of(output) is None:
            assert here("submit", self.source, output, *RUNGS).status == 0
        with started("serve") as process:
            yield process
            if process.poll() is None:
                process.terminate()
                assert process.wait(END_SECONDS) == 0

    def is_over(self, process: subprocess.Popen[str], output: Path) -> bool:
        assert process.poll() is None, "the service must not end by itself"
        # A look at a file costs nothing: what is watched is not disturbed.
        if not (output / judges.RECORD).exists():
            return False
        job = job_of(output)
        return job is not None and job["state"] == "completed"


def job_of(output: Path) -> dict[str, Any] | None:
    """The one job that makes `output`, with its tasks, as `adaptation show` prints it."""
    listed = here("ls", "--limit", "50", "--json").documents[0]
    ids = [job["job_id"] for job in listed if job["output_folder"] == str(output)]
    assert len(ids) <= 1, "the same command makes one job"
    return show(ids[0]) if ids else None


def done_tasks(job: dict[str, Any]) -> dict[int, tuple[str, int, str]]:
    """Name, attempt and start of each task that is done."""
    return {
        task["task_id"]: (task["name"], task["attempt"], task["started_at"])
        for task in job["tasks"]
        if task["state"] == "done"
    }


@dataclass(frozen=True)
class Kept:
    """What was finished when a process was killed."""

    tasks: dict[int, tuple[str, int, str]]
    """See `done_tasks`."""
    digests: frozenset[tuple[int, str]]
    """Size and SHA-256 of the segments of finished chunks and sound tracks."""


def kept_of(home: Path, output: Path) -> Kept | None:
    """What is finished of a job now; None when it is not even stored."""
    if (job := job_of(output)) is None:
        return None
    digests = set[tuple[int, str]]()
    for task in job["tasks"]:
        if task["name"] in ("encode_chunk", "transcode_audio") and task["state"] == "done":
            area = home / "work" / "jobs" / str(job["job_id"]) / str(task["task_id"])
            digests |= set(judges.media_digests(area / str(task["generation"])).values())
    return Kept(done_tasks(job), frozenset(digests))


@dataclass
class Trial:
    """One job, killed again and again, until its asset is there."""

    way: Way
    home: Path
    output: Path
    kept: list[Kept] = field(default_factory=list)
    """What was finished at each kill."""
    last_run_began: float = 0.0
    """When the last run's process was started, in seconds since 1970."""
    last_run_seconds: float = 0.0
    """How long it took until the job ended or the process was killed."""

    def endure(self, moments: list[float]) -> int:
        """Kill a run at each of these moments, in seconds, then let one end; how many kills hit.

        A run that ends before its moment is the last one; a job that has ended is not killed again.
        """
        hits = 0
        for moment in moments:
            if not self.run(moment):
                return hits
            hits += 1
            if (job := job_of(self.output)) is not None and job["state"] == "completed":
                break
        assert not self.run(END_SECONDS)
        return hits

    def run(self, kill_after_seconds: float) -> bool:
        """Run until the job ends or the moment has come; whether it was killed."""
        with self.way.running(self.output) as process:
            # Counted from here, for a job may have to be submitted first.
            self.last_run_began, begin = time.time(), time.monotonic()
            over = wait_until(lambda: self.way.is_over(process, self.output), kill_after_seconds)
            self.last_run_seconds = time.monotonic() - begin
            if not over:
                process.kill()
            killed = not over and process.wait() == -signal.SIGKILL
        if killed:
            self.look_at_the_damage()
        else:
            assert process.returncode == 0
        return killed

    def look_at_the_damage(self) -> None:
        """No child outlives its parent; what is finished is remembered."""
        assert wait_until(lambda: not judges.processes_of(self.home), DYING_SECONDS)
        if kept := kept_of(self.home, self.output):
            self.kept.append(kept)

    def judge(self, longest_seconds: float) -> None:
        """One whole asset and nothing else, said once; what was finished was not done again."""
        job = job_of(self.output)
        assert job is not None
        assert job["status"] == "done"
        self.judge_what_was_finished(job)
        assert [path.name for path in self.output.parent.iterdir()] == [self.output.name]
        assert judges.tree(self.output) == judges.promised(self.output)
        assert judges.media_digests(self.output) == judges.promised_digests(self.output)
        assert judges.record(self.output)["asset_id"] == job["main_task_id"]
        streams, complaints = judges.decode(self.output / judges.MASTER)
        assert complaints == ""
        assert [len(s.starts) for s in streams if s.kind == "video"] == [FRAMES, FRAMES]
        messages = here("watch", job["job_id"], "--json").documents
        assert [message["complete"] for message in messages].count(True) == 1
        assert judges.processes_of(self.home) == []
        assert left_over(self.home) == [] or not self.way.tidies_at_once
        assert self.last_run_seconds <= longest_seconds

    def judge_what_was_finished(self, job: dict[str, Any]) -> None:
        tasks = done_tasks(job)
        published = set(judges.promised_digests(self.output).values())
        for kept in self.kept:
            assert kept.tasks.items() <= tasks.items(), "a finished task was done again"
            assert kept.digests <= published


@dataclass(frozen=True)
class Life:
    """An undisturbed run."""

    seconds: float
    """From the start of its process to its end."""
    bounds: tuple[float, ...]
    """Seconds at which its stages begin, and the last one's end.

    They are: start, encoding, the rest of packaging, publishing, and tidying up after that.
    """

    def moments(self, chance: random.Random, per_stage: int) -> list[float]:
        """Random moments, as many in each stage, evenly spread over it, in random order."""
        found = list[float]()
        for begin, end in pairwise(self.bounds):
            step = (end - begin) / per_stage
            found += [begin + step * (n + chance.random()) for n in range(per_stage)]
        chance.shuffle(found)
        return found


def measure(way: Way, home: Path, output: Path) -> Life:
    """Run a job in peace and see when it did what."""
    trial = Trial(way, home, output)
    if isinstance(way, ByService):
        assert here("submit", way.source, output, *RUNGS).status == 0
    assert trial.endure([]) == 0
    trial.judge(END_SECONDS)
    job = job_of(output)
    assert job is not None
    moments = [
        moment_of(job, "download_file", "started_at"),
        moment_of(job, "encode_chunk", "finished_at"),
        moment_of(job, "publish", "started_at"),
        moment_of(job, "notify", "finished_at"),
    ]
    bounds = [0.0, *(moment - trial.last_run_began for moment in moments)]
    if way.tidies_at_once:
        bounds.append(trial.last_run_seconds)
    return Life(trial.last_run_seconds, tuple(bounds))


def moment_of(job: dict[str, Any], name: str, event: str) -> float:
    """When the last task of a name began or ended, in seconds since 1970."""
    moments = [task[event] for task in job["tasks"] if task["name"] == name]
    return max(datetime.fromisoformat(moment).timestamp() for moment in moments)


def storm(way: Way, home: Path, folder: Path, per_stage: int) -> None:
    """Kill jobs at random moments until each moment has had its victim."""
    life = measure(way, home, folder / "peace" / "asset")
    waiting = life.moments(random.Random(20), per_stage)
    jobs = 0
    while waiting:
        jobs += 1
        trial = Trial(way, home, folder / f"job{jobs}" / "asset")
        hits = trial.endure(waiting[:KILLS_PER_JOB])
        trial.judge(life.seconds + RESUME_SECONDS)
        # No hit at all: this machine is quicker now than it was when it was measured.
        waiting = waiting[hits:] if hits else [0.9 * moment for moment in waiting]


def left_over(home: Path) -> list[str]:
    """What is left in the engine's home of jobs that are over."""
    return [str(path) for name in ("scratch", "work/jobs") for path in home.glob(f"{name}/*")]


@pytest.mark.parametrize("per_stage", PER_STAGE)
def test_encode_is_killed_in_each_stage_and_always_ends(
    short_clip: Path, home: Path, tmp_path: Path, per_stage: int
) -> None:
    storm(ByEncode(short_clip), home, tmp_path, per_stage)


@pytest.mark.long
@pytest.mark.parametrize("per_stage", [1, 3])
def test_a_service_is_killed_in_each_stage_and_its_jobs_always_end(
    short_clip: Path, home: Path, tmp_path: Path, per_stage: int
) -> None:
    storm(ByService(short_clip), home, tmp_path, per_stage)
    with started("serve", "--log-json") as process:
        read_until(process.stderr, lambda line: line["event"] == "ready")
        assert wait_until(lambda: left_over(home) == [], TIDY_SECONDS), left_over(home)
        process.terminate()
        assert process.wait(END_SECONDS) == 0
