"""An MP4 is made of what a folder holds: the same packets, in one file that players can stream."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import clips
from adaptation.context import Context
from adaptation.engine.tasks import TaskRun
from adaptation.workflows import mp4
from api_kit import Caller
from whole_jobs import JOB_FIELDS, Studio, a_studio

RUNGS = [{"name": f"{height}p", "height": height, "bitrate": 200} for height in (180, 90)]


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Studio]:
    """With the asset `studio/film`: two renditions, English and French sound with a name."""
    folder = tmp_path_factory.mktemp("studio")
    tags = "-metadata:s:a:0 language=eng -metadata:s:a:0 title=Director"
    inputs = f"{clips.picture()} {clips.beep(440)} {clips.beep(880)} -map 0 -map 1 -map 2"
    more = f"-c:a aac {tags} -metadata:s:a:1 language=fra named.mkv"
    source = clips.ffmpeg(folder, f"{inputs} {clips.X264} {more}")
    with a_studio(folder) as found:
        found.done(
            "encoding_workflow",
            found.admin,
            url=str(source),
            renditions=RUNGS,
            output_folder="studio/film",
            segment_seconds=1,
        )
        yield found


def probed(path: Path) -> list[dict[str, Any]]:
    """What ffprobe says of the streams of a file, all packets counted."""
    command = [str(clips.tools().ffprobe), "-v", "error", "-count_packets", "-show_streams"]
    ended = subprocess.run(
        [*command, "-of", "json", str(path)], capture_output=True, check=True, timeout=60
    )
    streams: list[dict[str, Any]] = json.loads(ended.stdout)["streams"]
    return streams


def frames(path: Path, stream: str) -> list[str]:
    """Digests of the decoded frames of a stream."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(path), "-map", f"0:{stream}"]
    ended = subprocess.run(
        [*command, "-f", "framemd5", "-"], capture_output=True, check=True, text=True, timeout=60
    )
    assert not ended.stderr
    lines = ended.stdout.splitlines()
    return [line.rpartition(",")[2].strip() for line in lines if not line.startswith("#")]


def record_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The tracks of an asset by name, as its record tells of them."""
    record = json.loads((folder / "asset.json").read_text())
    return {one["name"]: one for one in record["tracks"]}


def test_an_asset_becomes_an_mp4_beside_it(studio: Studio) -> None:
    film = studio.assets / "studio" / "film"

    came = studio.told("createmp4", source_folder="film", custom_data=[1])

    made = film / "film-42.mp4"
    assert list(came[-1]) == JOB_FIELDS
    assert came[-1] | {"job_id": 0, "time": "", "metadata": {}} == {
        "job_id": 0,
        "status": "completed",
        "workflow": "createmp4",
        "content_id": "film-42",
        "message": str(made),
        "files": [str(made)],
        "metadata": {},
        "custom_data": [1],
        "time": "",
        "client": "studio",
    }
    assert came[-1]["metadata"]["duration"] == pytest.approx(1.2, abs=0.001)
    streams, tracks = probed(made), record_of(film)
    assert [(one["codec_type"], one.get("height")) for one in streams] == [
        ("video", 180),
        ("audio", None),
        ("audio", None),
    ]
    counted = [int(one["nb_read_packets"]) for one in streams]
    for stream, name, count in zip(streams, ("180p", "audio_en", "audio_fr"), counted, strict=True):
        assert count == sum(segment["sample_count"] for segment in tracks[name]["segments"])
        assert float(stream["duration"]) == pytest.approx(1.2, abs=0.05)
        assert float(stream["start_time"]) == pytest.approx(0, abs=0.001)
    assert [one["tags"]["language"] for one in streams[1:]] == ["eng", "fra"]
    assert streams[1]["tags"]["name"] == "Director"
    assert [one["disposition"]["default"] for one in streams] == [1, 1, 0]
    # What is shown and heard is what the asset shows.
    assert frames(made, "v:0") == frames(film / "180p" / "playlist.m3u8", "v:0")
    head = made.read_bytes()
    assert head.index(b"moov") < head.index(b"mdat")


def test_the_mezzanine_holds_all_pictures_and_goes_where_it_is_told(studio: Studio) -> None:
    places = {"source_folder": "film", "output_folder": "mp4s"}
    given: dict[str, Any] = {**places, "mp4_filename": "{content_id}_m.mp4"}

    came = studio.done("createmp4", mezzanine=True, content_id="best", **given)

    made = studio.assets / "studio" / "mp4s" / "best_m.mp4"
    assert came["files"] == [str(made)]
    assert list(made.parent.iterdir()) == [made]
    assert [one.get("height") for one in probed(made)] == [180, 90, None, None]
    again = made.read_bytes()
    studio.done("createmp4", mezzanine=True, content_id="best", **given)
    assert made.read_bytes() == again


def test_files_become_an_mp4_of_the_best_picture_and_every_language(studio: Studio) -> None:
    folder = studio.sources / "raw"
    large = clips.make_transport_stream(folder)
    small = clips.ffmpeg(folder, f"{clips.picture('160x90')} {clips.X264} small.mkv")
    french = clips.ffmpeg(folder, f"{clips.beep(880)} -c:a aac x_fre.m4a")
    (folder / "notes.txt").write_text("no media")

    came = studio.done("createmp4", source_folder="raw")

    made = studio.assets / "studio" / "raw" / "film-42.mp4"
    streams = probed(made)
    assert came["files"] == [str(made)]
    assert sorted(path.name for path in folder.iterdir()) == sorted(
        [large.name, small.name, french.name, "notes.txt"]
    )
    assert [(one["codec_name"], one.get("width")) for one in streams] == [
        ("h264", 320),
        # MP4 has one name for MPEG sound of both layers.
        ("mp3", None),
        ("aac", None),
    ]
    assert streams[2]["tags"]["language"] == "fra"
    assert frames(made, "v:0") == frames(large, "v:0")
    assert [one["nb_read_packets"] for one in streams[:2]] == [
        one["nb_read_packets"] for one in probed(large)
    ]


def test_no_source_is_ever_replaced(studio: Studio) -> None:
    folder = studio.assets / "studio" / "uploads"
    source = clips.make_plain(folder)
    before = source.read_bytes()
    copy = folder / "small.mp4"
    copy.write_bytes(before)

    code = studio.failed("createmp4", source_folder="uploads", mp4_filename=source.name)
    came = studio.done("createmp4", source_folder="uploads")

    assert code == "output_exists"
    assert source.read_bytes() == before == copy.read_bytes()
    assert came["files"] == [str(folder / "film-42.mp4")]


def test_a_changed_asset_becomes_nothing(studio: Studio) -> None:
    folder = studio.assets / "studio" / "damaged"
    shutil.copytree(studio.assets / "studio" / "film", folder)
    (folder / "film-42.mp4").unlink(missing_ok=True)
    before = sorted(folder.rglob("*"))
    segment = folder / "180p" / "00001.m4s"
    segment.write_bytes(segment.read_bytes()[:-1] + b"x")

    assert studio.failed("createmp4", source_folder="damaged") == "asset_damaged"
    (folder / "asset.json").write_text("{}")
    assert studio.failed("createmp4", source_folder="damaged") == "asset_damaged"
    assert sorted(folder.rglob("*")) == before


def test_what_cannot_be_copied_says_why(studio: Studio) -> None:
    clips.ffmpeg(studio.sources / "old", f"{clips.picture()} -c:v ffv1 old.mkv")
    clips.make_sound_only(studio.sources / "sound")
    clips.make_avi(studio.sources / "avi")
    (studio.sources / "none").mkdir()

    assert studio.failed("createmp4", source_folder="old") == "codec_not_in_container"
    assert studio.failed("createmp4", source_folder="avi") == "source_times"
    assert studio.failed("createmp4", source_folder="sound") == "source_no_video"
    assert studio.failed("createmp4", source_folder="none") == "source_missing"
    assert studio.failed("createmp4", source_folder="nowhere") == "source_missing"


def test_a_dry_run_names_all_tasks(studio: Studio) -> None:
    parameters = {"content_id": "a", "source_folder": "film"}
    wanted = {"job": {"workflow": "createmp4"}, "parameters": parameters}

    told = studio.client.call("POST", "/job", wanted, dry_run=1).json()

    assert {task["name"] for task in told["tasks"]} == {"find_tracks", "create_mp4"}
    assert told["parameters"]["mp4_filename"] == "a.mp4"


def test_a_client_copies_no_more_than_it_may(studio: Studio) -> None:
    store = studio.deployment.store
    few = {"output_root": "studio"}
    _, key, _ = store.add_client("few", "client", defaults=few, limits={"source_bytes": 1000})
    caller = Caller(studio.client.url, "few", key)

    code = studio.failed("createmp4", caller, source_folder="film", output_folder="small")

    assert code == "source_too_large"
    assert not (studio.assets / "studio" / "small").exists()


def test_a_record_that_leads_elsewhere_is_not_followed(studio: Studio) -> None:
    folder = studio.assets / "studio" / "lies"
    shutil.copytree(studio.assets / "studio" / "film", folder)
    record = json.loads((folder / "asset.json").read_text())
    record["tracks"][0]["folder"] = "../film/180p"
    (folder / "asset.json").write_text(json.dumps(record))

    code = studio.failed("createmp4", source_folder="lies", mp4_filename="lies.mp4")

    assert code == "path_outside"
    assert not (folder / "lies.mp4").exists()


def test_nobody_copies_what_is_not_theirs(studio: Studio, tmp_path: Path) -> None:
    theirs = studio.assets / "rival" / "secret"
    clips.make_silent(theirs)
    (studio.sources / "link").symlink_to(theirs)

    for named in ("../rival/secret", str(theirs), str(tmp_path), "link", "/etc", "."):
        assert studio.refused("createmp4", source_folder=named) in {
            "path_outside",
            "parameter_invalid",
        }
    for outside in ("../rival", str(theirs)):
        code = studio.refused("createmp4", source_folder="film", output_folder=outside)
        assert code == "path_outside"
    (studio.sources / "link").unlink()


@pytest.mark.parametrize(
    ("given", "code"),
    [
        ({}, "parameter_missing"),
        ({"source_folder": "film", "mp4_filename": "asset.json"}, "parameter_invalid"),
        ({"source_folder": "film", "mp4_filename": "180p/init.mp4"}, "parameter_invalid"),
        ({"source_folder": "film", "mp4_filename": "../x.mp4"}, "path_outside"),
        ({"source_folder": "film", "content_id": "a/b"}, "parameter_invalid"),
        ({"source_folder": "film", "mezzanine": "yes"}, "parameter_invalid"),
        ({"source_folder": "film", "retries": -1}, "parameter_invalid"),
    ],
)
def test_bad_parameters_are_refused(studio: Studio, given: dict[str, Any], code: str) -> None:
    assert studio.refused("createmp4", **given) == code


def test_an_attempt_that_is_run_again_makes_the_same(studio: Studio, tmp_path: Path) -> None:
    later = {"workflow": "createmp4", "run_at": "2099-01-01T00:00:00Z"}
    wanted = {"content_id": "again", "source_folder": "film"}
    body = {"job": later, "parameters": wanted}
    job_id = studio.client.call("POST", "/job", body).json()["id"]
    facts = {"job_id": job_id, "main_task_id": "again", "limits": None}
    claim: Any = type("Claim", (), facts)()
    run = TaskRun(claim, tmp_path, studio.deployment.resources)
    found: Any = mp4.find_tracks(Context(studio.deployment.store.job(job_id).parameters), run)

    first: Any = mp4.create_mp4(found.context, run)
    content = Path(first["made"]["path"]).read_bytes()
    # Killed between the file's appearance and the end of its task.
    assert mp4.create_mp4(found.context, run) == first
    assert Path(first["made"]["path"]).read_bytes() == content
    studio.client.call("POST", f"/jobs/{job_id}/cancel")
