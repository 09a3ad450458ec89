"""A forecast tells what a job would do, from here and from elsewhere, and learns from the past."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
import fault_server
from adaptation.engine.history import PLANNED
from adaptation.errors import ParameterError, SourceError
from adaptation.wiring import Deployment, deploy
from adaptation.workflows import forecast as forecasts
from command_line import here
from fault_server import FaultServer, Resource

NAME = "encoding_workflow"
RUNGS: dict[str, Any] = {"renditions": [{"height": 90, "bitrate": 100}], "preset": "ultrafast"}
FIGURES = ("cpu_seconds", "wall_seconds", "output_bytes", "scratch_bytes")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clips.make_plain(tmp_path_factory.mktemp("film"))


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with fault_server.running() as served:
        yield served


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary folders, which a forecast leaves as it was."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def deployment() -> Iterator[Deployment]:
    made = deploy()
    yield made
    made.close()


def test_a_local_source_is_foretold_exactly_and_nothing_is_stored(
    deployment: Deployment, film: Path, home: Path
) -> None:
    told = deployment.forecast(NAME, {"url": str(film), **RUNGS})

    assert (told["workflow"], told["sure"]) == (NAME, "exact")
    assert told["parameters"]["segment_seconds"] == 4
    assert "encoding" not in told["parameters"]
    assert [rung["name"] for rung in told["ladder"]] == ["90p"]
    counts = {task["name"]: task["count"] for task in told["tasks"]}
    assert (counts["download_file"], counts["encode_chunk"], counts["chunk_hls"]) == (1, 1, 2)
    assert {"download", "transcode", "publish"} <= set(told["queues"])
    for name in FIGURES:
        assert told[name]["low"] < told[name]["expected"] < told[name]["high"]
    assert "commands" not in told
    assert "no past job of h264-fast" in told["based_on"]
    assert not home.exists() or not any(home.iterdir())


def test_a_small_source_elsewhere_is_fetched_and_foretold(
    deployment: Deployment, film: Path, server: FaultServer
) -> None:
    url = server.add("/film.mp4", Resource(film.read_bytes()))
    near, far = (deployment.forecast(NAME, {"url": one, **RUNGS}) for one in (str(film), url))

    same = ("tasks", "ladder", "chunks", "frames", "cpu_seconds", "sure")
    assert {name: far[name] for name in same} == {name: near[name] for name in same}


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_of_a_large_source_elsewhere_the_first_tasks_are_told_and_why_no_more(
    framing: Any,
    deployment: Deployment,
    film: Path,
    server: FaultServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(forecasts, "FETCHED_BYTES", 5_000)
    url = server.add("/film.mp4", Resource(film.read_bytes(), framing=framing))

    told = deployment.forecast(NAME, {"url": f"{url}?token=secret", **RUNGS})

    assert told["sure"] == "rough"
    assert "too many to be looked at" in told["based_on"]
    assert "secret" not in told["based_on"]
    assert [task["name"] for task in told["tasks"]][:2] == ["download_file", "get_video_size"]
    assert "ladder" not in told


def test_a_source_that_is_slow_or_away_keeps_nobody_waiting(
    deployment: Deployment, film: Path, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = server.add("/slow.mp4", Resource(film.read_bytes(), stalls=[100]))
    cut = server.add("/cut.mp4", Resource(film.read_bytes(), cuts=[100] * 9))

    assert "cut after 100" in deployment.forecast(NAME, {"url": cut})["based_on"]
    monkeypatch.setattr(forecasts, "FETCH_SECONDS", 0.3)
    assert "was not here after" in deployment.forecast(NAME, {"url": slow})["based_on"]


def test_a_source_that_can_never_be_had_is_an_error(
    deployment: Deployment, server: FaultServer
) -> None:
    with pytest.raises(SourceError) as error:
        deployment.forecast(NAME, {"url": server.add("/x", Resource(answers=[(404, {})] * 9))})
    assert error.value.code == "source_not_found"


def test_who_is_confined_foretells_no_file_of_this_machine(
    deployment: Deployment, film: Path
) -> None:
    with pytest.raises(ParameterError) as error:
        deployment.forecast(NAME, {"url": str(film)}, within="")
    assert error.value.code == "path_outside"


def test_what_a_job_took_corrects_the_next_forecast(
    deployment: Deployment, film: Path, tmp_path: Path
) -> None:
    before = deployment.forecast(NAME, {"url": str(film), **RUNGS})
    job = deployment.encode(str(film), str(tmp_path / "asset"), **RUNGS)
    after = deployment.forecast(NAME, {"url": str(film), **RUNGS})
    other = deployment.forecast(NAME, {"url": str(film), **RUNGS, "profile": "hevc"})

    assert job.result is not None
    planned = job.result[PLANNED]
    assert planned["cpu_seconds"] == before["cpu_seconds"]["expected"]
    [learned] = deployment.store.past_jobs(NAME, "profile", "h264-fast")
    took = learned.seconds["encode_chunk"] + learned.seconds["transcode_audio"]
    gained = after["cpu_seconds"]["expected"] - before["cpu_seconds"]["expected"]
    assert gained == pytest.approx(took - planned["work_seconds"])
    assert (after["sure"], other["sure"]) == ("measured", "exact")
    assert "1 past job of h264-fast, ratio" in after["based_on"]


def test_a_person_may_have_a_video_looked_at_that_lies_elsewhere(
    film: Path, server: FaultServer
) -> None:
    url = server.add("/film.mp4", Resource(film.read_bytes()))

    refused, told = here("plan", url), here("plan", url, "--fetch", "--rendition", "90:100")

    assert (refused.code, "--fetch" in refused.hint) == ("source_scheme", True)
    assert told.status == 0
    assert "\ntime     about " in told.out
    assert "\nsure     exact: the source's packets" in told.out
    missing = here("plan", server.add("/cut.mp4", Resource(b"x" * 9, cuts=[1] * 9)), "--fetch")
    assert (missing.status, "\nsure     rough: the canvas alone" in missing.out) == (0, True)
