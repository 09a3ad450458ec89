"""Single pictures, GIFs and sprites show exactly the frames that they should, as asked for."""

from __future__ import annotations

import re
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

CUE = re.compile(r"(\d\d):(\d\d):([\d.]{6}) --> (\d\d):(\d\d):([\d.]{6})\n(\S+)#xywh=([\d,]+)\n")


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In a folder of its own, 3 s whose frames tell their number."""
    return make_numbered(tmp_path_factory.mktemp("sources"))


@pytest.mark.parametrize(
    ("time", "frame", "name"),
    [
        (0, 0, "a.jpg"),
        (0.0799, 1, "a.webp"),
        ("00:00:01.960", 49, "a.jpeg"),
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
    given = {**stills_kit.USUAL["generate_gif"], "bitrate": 5, "content_id": "film"}
    given |= {"source": str(film), "output_folder": str(tmp_path / "out")}
    _, log = run_tasks("generate_gif", given, tmp_path / "scratch")

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


def test_a_run_with_fewer_sheets_leaves_none_of_the_one_before(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sprite, "MOST_SHEET_SIDE", 640)
    folder = tmp_path / "out"
    for name in ("film_sprite_9.jpg", "other_sprite_2.jpg"):
        folder.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"of somebody else")
    left = []
    for interval in (0.2, 0.35, 1):
        make("build_thumbnails", film, folder, preview_thumbnails_interval=interval)
        left.append(judges.tree(folder) - {"film_sprite_9.jpg", "other_sprite_2.jpg"})

    sheets = ["film_sprite.jpg", "film_sprite_2.jpg", "film_sprite_3.jpg"]
    assert left == [{"film_sprite.vtt", *sheets[:count]} for count in (3, 2, 1)]


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
