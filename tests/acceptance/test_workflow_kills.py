"""kill -9 at any moment of a workflow of assets: another worker ends it as if nothing had been."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import searching
import workflow_pages
from deaths import Case, Graveyard, Outcome, Reader, Snapshot, Trial, endured, moments_of, snapshot
from deaths import a_graveyard as graveyards
from dying_worker import Life
from receiver import Receiver, receiving

KEYS = [{"key_id": "a1" * 16, "key": "0123456789abcdef" * 2}]
SWITCH = {"folder": "film", "content_keys": KEYS}
SOUGHT = {"source_folder": "film", "trickplay_thumbnail_interval": 1}
STILL = {"output_folder": "film"}
GIF = {**STILL, "start_at": 1, "duration": 0.5, "height": 90, "gif_filename": "film.gif"}
VOD = {**STILL, "trickplay": True, "create_thumbnail": True}
SHEETS = {**STILL, "preview_thumbnails_interval": 0.5}
WORKFLOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "trickplay": ("clear", SOUGHT),
    "createmp4": ("clear", {"source_folder": "film"}),
    "drmswitch on": ("clear", {**SWITCH, "drm": ["cenc", "widevine"]}),
    "drmswitch off": ("encrypted", {"folder": "film", "drm": []}),
    "build_thumbnails": ("clear", SHEETS),
    "generate_gif": ("clear", GIF),
    "capture_frame": ("clear", {**STILL, "frame_time": 1, "image_filename": "poster.jpg"}),
    "vodstream": ("clear", VOD),
    "voddelete": ("clear", {"folder": "film"}),
    "asset_delete": ("clear", {"files": ["film/asset.json", "film/90p/00002.m4s", "other/a"]}),
}
"""By the workflow and how it is used: the template, and parameters."""
SWITCHED = {"vodstream", "trickplay", "drmswitch on", "drmswitch off", "voddelete"}
"""What these do readers see in one moment."""
SHORT = ("trickplay",)
"""What is tried in every run of the tests; all else in long ones."""
LONG_DEATHS, LEAST_DEATHS = 8, 6
"""Workers that are to die, each in a job of its own, and that must: a run may be quicker."""

pytestmark = [pytest.mark.slow, pytest.mark.crash]


@dataclass(frozen=True)
class Bench:
    """What all trials share."""

    folder: Path
    templates: dict[str, Path]
    film: Path
    graveyard: Graveyard
    receiver: Receiver

    def trial(self, name: str, title: str) -> Trial:
        """One job of a workflow, in a home that is called `title`."""
        template, given = WORKFLOWS[name]
        more = {"source": str(self.film)} if "output_folder" in given else {}
        if name == "vodstream":
            more = {"source_folder": str(self.film.parent / "films")}
        case = Case(
            name.partition(" ")[0],
            self.templates[template],
            {"content_id": "film", "custom_data": [name], **given, **more},
            "film",
        )
        return Trial(case, self.folder / title, self.receiver)


@pytest.fixture(scope="module")
def bench(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    folder = tmp_path_factory.mktemp("kills").resolve()
    made = searching.make_asset(folder)
    clear = folder / "clear"
    shutil.copytree(made, clear / "film")
    (clear / "other").mkdir()
    (clear / "other" / "a").write_text("of another")
    workflow_pages.make_folder(folder / "film.mp4", folder / "films")
    with receiving(folder / "receiver.log") as receiver, graveyards() as graveyard:
        templates = {"clear": clear, "encrypted": folder / "made" / "home" / "assets"}
        found = Bench(folder, templates, folder / "film.mp4", graveyard, receiver)
        calm(found, "drmswitch on", "made")
        yield found


def calm(bench: Bench, name: str, title: str) -> tuple[Outcome, str]:
    """A run that nobody disturbs, and a character for each of its moments."""
    trial = bench.trial(name, title)
    _, moments = endured(bench.graveyard, trial, [], lambda _: None)
    assert trial.left_over() == []
    return trial.outcome(), moments


def judged(bench: Bench, name: str, title: str, deaths: list[Life], peace: Outcome) -> int:
    """Let workers die; all must be as in peace. How many died."""
    trial = bench.trial(name, title)
    before = snapshot(bench.templates[WORKFLOWS[name][0]] / "film")
    died, _ = endured(
        bench.graveyard, trial, deaths, lambda reader: judge(name, reader, before, trial)
    )
    found = trial.outcome()
    # Of tasks beside each other, whichever is first is told of first; of the job at the end.
    assert sorted(found.told, key=str) == sorted(peace.told, key=str)
    assert found.told[-1] == peace.told[-1]
    assert found.tree == peace.tree
    assert found.folders == peace.folders
    assert trial.left_over() == []
    shutil.rmtree(trial.folder)
    return died


def judge(name: str, reader: Reader, before: Snapshot | None, trial: Trial) -> None:
    """Nobody ever saw something half done."""
    after = snapshot(trial.assets / "film")
    if name in SWITCHED:
        assert [seen for seen in reader.found if seen not in (before, after)] == []
        return
    assert before is not None
    assert after is not None
    for seen in reader.found:
        assert seen is not None
        for file in before.keys() | after.keys():
            assert seen.get(file) in {before.get(file), after.get(file)}, file
        if "film_sprite.vtt" in seen:
            assert seen == after, "the text names sheets that are not there"


@pytest.mark.parametrize("name", SHORT)
def test_a_worker_that_dies_is_replaced_and_nobody_notices(bench: Bench, name: str) -> None:
    peace, moments = calm(bench, name, f"{name}-calm")

    assert judged(bench, name, name, moments_of(moments, random.Random(3), 1), peace) == 1


@pytest.mark.long
@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_worker_may_die_at_any_moment(bench: Bench, name: str) -> None:
    title = name.replace(" ", "-")
    peace, moments = calm(bench, name, f"{title}-calm")

    died = [
        judged(bench, name, f"{title}-{n}", [death], peace)
        for n, death in enumerate(moments_of(moments, random.Random(7), LONG_DEATHS))
    ]

    assert sum(died) >= LEAST_DEATHS, died
