"""`trickplay`: submitted over HTTP, judged by ffprobe, readers of others and a real receiver."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from math import ceil
from pathlib import Path
from typing import Any

import m3u8  # type: ignore[import-untyped]
import pytest
from lxml import etree

import clips
import judges
import searching
from adaptation.engine.model import Claim, Job
from adaptation.engine.plan import Plan
from adaptation.engine.tasks import TaskRun
from adaptation.settings import Settings
from adaptation.wiring import deploy
from adaptation.workflows.parameters import CommonParameters
from api_kit import Api, running_api
from engine_kit import HandWorker
from receiver import Receiver, receiving
from searching import SECONDS, SHOWN, is_near, pixel
from services import wait_until

TASKS = ["find_key_frames", "make_thumbnails", "publish_trickplay"]
MPD = judges.MPD
ROOT = Path(__file__).resolve().parent.parent.parent
COMMON = CommonParameters.model_fields
_numbers = itertools.count(1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searching.make_asset(tmp_path_factory.mktemp("made"))


@pytest.fixture(scope="module")
def api(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """A service that runs jobs; its clients own the folders `ann` and `bob`."""
    deployment = deploy(Settings(home=tmp_path_factory.mktemp("service")))
    with running_api(deployment) as served, deployment.engine.running(2):
        for caller, folder in ((served.client, "ann"), (served.other, "bob")):
            deployment.store.change_client(caller.name, defaults={"output_root": folder})
        yield served
    deployment.close()


@pytest.fixture
def film(api: Api, made: Path) -> Path:
    """The asset as Ann's own, for one test."""
    root = api.deployment.settings.assets_root / "ann"
    return Path(shutil.copytree(made, root / f"film{next(_numbers)}" / "film"))


def searched(api: Api, film: Path, **parameters: Any) -> Job:
    """A job of Ann's on her film, when it has ended and what is to be told of it was sent."""
    store = api.deployment.store
    job_id = api.client.submit("trickplay", {**asked(film), **parameters})

    def is_over() -> bool:
        # The end first: what is to be told is there as soon as a job has ended, not before.
        ended = store.job(job_id).ended
        return ended and all(one.state != "pending" for one in store.deliveries(job_id))

    assert wait_until(is_over, 60)
    return store.job(job_id)


def asked(film: Path) -> dict[str, Any]:
    return {"content_id": "film-42", "source_folder": f"{film.parent.name}/film"}


def with_record(film: Path, **fields: Any) -> None:
    (film / "asset.json").write_text(json.dumps({**judges.record(film), **fields}))


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def digests(folder: Path) -> dict[str, str]:
    return {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files(folder)
    }


def mpd(folder: Path) -> etree._Element:
    return etree.parse(folder / "manifest.mpd").getroot()


def lines(folder: Path, tag: str) -> list[str]:
    """What follows a tag in the master playlist, in order."""
    text = (folder / "master.m3u8").read_text()
    return [found[1] for found in re.finditer(rf"^#{tag}:(.*)$", text, re.MULTILINE)]


def images(folder: Path) -> list[str]:
    playlist = (folder / "trickplay" / "playlist.m3u8").read_text()
    return [line for line in playlist.splitlines() if not line.startswith("#")]


def size(path: Path) -> tuple[int, int]:
    (stream,) = judges.streams(path)
    return stream["width"], stream["height"]


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver.log") as found:
        yield found


def test_the_whole_workflow_is_told_as_the_contract_says(
    api: Api, film: Path, receiver: Receiver
) -> None:
    before, media = digests(film), (film / "180p" / "00001.m4s").stat()

    job = searched(api, film, rest_endpoints=[f"{receiver.url}/ok"], custom_data={"shelf": 7})

    assert job.succeeded, job.error
    *tasks, last = [one["json"] for one in receiver.requests()]
    told = [(one["task_name"], one["event"]) for one in tasks]
    assert told == [(name, event) for name in TASKS for event in ("start", "complete")]
    assert last | {"time": "", "files": []} == {
        "job_id": job.id,
        "status": "completed",
        "workflow": "trickplay",
        "content_id": "film-42",
        "message": str(film / "master.m3u8"),
        "files": [],
        "metadata": {"duration": SECONDS},
        "custom_data": {"shelf": 7},
        "time": "",
        "client": api.client.name,
    }
    assert sorted(last["files"]) == sorted(str(film / name) for name in files(film))
    new = {"180p/iframes.m3u8", "90p/iframes.m3u8"}
    new |= {"trickplay/playlist.m3u8", "trickplay/00001.jpg", "trickplay/90p/init.mp4"}
    new |= {f"trickplay/90p/{number:05d}.m4s" for number in range(1, 5)}
    assert files(film) == before.keys() | new
    after = digests(film)
    written = {"master.m3u8", "manifest.mpd", "asset.json"}
    assert {name for name in before if after[name] != before[name]} == written
    assert (film / "180p" / "00001.m4s").stat().st_ino == media.st_ino, "no media was copied"


def test_every_range_of_an_iframe_playlist_is_a_picture_of_its_time(api: Api, film: Path) -> None:
    assert searched(api, film).succeeded

    master = m3u8.load(str(film / "master.m3u8"))
    assert [one.uri for one in master.iframe_playlists] == ["180p/iframes.m3u8", "90p/iframes.m3u8"]
    for name, wanted in (("180p", (320, 180)), ("90p", (160, 90))):
        read = m3u8.load(str(film / name / "iframes.m3u8"))
        whole = m3u8.load(str(film / name / "playlist.m3u8"))
        assert read.is_i_frames_only
        assert [(s.uri, s.duration) for s in read.segments] == [
            (s.uri, s.duration) for s in whole.segments
        ]
        (told,) = [one for one in master.iframe_playlists if one.uri == f"{name}/iframes.m3u8"]
        sizes = [int(segment.byterange.partition("@")[0]) for segment in read.segments]
        assert told.iframe_stream_info.average_bandwidth == ceil(8 * sum(sizes) / SECONDS)
        rates = [8 * size / s.duration for size, s in zip(sizes, read.segments, strict=True)]
        assert told.iframe_stream_info.bandwidth == ceil(max(rates[:-1]))
        assert told.iframe_stream_info.resolution == wanted
        init, start = (film / name / "init.mp4").read_bytes(), 0.0
        for number, segment in enumerate(read.segments):
            length, offset = map(int, segment.byterange.split("@"))
            content = (film / name / segment.uri).read_bytes()[offset : offset + length]
            alone = film.parent / "alone.mp4"
            alone.write_bytes(init + content)
            frames = decoded(alone)
            assert len(frames) == 1
            assert (frames[0]["pict_type"], frames[0]["key_frame"]) == ("I", 1)
            assert (frames[0]["width"], frames[0]["height"]) == wanted
            assert float(frames[0]["pts_time"]) == pytest.approx(start, abs=0.002)
            assert is_near(pixel(alone, 10, 10), SHOWN[number])
            start += segment.duration


def decoded(path: Path) -> list[dict[str, Any]]:
    """The pictures that ffprobe decodes of a file, whatever it says of what is missing."""
    command = [str(clips.tools().ffprobe), "-v", "quiet", "-of", "json", "-show_frames", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, timeout=60)
    return [dict(frame) for frame in json.loads(done.stdout)["frames"]]


def test_dash_has_a_track_of_single_pictures_at_the_times_of_the_segments(
    api: Api, film: Path
) -> None:
    assert searched(api, film).succeeded

    (trick,) = [one for one in mpd(film).iter(f"{MPD}AdaptationSet") if one.get("id") == "trick"]
    (told,) = trick.iter(f"{MPD}EssentialProperty")
    main = [one.get("id") for one in mpd(film).iter(f"{MPD}AdaptationSet")]
    assert told.get("schemeIdUri") == "http://dashif.org/guidelines/trickmode"
    assert told.get("value") == main[0] == "video-0"
    tracks = {one.name: one for one in listed(film)}
    track, usual = tracks["trickplay/90p"], tracks["90p"]
    assert track.durations == usual.durations
    alone = film.parent / "alone.mp4"
    alone.write_bytes(
        b"".join((film / name).read_bytes() for name in (track.init, *track.segments))
    )
    frames = decoded(alone)
    assert [frame["pict_type"] for frame in frames] == ["I"] * 4
    starts = [sum(usual.durations[:number]) for number in range(4)]
    assert [float(frame["pts_time"]) for frame in frames] == pytest.approx(starts, abs=0.002)
    whole = [hashes(film, usual)[round(25 * start)] for start in starts]
    assert hashes(film, track) == whole, "the very same pictures"


def listed(folder: Path) -> list[judges.Listed]:
    """The tracks of the manifest that have segments of media."""
    root = mpd(folder)
    for images in [one for one in root.iter(f"{MPD}AdaptationSet") if one.get("id") == "images"]:
        images.getparent().remove(images)  # type: ignore[union-attr]
    alone = folder.parent / "without"
    alone.mkdir()
    (alone / "manifest.mpd").write_bytes(etree.tostring(root))
    return judges.dash_tracks(alone)


def together(folder: Path, track: judges.Listed) -> Path:
    """A file of a track's segments behind their init segment."""
    path = folder.parent / "together.mp4"
    path.write_bytes(b"".join((folder / n).read_bytes() for n in (track.init, *track.segments)))
    return path


def hashes(folder: Path, track: judges.Listed) -> list[str]:
    """The digest of each picture of a track, in the order of time."""
    command = [str(clips.tools().ffmpeg), "-v", "error", "-i", str(together(folder, track))]
    command += ["-fps_mode", "passthrough", "-f", "framemd5", "-"]
    told = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    return [line.rpartition(",")[2].strip() for line in told.splitlines() if line[0] != "#"]


def test_thumbnails_show_what_is_shown_at_their_times(api: Api, film: Path) -> None:
    job = searched(
        api,
        film,
        trickplay_thumbnail_interval=1,
        trickplay_thumbnail_size=80,
        trickplay_thumbnail_quality=90,
    )
    assert job.succeeded, job.error

    assert images(film) == ["00001.jpg"]
    tile = film / "trickplay" / "00001.jpg"
    assert size(tile) == (320, 44), "four of 80x44 beside each other"
    for number, colour in enumerate(SHOWN):
        assert is_near(pixel(tile, 80 * number + 40, 20), colour), number
    (offered,) = lines(film, "EXT-X-IMAGE-STREAM-INF")
    assert 'RESOLUTION=80x44,URI="trickplay/playlist.m3u8"' in offered
    assert 'CODECS="jpeg"' in offered
    playlist = (film / "trickplay" / "playlist.m3u8").read_text()
    assert "#EXT-X-IMAGES-ONLY\n" in playlist
    assert "#EXT-X-TILES:RESOLUTION=80x44,LAYOUT=4x1,DURATION=1\n00001.jpg\n" in playlist
    (representation,) = [
        one for one in mpd(film).iter(f"{MPD}Representation") if one.get("id") == "trickplay"
    ]
    assert (representation.get("width"), representation.get("height")) == ("320", "44")
    (layout,) = representation.iter(f"{MPD}EssentialProperty")
    assert layout.get("value") == "4x1"
    (template,) = representation.iter(f"{MPD}SegmentTemplate")
    assert int(template.attrib["duration"]) == 4 * int(template.attrib["timescale"])


def test_a_thumbnail_is_as_large_as_the_largest_rendition_unless_told(api: Api, film: Path) -> None:
    assert searched(api, film).succeeded
    coarse = film / "trickplay" / "00001.jpg"
    assert size(coarse) == (320, 180)
    assert is_near(pixel(coarse, 10, 10), SHOWN[0])
    at_30 = steps(coarse)

    assert searched(api, film, trickplay_thumbnail_quality=100).succeeded
    assert 5 * sum(steps(coarse)) < sum(at_30)


def steps(path: Path) -> bytes:
    """The first quantisers of a JPEG, ISO/IEC 10918-1 §B.2.4.1: the larger, the coarser."""
    content = path.read_bytes()
    start = content.index(b"\xff\xdb") + 5
    return content[start : start + 64]


def test_without_thumbnails_there_are_only_iframe_playlists(api: Api, film: Path) -> None:
    assert searched(api, film).succeeded
    assert searched(api, film, trickplay_thumbnails=False).succeeded

    assert not list((film / "trickplay").glob("*.*")), "the earlier tiles are gone"
    assert lines(film, "EXT-X-IMAGE-STREAM-INF") == []
    assert len(lines(film, "EXT-X-I-FRAME-STREAM-INF")) == 2
    assert "image" not in (film / "manifest.mpd").read_text()
    assert (film / "trickplay" / "90p" / "init.mp4").exists()
    assert judges.record(film)["trickplay"]["images"] is None


def test_another_run_replaces_what_the_first_made_and_keeps_what_others_put_there(
    api: Api, film: Path
) -> None:
    (film / "film.mp4").write_bytes(b"made by somebody else")
    assert searched(api, film, trickplay_thumbnail_interval=1).succeeded
    first = digests(film)

    assert searched(api, film, trickplay_thumbnail_interval=1).succeeded
    assert digests(film) == first, "the same request gives the same bytes"
    assert searched(
        api, film, trickplay_thumbnail_interval=2, trickplay_thumbnail_size=40
    ).succeeded

    tile = film / "trickplay" / "00001.jpg"
    assert size(tile) == (80, 22)
    assert is_near(pixel(tile, 20, 11), SHOWN[0])
    assert is_near(pixel(tile, 60, 11), SHOWN[2])
    assert (film / "film.mp4").read_bytes() == b"made by somebody else"
    assert files(film) == first.keys()


def test_another_folder_gets_the_whole_asset_and_the_first_stays_as_it_is(
    api: Api, film: Path
) -> None:
    before = digests(film)

    for _ in range(2):
        assert searched(api, film, output_folder=f"{film.parent.name}/other/copy").succeeded

    copy = film.parent / "other" / "copy"
    assert digests(film) == before
    assert before.keys() < files(copy)
    played, said = judges.decode(copy / "master.m3u8")
    assert (said, len(played)) == ("", 3)
    played, said = judges.decode(copy / "manifest.mpd")
    assert (said, len(played)) == ("", 4), "with the track of single pictures"


def test_names_and_defaults_are_those_of_the_contract_and_of_the_page(api: Api) -> None:
    told = api.readonly.get("/workflows/trickplay")["parameters"]
    page = (ROOT / "docs" / "workflows" / "trickplay.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \| (\S+) \|", page, re.MULTILINE)

    assert set(told["required"]) == {"content_id", "source_folder"}
    own = [name for name in told["properties"] if name == "content_id" or name not in COMMON]
    assert sorted(name for name, _ in rows) == sorted(own)
    assert told["properties"]["output_folder"]["default"] is None
    contract = {
        "trickplay_thumbnails": True,
        "trickplay_thumbnail_size": 0,
        "trickplay_thumbnail_interval": 10,
        "trickplay_thumbnail_quality": 30,
    }
    assert {name: told["properties"][name]["default"] for name in contract} == contract
    shown = {name: default for name, default in rows if name in contract}
    assert shown == {name: json.dumps(default) for name, default in contract.items()}


class TwiceWorker(HandWorker):
    """Does each task twice, as when a worker is killed at the end of its first attempt."""

    resources: Any

    def work(self, claim: Claim) -> tuple[dict[str, Any], Plan | None]:
        for attempt in ("killed", "second"):
            scratch = self.folder / f"{claim.name}-{attempt}"
            scratch.mkdir()
            assert isinstance(claim.payload, dict)
            payload = {**claim.payload, **claim.params}
            run = TaskRun(claim, scratch, self.resources)
            outcome = self.registry.task(claim.name)(payload, run)
        assert isinstance(outcome, dict)
        return outcome, None


def test_a_task_that_was_killed_at_its_end_gives_the_same_once_more(
    api: Api, film: Path, made: Path, home: Path, tmp_path: Path
) -> None:
    assert searched(api, film).succeeded
    mine = Path(shutil.copytree(made, tmp_path / "assets" / "film"))
    (tmp_path / "scratch").mkdir()
    deployment = deploy()
    given = {"content_id": "film-42", "source_folder": str(mine)}
    job = deployment.engine.submit("trickplay", given)
    worker = TwiceWorker(deployment.store, deployment.registry, tmp_path / "scratch")
    worker.resources = deployment.resources

    worker.run_all()

    assert deployment.store.job(job.id).succeeded
    deployment.close()
    assert digests(mine) == digests(film)
    assert [path.name for path in mine.parent.iterdir()] == ["film"], "nothing is left beside it"


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"source_folder": None}, "source_folder"),
        ({"content_id": None}, "content_id"),
        ({"trickplay_thumbnail_size": 15}, "trickplay_thumbnail_size"),
        ({"trickplay_thumbnail_interval": 0.5}, "trickplay_thumbnail_interval"),
        ({"trickplay_thumbnail_quality": 101}, "trickplay_thumbnail_quality"),
        ({"trickplay_thumbnails": "yes"}, "trickplay_thumbnails"),
        ({"trickplay_thumbnail": True}, "trickplay_thumbnail"),
        ({"source_folder": "../bob/film"}, "source_folder"),
        ({"source_folder": "/etc"}, "source_folder"),
        ({"output_folder": "../bob/film"}, "output_folder"),
        ({"output_root": "bob"}, "output_root"),
        ({"output_folder": "film/copy"}, "output_folder"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(api: Api, wrong: dict[str, Any], word: str) -> None:
    given = {"content_id": "film-42", "source_folder": "film", **wrong}
    body = {"job": {"workflow": "trickplay"}, "parameters": given}

    refused = api.client.refused(400, "POST", "/job", body)

    assert repr(word) in refused["error"] or refused["error"].startswith(word)


def test_a_link_to_a_neighbours_asset_is_not_followed(api: Api, film: Path) -> None:
    root = api.deployment.settings.assets_root
    (root / "bob").mkdir()
    (root / "bob" / "link").symlink_to(film)
    for given in ({"source_folder": "link"}, {"source_folder": "x", "output_folder": "link"}):
        body = {"job": {"workflow": "trickplay"}, "parameters": {"content_id": "x", **given}}
        assert api.other.refused(400, "POST", "/job", body)["code"] == "path_outside"


def test_a_track_that_is_a_link_ends_the_job(api: Api, film: Path, made: Path) -> None:
    shutil.rmtree(film / "90p")
    (film / "90p").symlink_to(made / "90p")

    job = searched(api, film)

    assert job.error is not None
    assert job.error["code"] == "path_outside"


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda film: (film / "asset.json").unlink(), "asset_missing"),
        (shutil.rmtree, "asset_missing"),
        (lambda film: (film / "asset.json").write_text("{}"), "asset_damaged"),
        (lambda film: with_record(film, protection={"active": "cbcs"}), "asset_damaged"),
        (lambda film: with_record(film, format=4), "asset_damaged"),
        (lambda film: (film / "90p" / "00002.m4s").unlink(), "asset_damaged"),
        (lambda film: (film / "90p" / "00002.m4s").write_bytes(b"short"), "asset_damaged"),
        (lambda film: (film / "180p" / "init.mp4").write_bytes(b"x"), "asset_damaged"),
    ],
)
def test_an_asset_that_is_not_whole_is_named_and_left_as_it_is(
    api: Api, film: Path, damage: Any, code: str
) -> None:
    damage(film)
    before = digests(film) if film.exists() else {}

    job = searched(api, film)

    assert job.error is not None
    assert job.error["code"] == code
    assert (digests(film) if film.exists() else {}) == before
