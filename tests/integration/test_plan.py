"""`adaptation plan` tells before what `adaptation encode` then does, to the letter."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

import clips
import judges
from adaptation.engine.commands import commands_in
from command_line import here, show

SECONDS = 18
RUNGS = ("--rendition", "180:300", "--rendition", "90:100", "--preset", "ultrafast")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`testsrc2` 320x180 at 25 fps, a key frame each second, 18 s, with a beep."""
    inputs = f"{clips.picture(seconds=SECONDS)} {clips.beep(seconds=SECONDS)}"
    return clips.ffmpeg(
        tmp_path_factory.mktemp("film"), f"{inputs} {clips.X264} -g 25 -c:a aac film.mp4"
    )


@pytest.fixture(scope="module")
def fitting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same in stated colours and with B-frames: its picture can be copied."""
    colours = "-vf setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
    inputs = f"{clips.picture(seconds=SECONDS)} {clips.beep(seconds=SECONDS)} {colours}"
    code = f"{clips.X264} -g 25 -bf 2 -b:v 300k -maxrate 400k -bufsize 400k -c:a aac"
    return clips.ffmpeg(tmp_path_factory.mktemp("fitting"), f"{inputs} {code} fitting.mp4")


def planned(*words: object) -> dict[str, Any]:
    ended = here("plan", *words, "--json")
    assert (ended.status, ended.err) == (0, "")
    document: dict[str, Any] = json.loads(ended.out)
    return document


def commands_run(job: int) -> set[str]:
    """The commands a job has logged that made media, with each task's scratch left open."""
    told = defaultdict[int, list[str]](list)
    for line in here("logs", job, "--debug", "--json").documents:
        told[line["task_id"]].append(line["message"])
    found = [command for messages in told.values() for command in commands_in(messages)]
    whole = (command.replace(" \\\n", " ") for command in found)
    opened = (re.sub(r"(file:)\S+?/scratch/\d+-\d+-\d+/", r"\1SCRATCH/", one) for one in whole)
    return {one for one in opened if re.search(r" -f mp4 file:SCRATCH/\S+$", one)}


@pytest.mark.parametrize("copied", [None, pytest.param("180p", marks=pytest.mark.long)])
def test_what_is_planned_is_what_is_done(
    copied: str | None, film: Path, fitting: Path, home: Path, tmp_path: Path
) -> None:
    source = fitting if copied else film
    plan = planned(source, *RUNGS)
    assert plan["copied"] == copied
    assert not home.exists() or not any(home.iterdir()), "a plan leaves nothing"
    assert here("encode", source, tmp_path / "asset", *RUNGS).status == 0

    assert {command["command"] for command in plan["commands"]} == commands_run(1)
    counts: dict[str, int] = {}
    for task in show(1)["tasks"]:
        counts[task["name"]] = counts.get(task["name"], 0) + 1
    assert plan["tasks"] == counts
    pictures = {
        track["name"]: (track["width"], track["height"], len(track["segments"]))
        for track in judges.record(tmp_path / "asset")["tracks"]
        if track["kind"] == "video"
    }
    assert pictures == {
        rung["name"]: (rung["width"], rung["height"], plan["segments"]) for rung in plan["ladder"]
    }
    assert sum(chunk["frames"] for chunk in plan["chunks"]) == 25 * SECONDS == plan["frames"]
    size = sum(path.stat().st_size for path in (tmp_path / "asset").rglob("*") if path.is_file())
    assert plan["output_bytes"]["low"] < size < plan["output_bytes"]["high"]


def test_more_work_is_foretold_to_cost_more(film: Path) -> None:
    quick, slow = (planned(film, "--preset", preset) for preset in ("ultrafast", "slow"))
    for document in (quick, slow):
        cost = document["cpu_seconds"]
        assert 0 < cost["low"] < cost["expected"] < cost["high"]
    assert quick["cpu_seconds"]["expected"] < slow["cpu_seconds"]["expected"]


def test_a_copy_is_foretold_to_cost_less(fitting: Path) -> None:
    slow = (*RUNGS[:-1], "slow")
    copying, encoding = (planned(fitting, *slow, "--passthrough", p) for p in ("auto", "never"))
    assert copying["cpu_seconds"]["expected"] < 0.8 * encoding["cpu_seconds"]["expected"]
    assert "-c:v copy" in copying["commands"][0]["command"]
    assert [note for note in copying["notes"] if note.startswith("180p is copied: ")]
    only = planned(fitting, "--rendition", "180:300", "--passthrough", "require")
    assert (only["chunks"], only["tasks"].get("encode_chunk")) == ([], None)


def test_why_nothing_is_copied_is_told(film: Path) -> None:
    told = here("plan", film, *RUNGS).out
    assert "\nthe picture is encoded, not copied: its colours are not stated" in told


def test_a_person_is_told_the_ladder_the_cost_and_the_commands(film: Path) -> None:
    told = here("plan", film, *RUNGS).out
    assert re.search(r"^180p +320x180 +h264 +300", told, re.MULTILINE)
    assert re.search(r"^CPU +about .* s \(between ", told, re.MULTILINE)
    assert "# chunk 1, all renditions\n/" in told
    assert "file:SCRATCH/180p.mp4" in told


@pytest.mark.parametrize(
    ("source", "code"),
    [("https://example.org/film.mp4", "source_scheme"), ("/nowhere/film.mp4", "source_missing")],
)
def test_what_cannot_be_read_has_no_plan(source: str, code: str) -> None:
    ended = here("plan", source)
    assert (ended.status, ended.out, ended.code) == (2, "", code)
    assert ended.hint
