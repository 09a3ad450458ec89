"""What is said of encoders before they run is what they do."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest

import clips
import judges
import packets
from adaptation.adapters import ffmpeg
from adaptation.adapters.tools import find_tools
from adaptation.errors import SettingsError
from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import Chunk, cut_chunks
from adaptation.media.coding import CODECS, ENCODERS, VideoCoding, reorder_depth, usual_coding
from adaptation.media.encode import keyframes, may_reorder
from adaptation.media.inspection import Inspection
from adaptation.media.probe import Source
from adaptation.media.rendition import Rendition
from adaptation.media.segment import reorder_depth as found_depth
from adaptation.media.timeline import Timeline
from adaptation.settings import Settings
from adaptation.workflows.encoders import check_encoder, trouble

SEGMENT_SECONDS = Fraction(2)
SIZE = (320, 136)
"""The shape of the clip of bikes."""


def inspected(clip: Path) -> tuple[Source, Timeline]:
    return ffmpeg.inspect(clip, clips.tools(), Inspection())


def encode(clip: Path, coding: VideoCoding, bitrate: int, bounds: int = 1) -> list[Path]:
    """The chunks of one rendition, as many as asked for."""
    source, timeline = inspected(clip)
    starts = keyframes(timeline, SEGMENT_SECONDS)
    firsts = [starts[len(starts) * number // bounds] for number in range(bounds)]
    chunks: tuple[Chunk, ...] = cut_chunks(timeline, (), starts, firsts)
    files = [clip.parent / f"{coding.encoder}_{chunk.number}.mp4" for chunk in chunks]
    for chunk, file in zip(chunks, files, strict=True):
        rung = Rung(Rendition("rung", SIZE[1], bitrate, coding.codec), SIZE, file, coding)
        command = chunk_command(source, timeline, chunk, [rung], clip)
        ffmpeg.encode(command, clips.tools(), expected_seconds=1)
    return files


@pytest.fixture(scope="module")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture that moves enough for B-frames: `testsrc2`, 2 s at 25 fps."""
    return clips.make_silent(tmp_path_factory.mktemp("moving"))


@pytest.fixture(scope="module")
def uneven(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Frames at uneven times."""
    return clips.make_variable_rate(tmp_path_factory.mktemp("uneven"))


DEPTHS = [
    ("h264", "ultrafast", 0),
    ("h264", "superfast", 1),
    ("h264", "medium", 1),
    ("hevc", "ultrafast", 1),
    ("hevc", "medium", 1),
    ("av1", "12", 0),
    ("av1", "8", 0),
]


@pytest.mark.parametrize(("codec", "preset", "expected"), DEPTHS)
def test_the_reorder_depth_is_known_before_anything_is_encoded(
    codec: str, preset: str, expected: int, moving: Path
) -> None:
    coding = replace(usual_coding(codec), preset=preset)
    (file,) = encode(moving, coding, 500_000)
    planned = reorder_depth(coding, may_reorder=may_reorder(inspected(moving)[1]))
    assert planned == found_depth(packets.read(file).pts) == expected


@pytest.mark.parametrize("codec", CODECS)
def test_uneven_frames_are_stored_as_they_are_shown(codec: str, uneven: Path) -> None:
    coding = usual_coding(codec)
    (file,) = encode(uneven, coding, 500_000)
    planned = reorder_depth(coding, may_reorder=may_reorder(inspected(uneven)[1]))
    assert planned == found_depth(packets.read(file).pts) == 0


@pytest.mark.slow
@pytest.mark.parametrize("codec", CODECS)
def test_two_chunks_keep_the_average_that_was_asked_for(
    codec: str, real_clips: dict[str, Path], tmp_path: Path
) -> None:
    clip = tmp_path / "bikes.mp4"
    clip.symlink_to(real_clips["bikes.mp4"])
    usual = usual_coding(codec)
    fast = {"h264": "veryfast", "hevc": "superfast", "av1": "10"}[codec]
    files = encode(clip, replace(usual, preset=fast, rate_control="abr"), 250_000, bounds=2)
    size_bytes = sum(sum(packets.read(file).sizes) for file in files)
    seconds = float(inspected(clip)[1].duration_seconds)
    assert 8 * size_bytes / seconds == pytest.approx(250_000, rel=0.1)


@pytest.mark.parametrize("codec", CODECS)
def test_easy_pictures_stay_below_a_cap(codec: str, moving: Path) -> None:
    (file,) = encode(moving, usual_coding(codec), 5_000_000)
    (stream,) = judges.streams(file)
    assert stream["codec_name"] == codec
    seconds = float(inspected(moving)[1].duration_seconds)
    assert 8 * file.stat().st_size / seconds < 2_500_000


def test_the_source_s_bit_rate_is_that_of_its_picture_alone(tmp_path: Path) -> None:
    clip = clips.make_plain(tmp_path)
    source, timeline = inspected(clip)
    silent = clips.ffmpeg(tmp_path, f"-i {clip.name} -map 0:v -c copy silent.mp4")
    size_bytes = sum(int(packet["size"]) for packet in judges.packets(silent))
    assert source.video is not None
    assert source.video.bitrate == round(8 * size_bytes / timeline.duration_seconds)


@pytest.mark.parametrize("codec", CODECS)
def test_software_encoders_work_here(codec: str) -> None:
    check_encoder(usual_coding(codec).encoder, clips.tools())


def test_an_encoder_that_does_not_work_here_is_refused_with_the_driver_s_words() -> None:
    tools = find_tools(Settings())
    broken = [name for name in ENCODERS if trouble(name, tools)]
    if not broken:
        pytest.skip("every encoder there is works on this machine")
    with pytest.raises(SettingsError, match=r"does not work on this machine: \S") as caught:
        check_encoder(broken[0], tools)
    assert caught.value.code == "encoder_unusable"
    assert "doctor" in caught.value.hint
