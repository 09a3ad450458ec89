"""What goes with an asset, asked for over HTTP: judged by FFmpeg, ffprobe and readers of others."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import staged_films
import stills_kit
from staged_films import files
from whole_jobs import Studio, a_studio

RUNGS = [{"height": 180, "bitrate": 300}, {"height": 90, "bitrate": 100}]
PLAIN = {"create_thumbnail": False}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """A service that knows the workflow; its film of 3 s shows the number of each frame."""
    with a_studio(tmp_path_factory.mktemp("studio")) as found:
        staged_films.add_workflow(found.deployment)
        stills_kit.make_numbered(found.sources)
        yield found


def made(studio: Studio, folder: str, **given: Any) -> tuple[Path, dict[str, Any]]:
    """The folder of an asset and the callback of its job."""
    wanted = {"renditions": RUNGS, "segment_seconds": 1, "preset": "ultrafast", **given}
    told = studio.done(staged_films.NAME, url="film.mp4", output_folder=folder, **wanted)
    return studio.assets / "studio" / folder, told


def test_an_asset_without_extras_is_published_from_staging_and_told_of(studio: Studio) -> None:
    asset, told = made(studio, "plain", **PLAIN)

    assert told["message"] == str(asset / "master.m3u8")
    assert sorted(told["files"]) == sorted(str(asset / name) for name in files(asset))
    assert told["metadata"] == {"duration": 3.0}
    work = studio.deployment.settings.work_root
    assert not list(work.rglob("*.m4s"))


def test_the_thumbnail_shows_the_moment_that_was_asked_for(studio: Studio, tmp_path: Path) -> None:
    asset, told = made(studio, "thumbnail", thumbnail_time="00:00:01.5")

    image = asset / "thumbnail.jpg"
    assert str(image) in told["files"]
    assert stills_kit.size_of(image) == (320, 180)
    assert stills_kit.numbers(image, tmp_path) == [37]
