"""Puts a bad film through the engine and judges from outside how that ended."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

import clips
import judges
from adaptation.adapters.orphans import MARK
from adaptation.engine.model import Job
from adaptation.errors import AdaptationError
from adaptation.settings import Settings
from adaptation.wiring import Deployment, deploy
from adaptation.workflows.encoding import NAME
from services import wait_until

OPTIONS: dict[str, Any] = {
    "renditions": [{"height": 90, "bitrate": 100}],
    "preset": "ultrafast",
    "verify": "full",
}
MOST_SECONDS = 20.0
"""How long a tiny film may take to be read and planned, whatever is in it."""
JOB_SECONDS = 60.0
"""And to be encoded, beside others."""
LEAVING_SECONDS = 5.0
"""How long a child may take to be gone when its job has ended."""
DOCUMENTED = frozenset(
    re.findall(
        r"`(\w+)`", (Path(__file__).parents[2] / "docs" / "errors.md").read_text(encoding="utf-8")
    )
)
"""The error codes that the manual knows."""


@dataclass(frozen=True)
class Ending:
    """How a film ended."""

    code: str
    """Of its error; `fine` when there was none, `rough` when only a whole job can tell."""
    frames: int = 0
    """That were planned."""
    message: str = ""
    """Of its error."""


@contextmanager
def engine_in(folder: Path) -> Iterator[Deployment]:
    """An engine of its own that tries everything once, until the block ends."""
    deployment = deploy(
        Settings(home=folder, retry_limit=1, sweep_seconds=0.1, heartbeat_seconds=0.2)
    )
    try:
        yield deployment
    finally:
        deployment.close()


def planned(deployment: Deployment, path: Path) -> Ending:
    """Read and plan a film; only the engine's own errors are an ending."""
    started = time.monotonic()
    try:
        told = deployment.forecast(NAME, {"url": str(path), "output_folder": "out", **OPTIONS})
    except AdaptationError as error:
        return Ending(checked_code(error.code), message=error.message)
    finally:
        seconds = time.monotonic() - started
        assert seconds < MOST_SECONDS, f"it took {seconds:.1f} s to read"
    # A playlist is read when its job has gathered what it names.
    return Ending("fine", told["frames"]) if "frames" in told else Ending("rough")


def checked_code(code: str) -> str:
    """A code that says whose fault it is, as the manual does."""
    assert code in DOCUMENTED, f"{code} is not in the manual"
    assert code not in ("internal", "transient"), "nobody knew what to say"
    return code


def submitted(deployment: Deployment, path: Path | str, **options: Any) -> Job:
    """A whole job for a film; its asset is to appear beside the film."""
    wanted = {"url": str(path), "output_folder": f"{path}.asset", **OPTIONS, **options}
    return deployment.submit_encoding(wanted)[0]


def run_to_end(deployment: Deployment, jobs: Sequence[Job], slots: int = 2) -> dict[int, Job]:
    """Work until all jobs have ended; those by their id."""
    deployment.engine.prepare()

    def over() -> bool:
        return all(deployment.store.job(job.id).ended for job in jobs)

    with deployment.engine.running(slots):
        assert wait_until(over, JOB_SECONDS * (1 + len(jobs) / 4)), _unfinished(deployment, jobs)
    deployment.engine.tidy()
    return {job.id: deployment.store.job(job.id) for job in jobs}


def _unfinished(deployment: Deployment, jobs: Sequence[Job]) -> str:
    found = [deployment.store.job(job.id) for job in jobs]
    return f"these hang: {[job.parameters['url'] for job in found if not job.ended]}"


def ending(job: Job, promised: Ending | None = None) -> Ending:
    """How a job ended: with an asset that decodes in full, or an error and no asset at all.

    Args:
        job: ended.
        promised: what was planned of the film, to be held against what came of it.
    """
    folder = Path(str(job.output))
    if job.succeeded:
        frames = whole_frames(folder)
        if promised is not None:
            assert (promised.code, promised.frames) == ("fine", frames), f"{promised} gave {frames}"
        return Ending("fine", frames)
    assert job.error is not None
    assert not folder.exists(), "an asset of a job that failed"
    return Ending(checked_code(job.error["code"]), message=job.error["message"])


def whole_frames(folder: Path) -> int:
    """Frames of an asset's rendition, all of which must decode without a word in HLS and DASH."""
    assert judges.tree(folder) == judges.promised(folder)
    # Counted in HLS alone: FFmpeg reads a DASH that has a single segment twice.
    for manifest in (judges.MANIFEST, judges.MASTER):
        streams, complaints = judges.decode(folder / manifest)
        assert complaints == "", complaints
    return sum(len(stream.starts) for stream in streams if stream.kind == "video")


def packets_of(path: Path) -> list[tuple[int, str]]:
    """Stream index and presentation time of each packet, as ffprobe reads a film."""
    command = [str(clips.tools().ffprobe), "-v", "quiet", "-of", "csv=p=0"]
    command += ["-show_entries", "packet=stream_index,pts_time", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    rows = (line.split(",") for line in done.stdout.split())
    return [(int(row[0]), row[1]) for row in rows]


def left_behind(home: Path) -> list[str]:
    """What should have gone with its jobs: scratch, downloads, and tools of this process."""
    found = [str(path) for name in ("scratch", "downloads") for path in home.glob(f"{name}/*/*")]
    # Not all children: other tests' servers run on.
    tools = [child for child in psutil.Process().children(recursive=True) if _is_tool(child)]
    _, alive = psutil.wait_procs(tools, timeout=LEAVING_SECONDS)
    return found + [" ".join(child.cmdline()) for child in alive]


def _is_tool(child: psutil.Process) -> bool:
    try:
        return MARK in child.environ()
    except psutil.Error:
        return False
