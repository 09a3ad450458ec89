"""One command makes all rungs of a chunk: decoded once, scaled in steps, cut by `trim` alone."""

from __future__ import annotations

import re
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaptation.media.cascade import Rung, cascade_filter, chunk_command
from adaptation.media.chunk import Chunk
from adaptation.media.coding import usual_coding
from adaptation.media.probe import Source, VideoTrack
from adaptation.media.rendition import Rendition
from adaptation.media.timeline import Timeline

FRAMES = Timeline(Fraction(1, 25), tuple(range(100, 400)), 1)
MIDDLE = Chunk(1, 100, 200, Fraction(7), (100, 150))
SIZES = ((640, 360), (1920, 1080), (1280, 720))
WHOLE = Chunk(0, 0, 300, None, (0, 50, 100, 150, 200, 250))


def picture(**changes: object) -> VideoTrack:
    track = VideoTrack(3, "h264", 1920, 1080, 0, Fraction(25), "yuv420p", "", False)
    return VideoTrack(**{**vars(track), **changes})


def rung(size: tuple[int, int], codec: str = "h264", threads: int = 1) -> Rung:
    rendition = Rendition(f"{size[1]}p", size[1], 1000 * size[1], codec)
    coding = replace(usual_coding(codec), preset="fast")
    return Rung(rendition, size, Path(f"/out/{size[1]}.mp4"), coding, threads)


def command(chunk: Chunk = MIDDLE, frames: Timeline = FRAMES, *rungs: Rung) -> list[str]:
    source = Source("mov", 12.0, 1, 1, picture(), ())
    rungs = rungs or tuple(map(rung, SIZES))
    return chunk_command(source, frames, chunk, rungs, Path("/in/source.mkv"))


def values(words: list[str], name: str) -> list[str]:
    return [value for word, value in pairwise(words) if word == name]


def test_the_source_is_read_once_and_each_rung_is_written_with_its_own_rate() -> None:
    words = command()
    assert values(words, "-i") == ["file:/in/source.mkv"]
    assert [word for word in words if word.startswith("file:/out")] == [
        "file:/out/1080.mp4",
        "file:/out/720.mp4",
        "file:/out/360.mp4",
    ]
    assert values(words, "-map") == ["[v0]", "[v1]", "[v2]"]
    assert values(words, "-maxrate") == ["1080000", "720000", "360000"]
    assert values(words, "-preset") == ["fast"] * 3


def test_each_rung_is_scaled_from_the_next_larger() -> None:
    (graph,) = values(command(), "-filter_complex")
    stages = graph.split(";")
    assert re.findall(r"scale=(\d+:\d+)", graph) == ["1920:1080", "1280:720", "640:360"]
    assert [re.findall(r"\[(.*?)\]", stage) for stage in stages] == [
        ["0:3", "v0", "n0"],
        ["n0", "v1", "n1"],
        ["n1", "v2"],
    ]
    assert graph.count("in_color_matrix") == graph.count("setparams") == 1
    assert "fast_bilinear" not in graph


def test_rungs_of_one_size_are_scaled_once() -> None:
    rungs = [rung((640, 360)), rung((640, 360), "hevc")]
    graph = cascade_filter(picture(), FRAMES, MIDDLE, rungs)
    assert graph.count("scale=") == 1
    assert graph.endswith("[n0]null[v1]")


def test_a_chunk_is_cut_half_a_frame_before_its_first_and_its_next_frame() -> None:
    (graph,) = values(command(), "-filter_complex")
    assert graph.startswith(
        "[0:3]trim=start=7.980000000:end=11.980000000,setpts=PTS-round(8.000000000/TB),"
    )


def test_the_last_chunk_ends_with_the_source() -> None:
    (graph,) = values(command(WHOLE), "-filter_complex")
    assert graph.startswith("[0:3]trim=start=3.980000000,")


def test_reading_begins_where_the_plan_says_on_the_clock_of_the_source() -> None:
    words = command()
    assert values(words, "-ss") == ["7.000000000"]
    assert values(words, "-seek_timestamp") == ["1"]
    assert "-noaccurate_seek" in words
    assert words.index("-ss") < words.index("-i")
    assert "-copyts" in words
    assert "-ss" not in command(WHOLE)


def test_key_frames_are_forced_on_the_clock_of_the_chunk() -> None:
    assert values(command(), "-force_key_frames") == ["0.,1.98"] * 3


@given(
    st.lists(st.integers(1, 400), min_size=4, max_size=40),
    st.integers(-(10**6), 10**6),
    st.data(),
)
def test_cuts_lie_between_frames(steps: list[int], start: int, data: st.DataObject) -> None:
    pts = tuple(start + sum(steps[:n]) for n in range(len(steps)))
    frames = Timeline(Fraction(1, 1000), pts, steps[-1])
    first = data.draw(st.integers(1, len(pts) - 2))
    end = data.draw(st.integers(first + 1, len(pts) - 1))
    (graph,) = values(command(Chunk(1, first, end, None, (first,)), frames), "-filter_complex")
    cuts = [Fraction(cut) * 1000 for cut in re.findall(r"(?:start|end)=(-?[\d.]+)", graph)]
    assert pts[first - 1] < cuts[0] < pts[first]
    assert pts[end - 1] < cuts[1] < pts[end]


def test_fields_are_joined_before_the_cut() -> None:
    graph = cascade_filter(picture(interlaced=True), FRAMES, MIDDLE, [rung((640, 360))])
    assert graph.startswith("[0:3]bwdif=mode=send_frame:deint=interlaced,trim=")


def test_files_of_all_chunks_get_the_same_headers_and_bytes() -> None:
    words = command(MIDDLE, FRAMES, rung((640, 360)), rung((320, 180), "hevc"))
    assert values(words, "-x264-params") == [
        "scenecut=0:open-gop=0:b-pyramid=none:keyint=infinite:stitchable=1"
    ]
    (hevc,) = values(words, "-x265-params")
    assert hevc.endswith(":info=0:pools=1:frame-threads=1")
    assert values(words, "-threads") == ["1", "1", "1"]


def test_an_encoder_may_choose_its_threads() -> None:
    words = command(MIDDLE, FRAMES, rung((640, 360), threads=0), rung((320, 180), "hevc", 0))
    assert values(words, "-threads") == ["1", "0", "0"]
    assert values(words, "-x265-params")[0].endswith(":info=0")


def test_all_chunks_agree_on_reordering() -> None:
    pts = (*range(0, 4000, 40), *range(4500, 8500, 40))
    uneven = Timeline(Fraction(1, 1000), pts, 40)
    for chunk in (Chunk(0, 0, 100, None, (0,)), Chunk(1, 100, 200, None, (100,))):
        assert values(command(chunk, uneven), "-bf") == ["0"] * 3
    assert not values(command(), "-bf")


def test_a_chunk_needs_a_picture_and_a_rung() -> None:
    for video, rungs in ((None, [rung((640, 360))]), (picture(), [])):
        source = Source("mov", 12.0, 1, 1, video, ())
        with pytest.raises(ValueError, match="at least one rung"):
            chunk_command(source, FRAMES, MIDDLE, rungs, Path("/in/source.mkv"))
