"""Strange films get their verdict, and disturb nobody who is encoded beside or behind them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import clips
import judges
from hostile import trial
from hostile.monsters import MONSTERS
from hostile.trial import Ending

VERDICTS = {name: Ending(monster.code, monster.frames) for name, monster in MONSTERS.items()}


@pytest.fixture(scope="module")
def monsters(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """All of them, each in a folder of its own."""
    folders = {name: tmp_path_factory.mktemp("monster") for name in MONSTERS}
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda name: MONSTERS[name].make(folders[name]), MONSTERS)
        return dict(zip(MONSTERS, made, strict=True))


@pytest.mark.parametrize("name", MONSTERS)
def test_a_monster_is_planned_frame_by_frame_or_refused_with_its_code(
    name: str, monsters: Mapping[str, Path], home: Path
) -> None:
    with trial.engine_in(home) as engine:
        found = trial.planned(engine, monsters[name])

    assert (found.code, found.frames) == (VERDICTS[name].code, VERDICTS[name].frames), found


def test_whole_jobs_keep_the_verdict_and_leave_their_neighbours_alone(
    monsters: Mapping[str, Path], tmp_path: Path, home: Path
) -> None:
    clean = clips.ffmpeg(tmp_path, f"{clips.picture('160x90')} {clips.beep()} {clips.X264} a.mp4")
    encoded = [name for name, monster in MONSTERS.items() if monster.is_encoded]
    with trial.engine_in(home) as engine:
        neighbours = [trial.submitted(engine, clean, output_folder=str(tmp_path / "calm"))]
        trial.run_to_end(engine, neighbours)
        jobs = {}
        for number, name in enumerate(encoded):
            jobs[name] = trial.submitted(engine, monsters[name])
            if number % 5 == 0:
                beside = str(tmp_path / f"beside{number}")
                neighbours.append(trial.submitted(engine, clean, output_folder=beside))
        ended = trial.run_to_end(engine, [*jobs.values(), *neighbours[1:]])
        neighbours.append(trial.submitted(engine, clean, output_folder=str(tmp_path / "behind")))
        trial.run_to_end(engine, neighbours[-1:])

        calm, *others = [
            judges.media_digests(Path(str(engine.store.job(job.id).output))) for job in neighbours
        ]
    assert {name: trial.ending(ended[job.id]).code for name, job in jobs.items()} == {
        name: VERDICTS[name].code for name in encoded
    }
    assert {name: trial.ending(ended[job.id]).frames for name, job in jobs.items()} == {
        name: VERDICTS[name].frames for name in encoded
    }
    assert len(calm) > 3
    assert others == [calm] * len(others)
    assert trial.left_behind(home) == []
