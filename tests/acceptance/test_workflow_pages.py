"""Each page of a workflow, followed to the letter: what it tells and shows is what comes."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import clips
import judges
import workflow_pages
from whole_jobs import JOB_FIELDS, TASK_FIELDS, Studio
from workflow_pages import Ran, page, ran

DELETING = {"voddelete", "asset_delete"}
UNSEEN = DELETING | {"track_properties", "measure_quality"}
"""What they do is seen in no picture."""
ASSETS = {"encoding_workflow", "vodstream", "trickplay", "drmswitch", "track_properties"}
"""They tell of all files of an asset."""
MOST_PICTURE_BYTES, MOST_PICTURES_BYTES = 60_000, 600_000
EXAMPLE = workflow_pages.ROOT / "examples" / "life_of_an_asset" / "life_of_an_asset.py"
KEY = workflow_pages.KEYS[0]["key"]

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def studio(session_home: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    with workflow_pages.a_world(tmp_path_factory.mktemp("pages").resolve()) as found:
        yield found


def opens(path: Path, *words: str) -> bool:
    """Whether FFmpeg decodes all of a file, and has nothing to say about it."""
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", *words, "-i", str(path)]
    done = subprocess.run(
        [*command, "-f", "null", "-"], capture_output=True, check=False, timeout=60
    )
    return (done.returncode, done.stderr) == (0, b"")


def judge(done: Ran) -> None:
    """What came of it opens in tools of others."""
    folder = done.folder
    if done.name in DELETING:
        assert not (folder / "180p" / "00002.m4s").exists()
        return
    made = Path(done.told[-1]["message"])
    assert made.is_relative_to(folder)
    if done.name == "measure_quality":
        measured = json.loads(made.read_text())["renditions"]
        assert [len(one["segments"]) for one in measured] == [6, 6]
        assert measured[0]["vmaf"] > measured[1]["vmaf"] > 10
        return
    if done.name == "drmswitch":
        content = b"".join(p.read_bytes() for p in sorted((folder / "cenc/180p").glob("*.m4s")))
        whole = folder / "whole.mp4"
        whole.write_bytes((folder / "cenc/180p/init.mp4").read_bytes() + content)
        assert opens(whole, "-decryption_key", KEY)
        assert not opens(whole, "-decryption_key", "00" * 16)
    elif done.name in ASSETS:
        streams, complaints = judges.decode(folder / judges.MASTER)
        assert (complaints, [one.kind for one in streams]) == ("", ["video", "video", "audio"])
        assert done.name != "trickplay" or opens(folder / "trickplay" / "00001.jpg")
    else:
        pictures = [Path(path) for path in done.told[-1]["files"] if not path.endswith(".vtt")]
        assert pictures
        assert all(opens(path) for path in pictures)


@pytest.mark.parametrize("name", workflow_pages.names())
def test_the_request_of_a_page_does_what_the_page_tells(studio: Studio, name: str) -> None:
    done = ran(studio, name)

    assert done.fragment in page(name)
    tasks = [one for one in done.told if "event" in one]
    assert [list(one) for one in done.told] == [TASK_FIELDS] * len(tasks) + [JOB_FIELDS]
    assert {one["event"] for one in tasks} == {"start", "complete"}
    told = {Path(path).relative_to(done.folder).as_posix() for path in done.told[-1]["files"]}
    assert told == {
        "voddelete": set(),
        "asset_delete": done.before - done.files,
    }.get(name, done.files if name in ASSETS else done.files - done.before)
    assert done.folder.exists() == (name != "voddelete")
    judge(done)


@pytest.mark.long
def test_the_example_leads_an_asset_through_all_workflows(studio: Studio, tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_text(studio.client.key)
    words = [studio.client.url, "studio", str(key), "film-42", "small.mp4"]

    done = subprocess.run(
        [sys.executable, str(EXAMPLE), *words],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )

    assert done.returncode == 0, (done.stdout, done.stderr)
    lines = [line.split() for line in done.stdout.splitlines()]
    assert {end for _, end in lines} == {"completed"}
    assert {workflow for workflow, _ in lines} == set(studio.deployment.registry.workflows)
    made = studio.assets / "studio"
    assert workflow_pages.files_in(made / "pictures") == {
        "poster.jpg",
        "film-42_sprite.jpg",
        "film-42_sprite.vtt",
    }
    assert opens(made / "download" / "film-42.mp4")
    assert opens(made / "ladder" / "master.m3u8")
    assert not (made / "asset").exists()


def test_every_workflow_of_the_engine_has_a_page_with_a_picture_of_its_result(
    studio: Studio,
) -> None:
    known = set(studio.deployment.registry.workflows)
    assert set(workflow_pages.names()) == known
    pictures = workflow_pages.ROOT / "docs" / "pictures"
    shown = {
        name: re.findall(r"!\[[^\]]+\]\((?:\.\./)?pictures/([\w.]+)\)", page(name))
        for name in known
    }
    assert {name for name, found in shown.items() if not found} == UNSEEN
    taken = [path for path in pictures.iterdir() if path.is_file()]
    assert {one for found in shown.values() for one in found} == {path.name for path in taken}
    sizes = [path.stat().st_size for path in taken]
    assert max(sizes) <= MOST_PICTURE_BYTES
    assert sum(sizes) <= MOST_PICTURES_BYTES
