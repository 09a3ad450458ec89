"""Two workers of which one has an encoder that the other lacks, as real processes of one fleet."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from sqlalchemy import select

import clips
from adaptation.api.metrics import Metrics
from adaptation.api.readiness import Readiness
from adaptation.api.traffic import Traffic
from adaptation.dashboard.rows import rows_of
from adaptation.engine.schema import attempt
from adaptation.engine.states import TaskState
from adaptation.engine.store import Store
from adaptation.wiring import deploy
from command_line import here, read_until, show, started
from services import wait_until

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="a script takes a tool's place")
WANTED = "libx265"
WITHOUT = f"""#!/bin/sh
case "$*" in
*-encoders*) {{ffmpeg}} "$@" | while read -r line; do
    case "$line" in *{WANTED}*) ;; *) echo "$line" ;; esac; done ;;
*) exec {{ffmpeg}} "$@" ;;
esac
"""
"""An FFmpeg that does not say that it has the encoder; who uses it all the same gets pictures."""


def encoded_by(store: Store, job_id: int) -> set[str]:
    """The workers that encoded a job's picture."""
    ids = [task.id for task in store.tasks(job_id) if task.name == "encode_chunk"]
    asked = select(attempt.c.worker_id).where(attempt.c.task_id.in_(ids))
    with store.database.read() as connection:
        return set(connection.execute(asked).scalars())


def test_what_needs_an_encoder_is_done_by_who_has_it_while_the_other_works(
    tmp_path: Path,
    home: Path,
    postgres_url: str,
    redis_url: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    film = clips.make_plain(tmp_path)
    poor = tmp_path / "ffmpeg"
    poor.write_text(WITHOUT.format(ffmpeg=clips.tools().ffmpeg))
    poor.chmod(0o755)
    pace = {"HEARTBEAT_SECONDS": "0.3", "SWEEP_SECONDS": "0.3"}
    for name, value in ({"BROKER_URL": redis_url, "DATABASE_URL": postgres_url} | pace).items():
        monkeypatch.setenv(f"ADAPTATION_{name}", value)
    deployment = deploy()
    store = deployment.store

    def submit(rung: str) -> int:
        ended = here("submit", film, tmp_path / rung, "--rendition", rung, "--preset", "ultrafast")
        assert ended.status == 0, ended.err
        return int(ended.out.split()[0])

    def waits(job_id: int) -> bool:
        return store.waits_of([job_id]) == {job_id: WANTED}

    with started("worker", "--log-json", ADAPTATION_FFMPEG=str(poor)) as lacking:
        read_until(lacking.stderr, lambda line: line["event"] == "ready")
        needy = submit("90:100:hevc")
        assert wait_until(lambda: waits(needy), 60), show(needy)
        easy = submit("90:100")
        assert wait_until(lambda: store.job(easy).ended, 60), show(easy)

        assert store.job(easy).succeeded
        assert store.unfit(30) == {WANTED: 1}
        assert Readiness(deployment).warnings() == [f"1 task waits for a worker with {WANTED}"]
        told = Metrics(deployment, Traffic()).written("")[0].decode()
        assert f'adaptation_tasks_unfit{{needs="{WANTED}"}} 1.0' in told.splitlines()
        assert f"waits for a worker with {WANTED}" in here("show", needy).out
        assert any(f"waits for a worker with {WANTED}" in line for line in top_lines(needy))
        (row,) = rows_of(store, [store.job(needy)])
        assert row.sentence == f"waits for a worker with {WANTED}"
        assert [task.attempt for task in store.tasks(needy) if task.name == "encode_chunk"] == [0]

        with started("worker", "--log-json") as able:
            assert wait_until(lambda: store.job(needy).ended, 90), show(needy)
            by = {member.process.pid: member.process.worker_id for member in store.members()}
            for process in (able, lacking):
                process.terminate()
                assert process.wait(30) == 0

    assert store.job(needy).succeeded
    assert encoded_by(store, needy) == {by[able.pid]}
    assert encoded_by(store, easy) == {by[lacking.pid]}
    assert {end for task in store.tasks(needy) for _, end in store.attempts(task.id)} == {"done"}
    assert not any(task.state is TaskState.READY for task in store.tasks(needy))
    assert store.unfit(30) == {}
    store.close()


def top_lines(job_id: int) -> list[str]:
    """What `top` says of a job."""
    return [line for line in here("top").out.splitlines() if line.startswith(f"{job_id} ")]
