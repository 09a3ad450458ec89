"""Disks that are full at any point: no film is shown short, and with room each is finished."""

from __future__ import annotations

from pathlib import Path

import pytest

import clips
import disks
from adaptation.engine.model import Job
from adaptation.engine.states import TaskState
from adaptation.wiring import Deployment
from hostile import trial
from services import wait_until

LEVELS = (4, 8, 16, 32, 48, 64, 96, 128, 192, 256, 512)
"""KiB that there is room for, one after the other, until a film is finished; pieces of tries that
failed take some of it, more or less of them by how far each came."""
ROOM = "size=8m"
FULL = {"disk_full", "scratch_full", "work_full", "output_full"}
FRAMES = 30


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("film"))


def judged(engine: Deployment, job: Job) -> str:
    """How a job has ended, as an asset from which nothing is missing or a full disk."""
    ending = trial.ending(engine.store.job(job.id))
    assert ending.code in FULL | {"fine"}, ending
    assert ending.frames == (FRAMES if ending.code == "fine" else 0)
    return ending.code


@pytest.mark.parametrize("place", ["work", "output"])
def test_a_film_is_whole_or_fails_at_every_level_and_goes_on_with_more_room(
    place: str, film: Path, tmp_path: Path, home: Path
) -> None:
    small = {"work": home / "work", "output": tmp_path / "disk"}[place]
    endings = list[str]()
    with disks.mounted(small, "size=4k"), trial.engine_in(home) as engine:
        job = trial.submitted(engine, film, output_folder=str(tmp_path / "disk" / "asset"))
        with engine.engine.running(2):
            for level in LEVELS:
                disks.resize(small, level)
                if endings:
                    engine.store.retry(job.id)
                assert wait_until(lambda: engine.store.job(job.id).ended, 60)
                endings.append(judged(engine, job))
                if endings[-1] == "fine":
                    break
    assert len(endings) > 5
    assert (endings[0], endings[-1]) == (f"{place}_full", "fine")


def test_a_film_is_whole_or_fails_wherever_scratch_fills_up_under_it(
    film: Path, tmp_path: Path, home: Path
) -> None:
    endings = list[str]()
    with (
        disks.mounted(home / "scratch", ROOM) as scratch,
        trial.engine_in(home) as engine,
        engine.engine.running(2),
    ):
        job = trial.submitted(engine, film)
        for level in LEVELS:
            fill_while_encoding(engine, job, scratch, level)
            endings.append(judged(engine, job))
            if endings[-1] != "fine":
                engine.store.retry(job.id)
            elif FULL & set(endings):
                break
            else:  # it was too quick to be hurt
                job = trial.submitted(engine, film, output_folder=str(tmp_path / f"{level}"))
        if endings[-1] != "fine":  # tried again with all the room there is
            assert wait_until(lambda: engine.store.job(job.id).ended, 60)
            endings.append(judged(engine, job))
    assert FULL & set(endings)
    assert endings[-1] == "fine"
    assert trial.left_behind(home) == []


def fill_while_encoding(engine: Deployment, job: Job, scratch: Path, level: int) -> None:
    """Take all but some KiB of a disk away when FFmpeg has begun to write, until all is over."""

    def ended() -> bool:
        return engine.store.job(job.id).ended

    def stands() -> bool:
        return not any(task.state is TaskState.RUNNING for task in engine.store.tasks(job.id))

    assert wait_until(lambda: ended() or bool([*scratch.glob("*/*.mp4")]), 60)
    with disks.filled(scratch, level):
        assert wait_until(lambda: ended() or stands(), 60)
    assert wait_until(ended, 60)
