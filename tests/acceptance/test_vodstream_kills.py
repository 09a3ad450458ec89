"""kill -9 at any moment between the sources and the published asset, with all that goes with it."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import bar_codes
import clips
import stills_kit
from deaths import Case, Graveyard, Outcome, Reader, Trial, endured, moments_of
from deaths import a_graveyard as graveyards
from dying_worker import Life
from receiver import Receiver, receiving

GIVEN: dict[str, Any] = {
    "content_id": "film",
    "source_folder": "in",
    "output_folder": "film",
    "preview_thumbnails": True,
    "preview_thumbnails_interval": 1,
    "generate_mp4": True,
    "trickplay": True,
    "trickplay_thumbnail_interval": 1,
    "drm": ["cenc", "widevine"],
    "content_keys": [{"key_id": "a1" * 16, "key": "0123456789abcdef" * 2}],
    "delete_source": True,
}
DEATHS = 8
OWN = ("cenc/", "asset.json", "manifest.mpd")
"""What of an asset follows from its id, which each job has anew."""
OWN_NAME = re.compile(r"(cenc/.*media_)[0-9a-f]{16}")

pytestmark = [pytest.mark.slow, pytest.mark.crash, pytest.mark.long]


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of outputs with 2 s of film in `in`, beside a file that is no source."""
    folder = tmp_path_factory.mktemp("template")
    picture, sound = bar_codes.numbered(rate="25", seconds=2), clips.beep(seconds=2)
    clips.ffmpeg(folder / "in", f"{picture} {sound} {stills_kit.X264} -g 25 film.mp4")
    (folder / "in" / "notes.txt").write_text("of somebody")
    return folder


@pytest.fixture(scope="module")
def graveyard(session_home: Path) -> Iterator[Graveyard]:
    with graveyards() as found:
        yield found


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Receiver]:
    with receiving(tmp_path_factory.mktemp("told") / "receiver.log") as found:
        yield found


def same(outcome: Outcome) -> dict[str, str]:
    """What two jobs of the same request have in common: digests, or names alone."""
    return {
        OWN_NAME.sub(r"\1", name): "" if any(own in name for own in OWN) else digest
        for name, digest in outcome.tree.items()
    }


def told_at_the_end(outcome: Outcome) -> dict[str, Any]:
    (last,) = [one for one in outcome.told if "status" in one]
    return {**last, "files": sorted(OWN_NAME.sub(r"\1", name) for name in last["files"])}


def judge(reader: Reader, trial: Trial) -> None:
    """Readers saw no asset, or all of it."""
    whole = reader.found[-1]
    assert whole is not None
    assert [seen for seen in reader.found if seen not in (None, whole)] == []
    record = json.loads((trial.assets / "film" / "asset.json").read_text())
    assert record["protection"]["active"] == "cenc"


def test_a_job_whose_worker_dies_ends_with_the_same_files(
    template: Path, graveyard: Graveyard, receiver: Receiver, tmp_path: Path
) -> None:
    case = Case("vodstream", template, GIVEN, "film")

    def lived(title: str, deaths: list[Life]) -> tuple[Outcome, int, str]:
        trial = Trial(case, tmp_path / title, receiver)
        died, moments = endured(graveyard, trial, deaths, lambda reader: judge(reader, trial))
        assert trial.left_over() == []
        return trial.outcome(), died, moments

    peace, _, moments = lived("calm", [])
    assert {"in/notes.txt", "film/clear/film.mp4", "film/thumbnail.jpg"} <= peace.tree.keys()
    assert "in/film.mp4" not in peace.tree

    died = 0
    for number, death in enumerate(moments_of(moments, random.Random(5), DEATHS)):
        found, killed, _ = lived(f"kill-{number}", [death])
        died += killed
        assert same(found) == same(peace)
        assert found.folders == peace.folders
        assert told_at_the_end(found) == told_at_the_end(peace)
    assert len(moments) > 100
    assert died >= DEATHS - 2
