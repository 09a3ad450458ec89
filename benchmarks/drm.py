"""What encrypting costs: `drmswitch` beside plain Packager on the same media, in turn."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from pathlib import Path
from typing import Any
from unittest import mock

from adaptation.settings import load_settings
from adaptation.wiring import Deployment
from benchmarks.processes import BenchError
from benchmarks.progress import Progress, note
from benchmarks.report import aim, spread, table
from benchmarks.setup import Bench

KEY_ID, KEY = "a1" * 16, "b2" * 16
KEYS = {
    "content_keys": [{"key_id": KEY_ID, "key": KEY}],
    "hls_key_uri": "https://keys.example.org/{key_id}",
}
BITRATE, SECONDS = 20_000_000, 40
"""Of the picture: 100 MB."""
SWITCHES = {"cenc": ["cenc"], "cbcs": ["fairplay"], "clear": [], "aes128": ["aes"]}
MOST_SECONDS = 2.0
"""CPU seconds for 100 MB."""


def measure(bench: Bench) -> dict[str, Any]:
    """Every switch of a fresh asset and Packager's own runs, over several rounds.

    Returns:
        JSON with CPU seconds for 100 MB, by what was done.
    """
    note("making the asset")
    folder = bench.made("drm")
    with mock.patch.dict(os.environ, {"ADAPTATION_HOME": str(folder / "home")}):
        deployment = Deployment(load_settings())
    asset = _asset(bench, deployment, folder)
    size_bytes = sum(path.stat().st_size for path in asset.rglob("media_*.mp4"))
    costs: dict[str, list[float]] = {}
    progress = Progress("drm", bench.setup.rounds)
    for number in range(bench.setup.rounds):
        progress.step(f"round {number + 1} of {bench.setup.rounds}")
        copy = folder / "copy"
        shutil.copytree(asset, copy)
        for name, drm in SWITCHES.items():
            given = {**KEYS, "folder": str(copy), "drm": drm}
            cost = _spent(deployment, "drmswitch", given)
            costs.setdefault(f"drmswitch to {name}", []).append(cost / size_bytes * 1e8)
        for scheme in ("cenc", "cbcs"):
            cost = _packaged(bench, asset, scheme, folder / "made")
            costs.setdefault(f"Packager, {scheme}", []).append(cost / size_bytes * 1e8)
        shutil.rmtree(copy)
    deployment.close()
    return {"size_bytes": size_bytes, "costs": costs}


def report(document: dict[str, Any]) -> str:
    """The figures as Markdown."""
    costs: dict[str, list[float]] = document["costs"]
    rows = [[name, spread(values, 2)] for name, values in costs.items()]
    dearest = max(sorted(values)[len(values) // 2] for values in costs.values())
    head = ["what", "CPU s for 100 MB"]
    return f"{table(head, rows)}\n\nThe dearest: {aim(dearest, MOST_SECONDS, ' s')}."


def _asset(bench: Bench, deployment: Deployment, folder: Path) -> Path:
    source = folder / "film" / "film.mp4"
    source.parent.mkdir()
    pattern = f"testsrc2=s=1280x720:r=25:d={SECONDS},noise=alls=60:allf=t"
    words = f"-f lavfi -i {pattern} -f lavfi -i sine=d={SECONDS} -c:v libx264 -preset ultrafast"
    words += f" -g 50 -sc_threshold 0 -b:v {BITRATE} -maxrate {BITRATE} -bufsize {BITRATE}"
    words += " -pix_fmt yuv420p -c:a aac"
    command = [str(bench.tools.ffmpeg), "-v", "error", *words.split(), str(source)]
    subprocess.run(command, check=True)
    asset = folder / "asset"
    places = {"source_folder": str(source.parent), "output_folder": str(asset)}
    _spent(deployment, "vodstream", {"content_id": "film", **places})
    return asset


def _spent(deployment: Deployment, workflow: str, given: dict[str, Any]) -> float:
    """CPU seconds of one job, with all that it started."""
    before = _cpu_seconds()
    job = deployment.engine.submit(workflow, given)
    with deployment.engine.running(1, job.id):
        while not deployment.store.job(job.id).ended:
            time.sleep(0.2)
    if not deployment.store.job(job.id).succeeded:
        raise BenchError(f"{workflow} failed: {deployment.store.job(job.id).error}")
    return _cpu_seconds() - before


def _packaged(bench: Bench, asset: Path, scheme: str, made: Path) -> float:
    """CPU seconds of Packager, which encrypts and proves nothing."""
    cost = 0.0
    for source in sorted(asset.rglob("media_*.mp4")):
        kind = "audio" if source.parent.name.startswith("audio") else "video"
        files = f"init_segment={made}/init.mp4,segment_template={made}/$Number$.m4s"
        key = f"--keys=label=:key_id={KEY_ID}:key={KEY}"
        options = ["--enable_raw_key_encryption", key, "--clear_lead", "0", "--quiet"]
        command = [str(bench.tools.packager), f"in={source},stream={kind},{files}", *options]
        before = _cpu_seconds()
        subprocess.run([*command, "--protection_scheme", scheme], check=True, capture_output=True)
        cost += _cpu_seconds() - before
        shutil.rmtree(made)
    return cost


def _cpu_seconds() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)
