"""What people do to jobs from the command line: when they run, how urgently, and that they stop."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

import clips
from adaptation.adapters.publish import asset_id_of
from adaptation.engine.changes import Change
from adaptation.wiring import deploy
from command_line import here, show, started
from gates import Gates, serving
from services import wait_until

ONE_RUNG = ("--rendition", "180:300", "--preset", "ultrafast")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Something that is there; nobody reads it."""
    path = tmp_path / "film.mp4"
    path.touch()
    return path


def submit(source: Path, *words: object) -> int:
    ended = here("submit", source, source.with_name(f"asset{len(words)}"), *words)
    assert ended.status == 0, ended.err
    return int(ended.out.split()[0])


def rows(*words: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(here("ls", "--json", *words).out)
    return found


def test_a_job_is_told_when_to_run_and_how_urgently(source: Path, tmp_path: Path) -> None:
    later = submit(source, "--run-at", "2040-06-06T10:00:00", "--priority", 7, "--client", "a")
    shown = show(later)
    assert (shown["status"], shown["run_at"]) == ("scheduled", "2040-06-06T10:00:00.000+00:00")
    assert (shown["priority"], shown["client"], shown["persist"]) == (7, "a", False)
    assert 'Job will run at: "2040-06-06T10:00:00.000Z"' in here("logs", later).out

    kept = submit(source, "--persist")
    assert show(kept)["persist"]
    gated = submit(source, "--semaphore-url", "https://u:secret@gate.example/x", "--persist")
    assert show(gated)["semaphore_url"] == "https://***@gate.example/x"
    assert "waits for  https://***@gate.example/x" in here("show", gated).out

    assert [row["job_id"] for row in rows("--state", "scheduled")] == [gated, later]
    assert [row["job_id"] for row in rows("--client", "a")] == [later]
    assert [row["job_id"] for row in rows("--search", "film.mp4")] == [gated, kept, later]
    bad = here("submit", source, tmp_path / "other", "--run-at", "soon")
    assert (bad.status, bad.code) == (2, "parameter_invalid")


def test_the_queue_is_shown_with_its_order(source: Path) -> None:
    first, second = submit(source), submit(source, "--persist")
    assert {row["job_id"]: row["position"] for row in rows()} == {first: 1, second: 2}

    said = here("priority", second, 2)

    assert (said.status, said.err) == (0, f"Job {second} has priority 2, number 1 in the queue.\n")
    assert re.search(rf"^ +{first}  queued 2 ", here("ls", "--state", "queued").out, re.MULTILINE)
    assert here("priority", second, 11).code == "usage"
    here("cancel", second)
    refused = here("priority", second, 1)
    assert (refused.status, refused.code) == (2, "state_forbids")


def test_a_job_runs_anew(source: Path) -> None:
    old = submit(source)

    said = here("rerun", old)

    new, main_task_id = said.out.split()
    assert f"Job {old} runs anew as job {new}." in said.err
    assert "adaptation serve" in said.err
    assert show(old)["status"] == "cancelled"
    again = show(new)
    assert (again["status"], again["main_task_id"]) == ("queued", main_task_id)
    assert again["parameters"] == show(old)["parameters"]
    assert again["output_folder"] == show(old)["output_folder"]


def test_settings_are_listed_changed_and_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ADAPTATION_RETRY_LIMIT", "7")
    assert re.search(r"^max_jobs +2 +2 +jobs running at once", here("settings").out, re.MULTILINE)
    assert re.search(r"^retry_limit +7 +7 ", here("settings").out, re.MULTILINE)

    assert "max_jobs setting created" in here("settings", "max_jobs", 20).err
    assert "max_jobs setting updated" in here("settings", "max_jobs", 30).err
    said = here("settings", "max_jobs", "--json")
    assert said.documents[0] == [
        {"name": "max_jobs", "value": 30, "default": 2, "meaning": said.documents[0][0]["meaning"]}
    ]
    assert "all slots are reserved" in here("settings", "priority_slots", 30).err
    here("settings", "max_jobs", "--reset")
    assert re.search(r"^max_jobs +2 ", here("settings").out, re.MULTILINE)
    for words, status, code in [
        (("max_job", 1), 4, "setting_unknown"),
        (("max_jobs", "many"), 2, "setting_invalid"),
        (("--reset",), 2, "usage"),
        (("max_jobs", 1, "--reset"), 2, "usage"),
    ]:
        ended = here("settings", *words)
        assert (ended.status, ended.code) == (status, code)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps with a beep each second, H.264 + AAC, 1.2 s."""
    return clips.make_plain(tmp_path_factory.mktemp("plain"))


def test_a_job_that_runs_anew_replaces_its_own_asset(plain: Path, tmp_path: Path) -> None:
    deployment = deploy()
    wanted = {"renditions": [{"height": 180, "bitrate": 300}], "preset": "ultrafast"}
    old = deployment.encode(str(plain), str(tmp_path / "asset"), **wanted)
    assert asset_id_of(tmp_path / "asset") == old.main_task_id

    new = deployment.engine.rerun(old.id)
    with deployment.engine.running(2, new.id):
        assert wait_until(lambda: deployment.store.job(new.id).ended, 30)

    assert deployment.store.job(new.id).succeeded, deployment.store.job(new.id).error
    assert asset_id_of(tmp_path / "asset") == new.main_task_id
    deployment.engine.tidy()
    deployment.store.close()


def test_ffmpeg_stops_with_its_job_and_starts_when_the_job_may_run(
    plain: Path, tmp_path: Path
) -> None:
    endless = tmp_path / "ffmpeg"
    # Without the source it is only asked what it can do.
    endless.write_text(f'#!/bin/sh\ncase "$*" in *{plain.name}*) exec sleep 60;; esac\nexit 1\n')
    endless.chmod(0o755)
    here("settings", "schedule_interval", 1)
    gates = Gates()
    with serving(gates), started("serve", ADAPTATION_FFMPEG=str(endless)) as service:

        def encodes() -> bool:
            return "sleep" in names_of_children(service.pid)

        words = ("submit", plain, tmp_path / "asset", *ONE_RUNG)
        here(*words, "--semaphore-url", gates.url(503))
        assert wait_until(lambda: len(gates.asked) > 1, 20), "asked again and again"
        assert show()["status"] == "scheduled"
        store = deploy().store
        store.change(1, Change(semaphore_url=gates.url(204)))
        store.close()
        assert wait_until(encodes, 20)
        here("pause", 1)
        assert wait_until(lambda: not encodes())
        assert show()["status"] == "paused"
        here("resume", 1)
        assert wait_until(encodes, 20)
        assert here("cancel", 1).err == "Job 1 is cancelled.\n"
        assert not encodes()
        service.terminate()
        service.communicate(timeout=20)


def names_of_children(pid: int) -> Iterator[str]:
    for child in psutil.Process(pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # short-lived ones may be gone by now
            yield child.name()
