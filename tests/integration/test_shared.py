"""Two machines on one job: homes of their own, and one folder that both see."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from sqlalchemy import select

import clips
import judges
from adaptation.engine.schema import task
from adaptation.engine.store import Store
from command_line import adaptation, here

TWO_RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")
SECONDS, RATE = 24, 25
UP_TO_THE_FIRST_CHUNK = ("download_file", "get_video_size", "add_playlist_header", "encode_chunk")


@pytest.fixture
def film(tmp_path: Path) -> Path:
    """`testsrc2` 320x180 at 25 fps, a key frame each second, 24 s, with sound: two chunks."""
    inputs = f"{clips.picture(seconds=SECONDS)} {clips.beep(seconds=SECONDS)}"
    return clips.ffmpeg(tmp_path, f"{inputs} {clips.X264} -g {RATE} -c:a aac film.mp4")


def ends(store: Store, name: str) -> list[str]:
    """How the attempts at each task of a name ended; empty for one that was not tried."""
    ids = [found.id for found in store.tasks(1) if found.name == name]
    return [" ".join(end or "" for _, end in store.attempts(task_id)) for task_id in ids]


def needed(store: Store) -> list[tuple[str, int]]:
    """The name of each task, and how much scratch it asked for."""
    with store.database.read() as connection:
        found = connection.execute(select(task.c.name, task.c.scratch_bytes))
        return [(row.name, row.scratch_bytes) for row in found]


@pytest.mark.long
def test_machines_with_a_shared_folder_encode_one_job_together(
    film: Path, tmp_path: Path, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared, homes = tmp_path / "shared", [tmp_path / "one", tmp_path / "two"]
    database = f"sqlite:///{tmp_path / 'truth.db'}"
    for name, value in {
        "BROKER_URL": redis_url,
        "DATABASE_URL": database,
        "SHARED": str(shared),
        "PARALLEL_CHUNKS": "2",
    }.items():
        monkeypatch.setenv(f"ADAPTATION_{name}", value)
    monkeypatch.setenv("ADAPTATION_HOME", str(tmp_path / "client"))
    output = tmp_path / "out" / "asset"
    assert here("submit", film, output, *TWO_RUNGS).status == 0

    leaving = "worker", "--slots", 1, "--max-tasks", len(UP_TO_THE_FIRST_CHUNK)
    assert adaptation(*leaving, ADAPTATION_HOME=str(homes[0])).status == 0
    store = Store(database)
    assert ends(store, "encode_chunk") == ["done", ""]
    # Nothing that the other one needs is there.
    shutil.rmtree(homes[0])
    rest = adaptation("worker", "--exit-when-idle", ADAPTATION_HOME=str(homes[1]))

    assert rest.status == 0, rest.err
    assert store.job(1).succeeded
    assert ends(store, "encode_chunk") == ["done", "done"]
    needs = needed(store)
    store.close()
    assert judges.tree(output) == judges.promised(output)
    streams, complaints = judges.decode(output / judges.MASTER)
    assert complaints == ""
    assert [len(s.starts) for s in streams if s.kind == "video"] == [SECONDS * RATE] * 2
    media_bytes = sum(size for size, _ in judges.media_digests(output).values())
    assert {name for name, need in needs if need} == {"encode_chunk", "transcode_audio"}
    assert sum(need for _, need in needs) >= 2 * media_bytes
    assert {path.name for path in homes[1].iterdir() if path.is_dir()} == {"scratch"}
