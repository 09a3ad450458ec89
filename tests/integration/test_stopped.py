"""A worker that stood still for longer than its lease, and goes on: it changes nothing."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import clips
import judges
from adaptation.engine.store import Store
from command_line import here, read_until, started
from engine_kit import broken_invariants
from services import wait_until
from stopped_process import make_engine

RUNNER = Path(__file__).parent.parent / "stopped_process.py"
TWO_RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="nothing stops a process there")


def digests(*folders: Path) -> dict[str, str]:
    """SHA-256 of every file below some folders; where a link leads instead, for a link."""
    found = {}
    for folder in folders:
        for path in sorted(folder.rglob("*")):
            if path.is_symlink():
                found[str(path)] = str(path.readlink())
            elif path.is_file():
                found[str(path)] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


@contextmanager
def tiny_worker(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    paths = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, str(RUNNER), url, str(folder)]
    with subprocess.Popen(command, env={**os.environ, "PYTHONPATH": paths}) as process:
        try:
            yield process
        finally:
            process.kill()


def ends_well(process: subprocess.Popen[bytes]) -> bool:
    process.terminate()
    return process.wait(20) == 0


def test_a_stopped_attempt_that_goes_on_commits_nothing_and_leaves_nothing(
    postgres_url: str, tmp_path: Path
) -> None:
    engine = make_engine(postgres_url, tmp_path)
    store = engine.store
    job = engine.submit("write", {})
    task = store.tasks(job.id)[0]
    area = tmp_path / "jobs" / str(job.id) / str(task.id)
    with tiny_worker(postgres_url, tmp_path) as stopped:
        assert wait_until((area / "1" / "early").exists, 20)
        stopped.send_signal(signal.SIGSTOP)
        with tiny_worker(postgres_url, tmp_path) as winner:
            assert wait_until(lambda: store.job(job.id).ended, 20)
            before, end = digests(area / "2"), store.job(job.id).finished_at
            (tmp_path / "go").touch()
            stopped.send_signal(signal.SIGCONT)
            assert wait_until(lambda: not (area / "1").exists(), 20)
            assert ends_well(winner)
        assert ends_well(stopped)

    assert set(before) == {str(area / "2" / name) for name in ("early", "late")}
    assert digests(area) == before
    assert (store.job(job.id).result, store.job(job.id).finished_at) == ({"by": 2}, end)
    assert store.attempts(task.id) == [(1, "lost"), (2, "done")]
    assert broken_invariants(store) == []
    store.close()
    engine.app.close()


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """`testsrc2` 320x180 at 25 fps, a key frame each second, some sound, 16 s: two chunks."""
    inputs = f"{clips.picture(seconds=16)} {clips.beep(seconds=3)}"
    return clips.ffmpeg(tmp_path, f"{inputs} {clips.X264} -g 25 -c:a aac film.mp4")


def encodes(store: Store, work: Path) -> bool:
    """Whether a chunk is being encoded and has left its first segments."""
    areas = [
        work / "jobs" / str(task.job_id) / str(task.id)
        for task in store.tasks(1)
        if task.name == "encode_chunk" and task.state == "running"
    ]
    return any(list(area.rglob("*.m4s")) for area in areas if area.exists())


HASTY = {"LEASE_SECONDS": "1.5", "HEARTBEAT_SECONDS": "0.3", "SWEEP_SECONDS": "0.3"}


@pytest.mark.parametrize(
    ("pace", "still_seconds"),
    [(HASTY, 0), pytest.param({}, 90, marks=pytest.mark.long)],
    ids=["longer than a short lease", "for 90 s at the defaults"],
)
def test_a_worker_stopped_while_it_encodes_leaves_the_winners_asset_alone(
    pace: dict[str, str],
    still_seconds: float,
    film: Path,
    home: Path,
    tmp_path: Path,
    redis_url: str,
    postgres_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A rate that real footage would have: it cannot be done before it is stopped.
    slow = clips.slowed(tmp_path, 4)
    urls = {"BROKER_URL": redis_url, "DATABASE_URL": postgres_url}
    for name, value in (urls | pace).items():
        monkeypatch.setenv(f"ADAPTATION_{name}", value)
    output, store = tmp_path / "out" / "asset", Store(postgres_url)
    assert here("submit", film, output, *TWO_RUNGS).status == 0

    with started("worker", "--slots", 1, "--log-json", ADAPTATION_FFMPEG=str(slow)) as stopped:
        assert wait_until(lambda: encodes(store, home / "work"), 40)
        stopped.send_signal(signal.SIGSTOP)
        goes_on_at = time.monotonic() + still_seconds
        with started("worker", "--log-json") as winner:
            assert wait_until(lambda: store.job(1).ended, 90)
            assert wait_until(lambda: store.job(1).work == "removed", 20)
            assert wait_until(lambda: time.monotonic() >= goes_on_at, still_seconds + 1)
            before = digests(output.parent, home / "live")
            stopped.send_signal(signal.SIGCONT)
            read_until(stopped.stderr, lambda line: line["event"] == "stale attempt dropped")
            for process in (stopped, winner):
                process.terminate()
                assert process.wait(30) == 0

    assert digests(output.parent, home / "live") == before
    assert digests(home / "work") == {}
    assert judges.tree(output) == judges.promised(output)
    assert judges.media_digests(output) == judges.promised_digests(output)
    assert [end for _, end in attempts_of(store, "encode_chunk")].count("lost") == 1
    assert broken_invariants(store) == []
    assert store.job(1).succeeded
    store.close()


def attempts_of(store: Store, name: str) -> list[tuple[int, str | None]]:
    return [end for task in store.tasks(1) if task.name == name for end in store.attempts(task.id)]
