"""kill -9 at any moment of any workflow of assets: another worker ends it as if nothing had been."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import searching
from deaths import Case, Graveyard, Outcome, Reader, Snapshot, Trial
from deaths import a_graveyard as graveyards
from deaths import endured, moments_of, snapshot
from dying_worker import Life
from receiver import Receiver, receiving

KEYS = [{"key_id": "a1" * 16, "key": "0123456789abcdef" * 2}]
SWITCH = {"folder": "film", "content_keys": KEYS}
SOUGHT = {"source_folder": "film", "trickplay_thumbnail_interval": 1}
STILL = {"output_folder": "film"}
GIF = {**STILL, "start_at": 1, "duration": 0.5, "height": 90, "gif_filename": "film.gif"}
SHEETS = {**STILL, "preview_thumbnails_interval": 0.5}
WORKFLOWS: dict[str, tuple[str, dict[str, Any]]] = {
    "trickplay": ("clear", SOUGHT),
    "createmp4": ("clear", {"source_folder": "film"}),
    "drmswitch on": ("clear", {**SWITCH, "drm": ["cenc", "widevine"]}),
    "drmswitch off": ("encrypted", {"folder": "film", "drm": []}),
    "build_thumbnails": ("clear", SHEETS),
    "generate_gif": ("clear", GIF),
    "capture_frame": ("clear", {**STILL, "frame_time": 1, "image_filename": "poster.jpg"}),
    "voddelete": ("clear", {"folder": "film"}),
    "asset_delete": ("clear", {"files": ["film/asset.json", "film/90p/00002.m4s", "other/a"]}),
}
"""By the workflow and how it is used: the template, and parameters."""
SWITCHED = {"trickplay", "drmswitch on", "drmswitch off", "voddelete"}
"""What these do readers see in one moment."""
LONG_DEATHS = 6

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
        case = Case(
            name.partition(" ")[0],
            self.templates[template],
            {"content_id": "film", "custom_data": [name], **given, **more},
            "film",
        )
        return Trial(case, self.folder / title, self.receiver)


@pytest.fixture(scope="module")
def bench(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:  # noqa: ARG001
    folder = tmp_path_factory.mktemp("kills").resolve()
    made = searching.make_asset(folder)
    clear = folder / "clear"
    shutil.copytree(made, clear / "film")
    (clear / "other").mkdir()
    (clear / "other" / "a").write_text("of another")
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
    assert found.told == peace.told
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


@pytest.mark.parametrize("name", WORKFLOWS)
def test_a_worker_that_dies_is_replaced_and_nobody_notices(bench: Bench, name: str) -> None:
    title = name.replace(" ", "-")
    peace, moments = calm(bench, name, f"{title}-calm")

    died = [
        judged(bench, name, f"{title}-{n}", [death], peace)
        for n, death in enumerate(moments_of(moments, random.Random(7), LONG_DEATHS))
    ]

    print(name, len(moments), died)
    assert sum(died) >= 5, died
