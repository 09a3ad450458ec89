"""A picture that fits is copied frame by frame; one that does not is encoded, and told why."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import bar_codes
import clips
import judges
import watching
from adaptation.context import Context
from adaptation.errors import ParameterError
from adaptation.wiring import deploy
from adaptation.workflows.copying import Choice, choose
from adaptation.workflows.encoding import NAME
from adaptation.workflows.material import read_material
from command_line import here, show
from kinds import kinds

BT709 = "setparams=colorspace=bt709:color_primaries=bt709:color_trc=bt709:range=tv"
X264 = "-c:v libx264 -preset superfast -pix_fmt yuv420p -bf 3"
PYRAMID = "-x264-params b-pyramid=normal:keyint=25:min-keyint=25:scenecut=0"
CODE = f"-vf {BT709} {X264} {PYRAMID}"
THIN = "select='lt(mod(t\\,1)\\,0.5)+not(mod(n\\,3))'"
HOLE = "select='not(between(n\\,40\\,90))'"
N = bar_codes.numbered
RUNGS = ("--rendition", "180:900", "--rendition", "90:100", "--preset", "ultrafast")
WANTED = [{"height": 180, "bitrate": 900}, {"height": 90, "bitrate": 100}]


@dataclass(frozen=True)
class Fitting:
    """A source whose picture is copied."""

    command: str
    """Words for FFmpeg; the last is the file."""
    frames: int
    """How many are shown."""
    rungs: tuple[str, ...] = RUNGS
    """Options that say what to make."""


FITTING = {
    "B-pyramid in MP4 from 2 s on": Fitting(
        f"{N()} {clips.beep(seconds=5)} {CODE} -c:a aac -output_ts_offset 2 a.mp4", 125
    ),
    "uneven times in Matroska from 5 s on": Fitting(
        f"{N(rate='30', before=THIN)} -fps_mode vfr {CODE} -output_ts_offset 5 a.mkv", 100
    ),
    "a hole among B-frames": Fitting(f"{N(before=HOLE)} -fps_mode vfr {CODE} a.mp4", 74),
    "late at 29.97 in Matroska": Fitting(
        f"-itsoffset 0.7 {N(rate='30000/1001')} {clips.beep(seconds=6)} {CODE} -c:a aac a.mkv", 150
    ),
    "one rung, fragmented": Fitting(
        f"{N()} {CODE} -movflags +frag_keyframe+empty_moov a.mp4",
        125,
        ("--rendition", "180:900"),
    ),
}


ALIKE = ("uneven times in Matroska from 5 s on", "a hole among B-frames")
"""Sources whose troubles are those of others too."""


@dataclass(frozen=True)
class Copied:
    """An asset whose first rendition was copied."""

    fitting: Fitting
    source: Path
    folder: Path
    job: dict[str, Any]

    @property
    def names(self) -> list[str]:
        return [track.name for track in judges.hls_pictures(self.folder)]


@pytest.fixture(scope="module", params=kinds(FITTING, seldom=ALIKE))
def copied(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Copied:
    """`adaptation encode --passthrough require` of each fitting source."""
    fitting = FITTING[request.param]
    folder = tmp_path_factory.mktemp("copied")
    source = clips.ffmpeg(folder, fitting.command)
    options = (*fitting.rungs, "--passthrough", "require", "--verify", "full")
    home = {"ADAPTATION_HOME": str(folder / "home")}
    ended = here("encode", source, folder / "asset", *options, **home)
    assert ended.status == 0, ended.err
    shown = here("show", 1, "--json", **home)
    return Copied(fitting, source, folder / "asset", shown.documents[0])


def stored(path: Path) -> list[str]:
    """MD5 of each packet of the first picture in the order they are stored."""
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-i", str(path)]
    command += ["-map", "0:v:0", "-c", "copy", "-f", "framemd5", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    return [row.rpartition(", ")[2] for row in done.stdout.splitlines() if row[0] != "#"]


def shown(path: Path) -> list[float]:
    """When ffprobe sees the frames of the first picture, from the first one on."""
    streams = judges.streams(path)
    index = next(s["index"] for s in streams if s["codec_type"] == "video")
    command = [str(clips.tools().ffprobe), "-v", "error", "-select_streams", str(index)]
    command += ["-show_entries", "packet=pts_time", "-of", "csv=p=0", str(path)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60)
    times = sorted(float(line.strip(",")) for line in done.stdout.split())
    return [time - times[0] for time in times]


def test_the_packets_are_the_sources_own(copied: Copied) -> None:
    found = stored(copied.folder / "180p" / "playlist.m3u8")
    assert len(found) == copied.fitting.frames
    assert found == stored(copied.source)


def test_all_renditions_are_cut_at_the_sources_key_frames(copied: Copied) -> None:
    pictures = [t for t in judges.record(copied.folder)["tracks"] if t["kind"] == "video"]
    grids = [[(s["start"], s["duration"]) for s in track["segments"]] for track in pictures]
    assert grids == [grids[0]] * len(copied.names)
    keys = judges.key_times(copied.folder / "180p" / "playlist.m3u8")
    assert len(grids[0]) > 1
    assert {start / 90_000 for start, _ in grids[0]} <= {round(float(key), 5) for key in keys}
    for name in copied.names[1:]:
        found = judges.key_times(copied.folder / name / "playlist.m3u8")
        assert [round(float(key), 5) for key in found] == [start / 90_000 for start, _ in grids[0]]


@pytest.mark.parametrize("manifest", [judges.MASTER, judges.MANIFEST])
def test_every_frame_is_shown_once_at_its_time(
    manifest: str, copied: Copied, tmp_path: Path
) -> None:
    _, complaints = judges.decode(copied.folder / manifest)
    assert complaints == ""
    times = shown(copied.source)
    for rendition in range(len(copied.names)):
        stream = f"0:v:{rendition}"
        found = bar_codes.read_stream(copied.folder / manifest, stream, tmp_path)
        assert found == list(range(copied.fitting.frames))
        watched = watching.shown_at(copied.folder / manifest, stream)
        assert watched == pytest.approx(times, abs=0.001)


def test_sound_stays_with_the_copied_picture(copied: Copied) -> None:
    streams = {s["codec_type"]: s for s in judges.streams(copied.source)}
    if "audio" not in streams:
        return
    start = float(streams["video"]["start_time"])
    wanted = [beep - start for beep in watching.beeps(copied.source) if beep - start > 0.1]
    heard = [beep for beep in watching.beeps(copied.folder / judges.MASTER) if beep > 0.1]
    assert len(wanted) >= 4
    assert heard == pytest.approx(wanted, abs=0.005)


def test_manifests_tell_what_the_copied_picture_is(copied: Copied) -> None:
    assert judges.media_digests(copied.folder) == judges.promised_digests(copied.folder)
    source = next(s for s in judges.streams(copied.source) if s["codec_type"] == "video")
    in_hls = judges.hls_pictures(copied.folder)[0]
    in_dash = next(t for t in judges.dash_tracks(copied.folder) if t.name == "180p")
    codec = judges.codec_of(copied.folder, in_hls)
    assert codec.endswith(f"{int(source['level']):02x}")
    for listed in (in_hls, in_dash):
        assert listed.codecs.split(",")[0] == codec
        assert listed.size == (320, 180)
    assert judges.record(copied.folder)["parameters"]["passthrough"] == "require"


def test_the_copy_is_one_task_and_chunks_make_only_the_rest(copied: Copied) -> None:
    tasks = [task["name"] for task in copied.job["tasks"]]
    assert tasks.count("copy_picture") == 1
    assert ("encode_chunk" in tasks) == (len(copied.names) > 1)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """6 s that fit, 320x180 at 25 fps, a key frame a second, in MP4."""
    return clips.ffmpeg(tmp_path_factory.mktemp("plain"), f"{N(seconds=6)} {CODE} plain.mp4")


def turned(folder: Path, plain: Path) -> Path:
    """`-display_rotation 90 -c copy`."""
    return clips.ffmpeg(folder, f"-display_rotation 90 -i {plain} -c copy a.mp4")


def mirrored(folder: Path, plain: Path) -> Path:
    """`-display_hflip -c copy`."""
    return clips.ffmpeg(folder, f"-display_hflip -i {plain} -c copy a.mp4")


def edited(folder: Path, plain: Path) -> Path:
    """`-ss 0.5 -c copy` writes an edit list that hides frames."""
    return clips.ffmpeg(folder, f"-ss 0.5 -i {plain} -c copy a.mp4")


def joined(folder: Path, plain: Path) -> Path:
    """Two encodes of other settings in one track: `-f concat -c copy`."""
    clips.ffmpeg(folder, f"{N(seconds=2)} {CODE}:ref=5:cqm=jvt b.mp4")
    (folder / "list.txt").write_text(f"file {plain}\nfile b.mp4\n")
    return clips.ffmpeg(folder, "-f concat -safe 0 -i list.txt -c copy a.mkv")


def damaged(folder: Path, plain: Path) -> Path:
    """The first key frame is overwritten."""
    content = bytearray(plain.read_bytes())
    at = content.index(b"mdat") + 2000
    content[at : at + 400] = bytes(400)
    (folder / "a.mp4").write_bytes(content)
    return folder / "a.mp4"


S = N(seconds=6)
UNFIT: dict[str, tuple[str | Callable[[Path, Path], Path], str]] = {
    "open GOP": (f"{S} {CODE}:open-gop=1 a.mp4", "open GOP"),
    "intra refresh": (f"{S} {CODE}:intra-refresh=1:bframes=0 a.mkv", "no IDR pictures"),
    "10 bit": (f"{S} {CODE.replace('yuv420p', 'yuv420p10le')} a.mp4", "not 8 bit 4:2:0"),
    "fields": (f"{S} {CODE}:tff=1 -flags +ildct+ilme a.mp4", "interlaced"),
    "distant keys": (
        f"{N(seconds=8)} -vf {BT709} {X264} -g 999 a.mp4",
        "only key frame is the first",
    ),
    "uneven keys": (
        f"{N(seconds=9)} -vf {BT709} {X264} -g 999 -force_key_frames 0,2 a.mp4",
        "would last 7.0 instead",
    ),
    "rich": (f"{S} {CODE} -crf 1 a.mp4", "more than the 900 of 180p"),
    "peak": (
        f"{S} {X264} -vf {BT709},noise=alls=20:allf=t:enable='lt(t\\,1)' -g 25 a.mp4",
        "peak of",
    ),
    "HEVC": (
        f"{S} -vf {BT709} -c:v libx265 -preset ultrafast -x265-params log-level=error a.mp4",
        "hevc, not h264",
    ),
    "transport stream": (f"{S} {CODE} a.ts", "mpegts"),
    "unlabelled": (f"{S} {CODE.replace(BT709, 'null')} a.mp4", "colours are not stated"),
    "BT.601": (f"{S} {CODE.replace('=bt709', '=smpte170m')} a.mp4", "not those of BT.709"),
    "full range": (f"{S} {CODE.replace('range=tv', 'range=pc')} a.mp4", "range is full"),
    "wide pixels": (f"{S} {CODE.replace(BT709, BT709 + ',setsar=4/3')} a.mp4", "not square"),
    "odd rung": (f"{N(size='320x192', seconds=6)} {CODE} a.mp4", "no H.264 rendition of its size"),
    "turned": (turned, "turns, mirrors or crops"),
    "mirrored": (mirrored, "turns, mirrors or crops"),
    "edited": (edited, "an edit list hides 1[0-9] of its frames"),
    "joined": (joined, "parameter sets"),
    "damaged": (damaged, "does not decode cleanly"),
}


def choice_of(source: Path, **wishes: Any) -> Choice:
    deployment = deploy()
    asked = {"url": str(source), "renditions": WANTED, **wishes}
    context = Context(deployment.registry.workflow(NAME).check(asked))
    tools = deployment.resources.tools
    material = read_material(source, tools, context["max_frame_rate"])
    return choose(context, material, source, tools)


@pytest.mark.parametrize("name", UNFIT)
def test_what_does_not_fit_is_not_copied_and_told_why(
    name: str, plain: Path, tmp_path: Path
) -> None:
    made, reason = UNFIT[name]
    source = clips.ffmpeg(tmp_path, made) if isinstance(made, str) else made(tmp_path, plain)
    choice = choice_of(source)
    assert choice.copied == ""
    assert re.search(f"^the picture is encoded, not copied: .*{reason}", choice.note)
    with pytest.raises(ParameterError, match=reason) as caught:
        choice_of(source, passthrough="require")
    assert (caught.value.code, bool(caught.value.hint)) == ("passthrough_impossible", True)
    assert choice_of(source, passthrough="never") == Choice()


def test_what_fits_is_copied_unless_frames_are_left_out(plain: Path) -> None:
    assert choice_of(plain).copied == "180p"
    assert choice_of(plain, passthrough="never") == Choice()
    assert "to be left out" in choice_of(plain, max_frame_rate=13.0).note


def test_a_required_copy_that_cannot_be_is_refused_before_anything_is_made(
    plain: Path, tmp_path: Path
) -> None:
    wish = ("--rendition", "90:100", "--passthrough", "require")
    refused = here("plan", plain, *wish)
    assert (refused.status, refused.code) == (2, "passthrough_impossible")

    ended = here("encode", plain, tmp_path / "asset", *wish)

    assert (ended.status != 0, ended.code) == (True, "passthrough_impossible")
    assert "no H.264 rendition of its size, 320x180" in ended.err
    names = {task["name"] for task in show(1)["tasks"] if task["state"] == "done"}
    assert names == {"download_file"}
    assert not (tmp_path / "asset").exists()


@pytest.fixture
def hurt(tmp_path: Path) -> Path:
    """8 s with five key frames a second, the last but one of which is overwritten in part."""
    code = CODE.replace("keyint=25:min-keyint=25", "keyint=5:min-keyint=5")
    source = clips.ffmpeg(tmp_path, f"{N(seconds=8)} {code} -crf 30 hurt.mp4")
    command = [str(clips.tools().ffprobe), "-v", "error", "-show_entries", "packet=pos,flags"]
    done = subprocess.run(
        [*command, "-of", "csv=p=0", str(source)], check=True, capture_output=True, text=True
    )
    places = [int(line.partition(",")[0]) for line in done.stdout.split() if "K" in line]
    content = bytearray(source.read_bytes())
    content[places[-2] + 1000 : places[-2] + 1200] = bytes(200)
    source.write_bytes(content)
    return source


def test_damage_that_only_the_copy_shows_is_encoded_over(hurt: Path, tmp_path: Path) -> None:
    assert choice_of(hurt).copied == "180p"

    assert here("encode", hurt, tmp_path / "asset", *RUNGS).status == 0

    lines = here("logs", 1, "--json").documents
    assert any("180p is encoded after all" in line["message"] for line in lines)
    streams, complaints = judges.decode(tmp_path / "asset" / judges.MASTER)
    assert complaints == ""
    assert [len(stream.starts) for stream in streams] == [200, 200]
    assert stored(tmp_path / "asset" / "180p" / "playlist.m3u8") != stored(hurt)


def test_damage_that_only_the_copy_shows_fails_a_job_that_requires_it(
    hurt: Path, tmp_path: Path
) -> None:
    wish = (*RUNGS, "--passthrough", "require")
    ended = here("encode", hurt, tmp_path / "asset", *wish)
    assert (ended.status, ended.code) == (1, "output_broken")
    assert not (tmp_path / "asset").exists()
