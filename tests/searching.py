"""An asset of four colours, and what tests of searching it measure."""

from __future__ import annotations

import subprocess
from pathlib import Path

import clips
from adaptation.settings import Settings
from adaptation.wiring import deploy
from services import wait_until

COLOURS = ("red", "lime", "blue", "yellow")
"""Of the clip's seconds."""
SHOWN = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0))
"""The same in red, green and blue."""
SECONDS = 3.6
RUNGS = [{"height": 180, "bitrate": 300}, {"height": 90, "bitrate": 100}]
JOB_SECONDS = 60


def make_coloured(folder: Path) -> Path:
    """A second in each of four colours, 320x180 at 25 fps, H.264 in BT.709, with a beep."""
    lasts = (1, 1, 1, SECONDS - 3)
    inputs = " ".join(
        f"-f lavfi -i color=c={colour}:s=320x180:r=25:d={seconds:g}"
        for colour, seconds in zip(COLOURS, lasts, strict=True)
    )
    joined = "[0][1][2][3]concat=n=4,scale=out_color_matrix=bt709:out_range=tv,format=yuv420p"
    told = "-colorspace bt709 -color_primaries bt709 -color_trc bt709 -color_range tv"
    sound = clips.beep(seconds=SECONDS)
    return clips.ffmpeg(
        folder, f"{inputs} {sound} -filter_complex {joined} {told} {clips.X264} -c:a aac film.mp4"
    )


def make_asset(folder: Path) -> Path:
    """That clip in two renditions, in segments of a second, with sound."""
    deployment = deploy(Settings(home=folder / "home"))
    job = deployment.encode(
        str(make_coloured(folder)),
        str(folder / "film"),
        renditions=RUNGS,
        segment_seconds=1,
        # Not faster: pictures between others move the first one on the media's clock.
        preset="superfast",
    )
    deployment.close()
    assert job.succeeded, job.error
    return folder / "film"


def make_searchable(asset: Path, home: Path, **parameters: object) -> None:
    """Run `trickplay` on an asset, as an admin of a service with this home."""
    deployment = deploy(Settings(home=home))
    given = {"content_id": "film-42", "source_folder": str(asset), **parameters}
    job_id = deployment.engine.submit("trickplay", given).id
    with deployment.engine.running(2, job_id):
        assert wait_until(lambda: deployment.store.job(job_id).ended, JOB_SECONDS)
    job = deployment.store.job(job_id)
    deployment.close()
    assert job.succeeded, job.error


def pixel(path: Path, x: int, y: int) -> tuple[int, int, int]:
    """The colour of the first picture of a file at one place, as FFmpeg's decoder sees it."""
    command = [str(clips.tools().ffmpeg), "-v", "quiet", "-i", str(path), "-frames:v", "1", "-vf"]
    command += [f"format=rgb24,crop=1:1:{x}:{y}", "-f", "rawvideo", "-"]
    red, green, blue = subprocess.run(command, check=True, capture_output=True, timeout=60).stdout
    return red, green, blue


def is_near(colour: tuple[int, ...], other: tuple[int, ...]) -> bool:
    """Whether two colours are the same to the eye, after a coarse JPEG."""
    return all(abs(one - two) < 40 for one, two in zip(colour, other, strict=True))
