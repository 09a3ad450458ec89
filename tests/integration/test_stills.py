"""Single pictures, GIFs and sprites: what clients are told, and exactly which frames are shown."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

import bar_codes
import clips
import colours
import judges
import stills_kit
import streams
from adaptation.errors import AdaptationError, ParameterError
from adaptation.media import sprite
from adaptation.wiring import Deployment, deploy
from api_kit import Api, running_api
from receiver import Receiver, receiving
from services import wait_until
from stills_kit import (
    RATE,
    SECONDS,
    make,
    make_numbered,
    numbers,
    numbers_on_sheet,
    run_tasks,
    size_of,
)

CUSTOM = {"mark": [1, None, "ü"]}
CUE = re.compile(r"(\d\d):(\d\d):([\d.]{6}) --> (\d\d):(\d\d):([\d.]{6})\n(\S+)#xywh=([\d,]+)\n")
WORKFLOWS = ("capture_frame", "generate_gif", "build_thumbnails")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a folder of its own, 3 s whose frames tell their number."""
    return make_numbered(tmp_path_factory.mktemp("sources"))


@pytest.fixture
def api(home: Path, film: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A server with local sources, whose jobs nobody runs until a test does."""
    monkeypatch.setenv("ADAPTATION_SOURCE_ROOT", str(film.parent))
    deployment: Deployment = deploy()
    with running_api(deployment) as served:
        yield served
    deployment.close()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    with receiving(tmp_path / "receiver.log") as found:
        yield found


def wanted(workflow: str, **more: Any) -> dict[str, Any]:
    """Parameters that are enough, for the film among the sources."""
    given = {"content_id": "film-1", "source": "film.mp4", "output_folder": f"made/{workflow}"}
    return {**given, **stills_kit.USUAL[workflow], **more}


def test_jobs_over_http_make_files_and_tell_of_exactly_those(
    api: Api, receiver: Receiver, tmp_path: Path
) -> None:
    told = {"rest_endpoints": [f"{receiver.url}/ok/"], "custom_data": CUSTOM}
    jobs = {name: api.client.submit(name, wanted(name, **told)) for name in WORKFLOWS}
    with api.deployment.engine.running(2):
        assert wait_until(lambda: len(ends(receiver)) == len(jobs), 30)

    root = api.deployment.settings.assets_root
    made = {
        "capture_frame": ["frame.png"],
        "generate_gif": ["film.gif"],
        "build_thumbnails": ["film-1_sprite.jpg", "film-1_sprite.vtt"],
    }
    durations = {"capture_frame": 3.0, "generate_gif": 1.0, "build_thumbnails": 3.0}
    for name, job_id in jobs.items():
        files = [str(root / "made" / name / file) for file in made[name]]
        assert ends(receiver)[job_id] | {"time": ""} == {
            "job_id": job_id,
            "status": "completed",
            "workflow": name,
            "content_id": "film-1",
            "message": files[-1],
            "files": files,
            "metadata": {"duration": durations[name]},
            "custom_data": CUSTOM,
            "time": "",
            "client": api.client.name,
        }
        assert {str(root / "made" / name / one) for one in judges.tree(root / "made" / name)} == {
            *files
        }
        steps = [(one["task_name"], one["event"]) for one in tasks(receiver, job_id)]
        assert steps == [
            (task, event) for task in ("download_file", name) for event in ("start", "complete")
        ]
    assert numbers(root / "made/capture_frame/frame.png", tmp_path) == [25]


def ends(receiver: Receiver) -> dict[int, dict[str, Any]]:
    told = [one["json"] for one in receiver.requests() if "status" in one["json"]]
    return {one["job_id"]: one for one in told}


def tasks(receiver: Receiver, job_id: int) -> list[dict[str, Any]]:
    told = [one["json"] for one in receiver.requests() if "event" in one["json"]]
    return [one for one in told if one["job_id"] == job_id]


@pytest.mark.parametrize(
    ("time", "frame", "name"),
    [
        (0, 0, "a.jpg"),
        (0.04, 1, "a.jpeg"),
        (0.0799, 1, "a.webp"),
        ("00:00:01.960", 49, "a.png"),
        ("2.999", 74, "a.PNG"),
    ],
)
def test_a_captured_frame_is_the_one_that_is_shown_then(
    time: Any, frame: int, name: str, film: Path, tmp_path: Path
) -> None:
    folder = make("capture_frame", film, tmp_path / "out", frame_time=time, image_filename=name)

    assert numbers(folder / name, tmp_path) == [frame]
    (stream,) = judges.streams(folder / name)
    kinds = {".jpg": "mjpeg", ".jpeg": "mjpeg", ".png": "png", ".webp": "webp"}
    assert stream["codec_name"] == kinds[Path(name).suffix.lower()]
    assert size_of(folder / name) == (320, 180)


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ("-bf 2 -g 25 -output_ts_offset 10 -f mpegts", "film.ts"),
        ("-bf 2 -g 25 -output_ts_offset 5", "film.mkv"),
    ],
)
def test_frames_are_found_on_any_clock_of_any_container(
    options: str, name: str, tmp_path: Path
) -> None:
    source = make_numbered(tmp_path, options, name)

    assert numbers(make("capture_frame", source, tmp_path / "o") / "frame.png", tmp_path) == [25]


@pytest.mark.parametrize(
    ("maker", "size"),
    [
        (clips.make_rotated, (180, 320)),
        (clips.make_wide_pixels, (1024, 576)),
        (clips.make_odd_size, (321, 241)),
    ],
)
def test_an_image_is_upright_and_has_the_shape_that_is_shown(
    maker: Any, size: tuple[int, int], tmp_path: Path
) -> None:
    folder = make("capture_frame", maker(tmp_path), tmp_path / "out", image_filename="a.jpg")

    assert size_of(folder / "a.jpg") == size


@pytest.mark.parametrize(("name", "is_hdr"), [("a.jpg", False), ("a.png", False), ("a.webp", True)])
def test_an_image_has_the_colours_of_the_video(name: str, is_hdr: bool, tmp_path: Path) -> None:
    labels = "-vf setparams=range=tv:colorspace=bt709:color_primaries=bt709:color_trc=bt709"
    shades = [colours.coded(shade) for shade in colours.PATCHES]
    depth, code = 8, "-c:v libx264 -crf 4"
    if is_hdr:
        nits = [
            tuple(colours.WHITE_NITS * part for part in colours.in_bt2020(colours.light(shade)))
            for shade in colours.PATCHES
        ]
        lit = [colours.pq((red, green, blue)) for red, green, blue in nits]
        shades, depth = [colours.coded(one, "bt2020nc", depth=10) for one in lit], 10
        labels = "-vf setparams=range=tv:colorspace=bt2020nc:color_primaries=bt2020"
        labels += ":color_trc=smpte2084"
        code = "-c:v libx265 -preset ultrafast -x265-params log-level=error:crf=4"
    source = colours.paint(tmp_path, shades, f"{labels} {code} film.mp4", depth=depth)

    folder = make("capture_frame", source, tmp_path / "o", frame_time=0.1, image_filename=name)

    seen = colours.measure(to_video(folder / name))
    for found, shade in zip(seen, colours.PATCHES, strict=True):
        meant = colours.coded(shade)
        assert max(abs(a - b) for a, b in zip(found, meant, strict=True)) <= 4, (found, meant)


def to_video(image: Path) -> Path:
    """The image in the samples of videos, without loss."""
    look = "-vf scale=out_color_matrix=bt709:out_range=tv,format=yuv444p"
    return clips.ffmpeg(image.parent, f"-i {image.name} {look} -c:v ffv1 {image.stem}.mkv")


def test_a_utc_time_is_found_by_a_playlists_programme_time(film: Path, tmp_path: Path) -> None:
    playlist = streams.hls(film, tmp_path / "hls", "", "-i {clip} -map 0:v -c copy")
    text = playlist.read_text()
    stamp = "#EXT-X-PROGRAM-DATE-TIME:2026-05-01T18:00:01.000Z\n"
    second = text.index("#EXTINF", text.index("#EXTINF") + 1)
    playlist.write_text(text[:second] + stamp + text[second:])  # of the second segment, at 1 s

    time = "2026-05-01T18:00:01.480Z"
    folder = make("capture_frame", playlist, tmp_path / "out", frame_time=time)
    assert numbers(folder / "frame.png", tmp_path) == [37]
    with pytest.raises(ParameterError) as error:
        make("capture_frame", playlist, tmp_path / "out", frame_time="2026-05-01T17:00:00Z")
    assert error.value.code == "time_outside"


@pytest.mark.parametrize(
    ("workflow", "given", "code"),
    [
        ("capture_frame", {"frame_time": "2026-05-01T18:00:00Z"}, "programme_time_missing"),
        ("capture_frame", {"frame_time": 3}, "time_outside"),
        ("generate_gif", {"start_at": "00:00:03"}, "time_outside"),
        ("generate_gif", {"height": 1920}, "parameter_invalid"),
        ("generate_gif", {"reverse": True, "width": 1920, "height": 1080, "duration": 3, "fps": 50,
          "playback_speed": 0.25},
         "parameter_invalid"),
    ],
)  # fmt: skip
def test_what_only_the_source_shows_to_be_wrong_ends_the_job(
    workflow: str, given: dict[str, Any], code: str, film: Path, tmp_path: Path
) -> None:
    with pytest.raises(AdaptationError) as error:
        make(workflow, film, tmp_path / "out", **given)

    assert (error.value.code, error.value.retryable) == (code, False)
    assert error.value.hint
    assert not (tmp_path / "out").exists()


def test_a_gif_shows_the_frames_of_its_times(film: Path, tmp_path: Path) -> None:
    gif = make("generate_gif", film, tmp_path / "out", start_at="0.48") / "film.gif"

    assert size_of(gif) == (160, 90)
    assert numbers(gif, tmp_path) == [12 + n * RATE // 12 for n in range(12)]
    assert judges.packets_of(gif, "v:0")[-1][1] == 1, "it ends after a second"
    assert b"NETSCAPE2.0\x03\x01\x00\x00" in gif.read_bytes(), "for ever"


def test_a_gif_plays_as_it_was_asked_for(film: Path, tmp_path: Path) -> None:
    asked = {"fps": 10, "reverse": True, "playback_speed": 2, "playback_loop": 3, "width": 120}
    gif = make("generate_gif", film, tmp_path / "out", start_at=2, duration=5, **asked, height=60)
    gif /= "film.gif"

    # The source ends after one of the five seconds: five pictures at 2.0, 2.2 …, backwards.
    assert numbers(gif, tmp_path) == [70, 65, 60, 55, 50]
    assert [start for start, _ in judges.packets_of(gif, "v:0")] == [
        Fraction(n, 10) for n in range(5)
    ]
    assert size_of(gif) == (120, 60)
    assert b"NETSCAPE2.0\x03\x01\x03\x00" in gif.read_bytes()


@pytest.mark.parametrize(
    ("given", "size"),
    [({"height": -1}, (854, 480)), ({"width": 160, "height": -1}, (160, 90)),
     ({"width": 101, "height": 57}, (101, 57))],
)  # fmt: skip
def test_a_gif_has_the_size_that_was_asked_for(
    given: dict[str, int], size: tuple[int, int], film: Path, tmp_path: Path
) -> None:
    folder = make("generate_gif", film, tmp_path / "out", fps=2, playback_loop=-1, **given)

    assert size_of(folder / "film.gif") == size
    assert b"NETSCAPE2.0" not in (folder / "film.gif").read_bytes(), "once"


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A master playlist over a wide picture of 900 kbit/s and a square one of 100 kbit/s."""
    folder = tmp_path_factory.mktemp("master")
    clip = streams.make_clip(folder)
    streams.hls(clip, folder / "wide", sources="-i {clip} -map 0:v -c copy")
    square = "-i {clip} -map 0:v -c:v libx264 -vf scale=80:80,setsar=1 -g 12"
    streams.hls(clip, folder / "square", sources=square)
    rows = ("BANDWIDTH=100000\nsquare/index.m3u8", "BANDWIDTH=900000\nwide/index.m3u8")
    path = folder / "master.m3u8"
    path.write_text("#EXTM3U\n" + "".join(f"#EXT-X-STREAM-INF:{row}\n" for row in rows))
    return path


@pytest.mark.parametrize(("bitrate", "height"), [(None, 90), (899_999, 160)])
def test_a_bitrate_chooses_the_rendition_of_a_playlist(
    bitrate: int | None, height: int, master: Path, tmp_path: Path
) -> None:
    given = {"bitrate": bitrate, "width": 160, "height": -1, "duration": 0.1}

    folder = make("generate_gif", master, tmp_path / "out", **given)

    assert size_of(folder / "film.gif") == (160, height)


def test_a_bitrate_is_ignored_where_the_source_is_a_file(film: Path, tmp_path: Path) -> None:
    given = {**wanted("generate_gif", bitrate=5), "source": str(film)}
    _, log = run_tasks("generate_gif", {**given, "output_folder": str(tmp_path / "o")}, tmp_path)

    assert any("bitrate is ignored" in line for line in log)


@pytest.mark.parametrize(
    ("interval", "side", "sheets"), [(0.5, 4096, 1), (1, 4096, 1), (0.35, 640, 2)]
)
def test_each_cue_shows_the_frame_at_its_start(
    interval: float, side: int, sheets: int, film: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(sprite, "MOST_SHEET_SIDE", side)
    given = {"preview_thumbnails_interval": interval, "filename_prefix": "a b"}
    folder = make("build_thumbnails", film, tmp_path / "out", **given)

    names = ["a b_sprite.jpg", *(f"a b_sprite_{n}.jpg" for n in range(2, sheets + 1))]
    assert judges.tree(folder) == {*names, "a b_sprite.vtt"}
    text = (folder / "a b_sprite.vtt").read_text()
    assert text.startswith("WEBVTT\n\n")
    step = Fraction(str(interval))
    cues = [cue_of(*found) for found in CUE.findall(text)]
    count = -(-SECONDS // step)
    assert [(start, end) for start, end, _, _ in cues] == [
        (n * step, min((n + 1) * step, Fraction(SECONDS))) for n in range(count)
    ]
    for name in names:
        here = [(start, place) for start, _, sheet, place in cues if sheet == name]
        shown = numbers_on_sheet(folder / name, [place for _, place in here], tmp_path / "cut")
        assert shown == [int(start * RATE) for start, _ in here]
        assert max(size_of(folder / name)) <= side
    assert {place[2:] for *_, place in cues} == {(320, 180)}


def test_a_picture_that_changes_on_the_way_is_drawn_in_the_size_of_its_first_frame(
    tmp_path: Path,
) -> None:
    parts = [
        clips.ffmpeg(
            tmp_path,
            f"{bar_codes.numbered(size, seconds=1)} -c:v libx264 -preset ultrafast -g 25"
            f" -pix_fmt {samples} -output_ts_offset {start} -f mpegts {start}.ts",
        ).read_bytes()
        for start, (size, samples) in enumerate([("320x180", "yuv420p"), ("160x90", "yuv422p")])
    ]
    source = tmp_path / "both.ts"
    source.write_bytes(b"".join(parts))

    gif = make("generate_gif", source, tmp_path / "out", start_at=0.48, duration=1) / "film.gif"

    assert size_of(gif) == (160, 90)
    assert numbers(gif, tmp_path) == [(12 + n * RATE // 12) % RATE for n in range(12)]


def cue_of(*words: str) -> tuple[Fraction, Fraction, str, tuple[int, int, int, int]]:
    start, end = ((Fraction(h) * 60 + int(m)) * 60 + Fraction(s) for h, m, s in
                  (words[:3], words[3:6]))  # fmt: skip
    x, y, width, height = map(int, words[7].split(","))
    return start, end, words[6].replace("%20", " "), (x, y, width, height)


@pytest.mark.parametrize(
    ("workflow", "given", "word"),
    [
        ("capture_frame", {"content_id": None}, "content_id"),
        ("capture_frame", {"frame_time": "soon"}, "hh:mm:ss"),
        ("capture_frame", {"frame_time": -1}, "seconds"),
        ("capture_frame", {"frame_time": True}, "frame_time"),
        ("capture_frame", {"image_filename": "a.gif"}, ".webp"),
        ("capture_frame", {"image_filename": "../a.jpg"}, "image_filename"),
        ("capture_frame", {"image_filename": "b/a.jpg"}, "image_filename"),
        ("capture_frame", {"url": "film.mp4"}, "url"),
        ("generate_gif", {"duration": 61}, "60"),
        ("generate_gif", {"duration": 0}, "duration"),
        ("generate_gif", {"fps": 51}, "50"),
        ("generate_gif", {"width": 0}, "width"),
        ("generate_gif", {"duration": 60, "fps": 50, "playback_speed": 0.5}, "3,000"),
        ("generate_gif", {"gif_filename": "a.jpg"}, ".gif"),
        ("build_thumbnails", {"preview_thumbnails_interval": 0}, "preview_thumbnails_interval"),
        ("build_thumbnails", {"filename_prefix": "a", "target_filename": "b"}, "the same"),
        ("build_thumbnails", {"filename_prefix": "a/b"}, "filename_prefix"),
        ("build_thumbnails", {"output_folder": None, "content_id": "/etc"}, "content_id"),
    ],
)
def test_bad_parameters_are_refused_and_named(
    workflow: str, given: dict[str, Any], word: str
) -> None:
    with pytest.raises(ParameterError) as error:
        deploy().registry.workflow(workflow).check(wanted(workflow, **given))

    assert word in error.value.message + error.value.hint


def test_a_client_reaches_neither_neighbours_nor_the_machine(
    api: Api, film: Path, tmp_path: Path
) -> None:
    root = api.deployment.settings.assets_root
    (root / "other").mkdir(parents=True)
    (root / "studio").mkdir()
    (root / "studio" / "way").symlink_to(root / "other")
    api.deployment.store.change_client(api.client.name, defaults={"output_root": "studio"})
    (film.parent / "link.mp4").unlink(missing_ok=True)
    for given in (
        {"output_folder": "../other"},
        {"output_folder": str(root / "other")},
        {"output_folder": "way"},
        {"output_root": "other"},
        {"source": str(clips.make_silent(tmp_path))},
        {"source": "../film.mp4"},
    ):
        for workflow in WORKFLOWS:
            body = {"job": {"workflow": workflow}, "parameters": wanted(workflow, **given)}
            refused = api.client.refused(400, "POST", "/job", body)
            assert refused["code"] == "path_outside", (given, refused)
    job_id = api.client.submit("build_thumbnails", wanted("build_thumbnails", output_folder=None))
    output = api.deployment.store.job(job_id).output
    assert output == str(root / "studio" / "film-1" / "film-1_sprite.vtt")


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_a_job_that_was_killed_and_runs_again_leaves_the_same_and_nothing_else(
    workflow: str, film: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "out"
    given = {**wanted(workflow), "source": str(film), "output_folder": str(folder)}
    made, _ = run_tasks(workflow, given, tmp_path / "1")
    first = {name: digest(folder / name) for name in made["delivered"]["files"]}
    (folder / "beside.txt").write_text("of somebody else")
    cut = folder / f".{made['delivered']['files'][0]}.job1.0123.partial"
    cut.mkdir()
    (cut / "half").write_bytes(b"half")

    again, _ = run_tasks(workflow, given, tmp_path / "2", generation=2)

    assert again["delivered"] == made["delivered"]
    assert {name: digest(folder / name) for name in first} == first
    assert judges.tree(folder) == {*first, "beside.txt"}


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_workflows_describe_themselves_whole(api: Api) -> None:
    for workflow in WORKFLOWS:
        told = api.client.get(f"/workflows/{workflow}")
        assert [task["name"] for task in told["tasks"]] == ["download_file", workflow]
        assert {"content_id", "source"} <= set(told["parameters"]["required"])
        for name, field in told["parameters"]["properties"].items():
            assert field["description"].endswith("."), name
            assert ("default" in field) != (name in told["parameters"]["required"]), name
