"""Chunks of ugly sources hold every frame once and in order, and their files fit together."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

import bar_codes
import clips
import packets
import watching
from adaptation.adapters import ffmpeg
from adaptation.adapters.follower import segment_file
from adaptation.errors import ToolError
from adaptation.media import dash, hls
from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import Chunk, cut_chunks, is_indexed
from adaptation.media.coding import VideoCoding, reorder_depth, usual_coding
from adaptation.media.encode import keyframes, may_reorder
from adaptation.media.inspection import Inspection
from adaptation.media.probe import Source
from adaptation.media.rendition import Rendition, target_size
from adaptation.media.segment import PictureSegmenter, SoundSegmenter, plan_pictures
from adaptation.media.sound import audio_command
from adaptation.media.timeline import Timeline
from kinds import kinds
from segments import index_folder

SEGMENT_SECONDS = Fraction(1, 2)
CHUNKS = 4
SAFE_SECONDS = 0.1
"""A beep that is cut by the picture's start is none."""
TRANSPORT_PACKET = 188
"""Bytes."""
RENDITIONS = (Rendition("low", 90, 150_000), Rendition("high", 180, 400_000))
X264 = "-c:v libx264 -preset superfast -pix_fmt yuv420p"
AAC = "-c:a aac -b:a 64k"


@dataclass(frozen=True)
class Ugly:
    """A kind of source, and which of its numbered frames must be shown."""

    command: str
    """Words for FFmpeg; the last is the file."""
    frames: int
    """How many are shown."""
    first: int = 0
    """Number of the first of them."""
    then: Callable[[Path], Path] = lambda clip: clip
    """What is done to the file."""


def sound(seconds: float = 5) -> str:
    return clips.beep(seconds=seconds)


def hide_the_start(clip: Path) -> Path:
    """Cut between key frames: `-ss 0.5 -c copy` writes an edit list."""
    return clips.ffmpeg(clip.parent, f"-ss 0.5 -i {clip.name} -c copy hidden.mp4")


def turn(clip: Path) -> Path:
    """Stored on its side with a matrix that turns it upright."""
    return clips.ffmpeg(clip.parent, f"-display_rotation 90 -i {clip.name} -c copy turned.mp4")


def lose_the_head(clip: Path) -> Path:
    """A transport stream that someone began to record in the middle of a GOP."""
    whole = clip.read_bytes()
    packets = len(whole) // TRANSPORT_PACKET // 10
    cut = clip.with_name("headless.ts")
    cut.write_bytes(whole[packets * TRANSPORT_PACKET :])
    return cut


def change_on_the_way(clip: Path) -> Path:
    """A stream that goes on with other pictures, as between programmes: larger, in full range."""
    again = f"-copyts -i {clip.name} -an -muxdelay 0 -muxpreload 0 {X264} -bf 2 -g 30"
    before = clips.ffmpeg(clip.parent, f"{again} -vf trim=end_frame=60 before.ts")
    other = "trim=start_frame=60,scale=480:270:out_range=pc,format=yuvj420p"
    after = clips.ffmpeg(
        clip.parent, f"{again.replace('yuv420p', 'yuvj420p')} -vf {other} after.ts"
    )
    joined = clip.with_name("joined.ts")
    joined.write_bytes(before.read_bytes() + after.read_bytes())
    return joined


N = bar_codes.numbered
THIN = "select='lt(mod(t\\,1)\\,0.5)+not(mod(n\\,3))'"
HOLE = "select='not(between(n\\,40\\,70))'"
OPEN = "-x264-params open-gop=1:bframes=3:keyint=30:min-keyint=30:scenecut=0"
WEAVE = "-flags +ildct+ilme -x264-params tff=1 -g 24"
UGLY: dict[str, Ugly] = {
    "25 fps": Ugly(f"{N()} {sound()} {X264} -bf 2 -g 30 {AAC} a.mp4", 125),
    "29.97 fps": Ugly(f"{N(rate='30000/1001')} {X264} -bf 2 -g 40 a.mp4", 150),
    "59.94 fps": Ugly(f"{N(rate='60000/1001', seconds=4)} {X264} -bf 2 -g 60 a.mp4", 240),
    "variable rate": Ugly(
        f"{N(rate='30', before=THIN)} -fps_mode vfr {X264} -bf 2 -g 20 a.mp4", 100
    ),
    "variable rate in Matroska": Ugly(
        f"{N(rate='30', before=THIN)} -fps_mode vfr {X264} -bf 2 -g 20 a.mkv", 100
    ),
    "open GOP": Ugly(f"{N()} {sound()} {X264} {OPEN} {AAC} a.mp4", 125),
    "open GOP in TS": Ugly(f"{N()} {sound()} {X264} {OPEN} {AAC} a.ts", 125),
    "open GOP of MPEG-2 in TS": Ugly(
        f"{N()} {sound()} -c:v mpeg2video -b:v 2M -bf 2 -g 15 -c:a mp2 a.ts", 125
    ),
    "open GOP of HEVC": Ugly(
        f"{N()} -c:v libx265 -preset ultrafast -pix_fmt yuv420p -tag:v hvc1"
        " -x265-params log-level=error:open-gop=1:bframes=3:keyint=30:min-keyint=30:scenecut=0"
        " a.mp4",
        125,
    ),
    "intra refresh in TS": Ugly(
        f"{N()} {sound()} {X264} -x264-params intra-refresh=1:keyint=30 {AAC} a.ts", 125
    ),
    "TS": Ugly(f"{N()} {sound()} {X264} -bf 2 -g 60 {AAC} -output_ts_offset 10 a.ts", 125),
    "TS at its wrap": Ugly(
        f"{N()} {sound()} {X264} -bf 2 -g 30 {AAC} -output_ts_offset 95440 a.ts", 125
    ),
    "TS without its head": Ugly(
        f"{N()} {sound()} {X264} -bf 2 -g 25 {AAC} a.ts", 100, 25, lose_the_head
    ),
    "edit list": Ugly(f"{N()} {sound()} {X264} -bf 2 -g 30 {AAC} a.mp4", 112, 13, hide_the_start),
    "start offset": Ugly(f"{N()} {X264} -bf 3 -g 30 -output_ts_offset 2 a.mp4", 125),
    "start offset in Matroska": Ugly(
        f"{N()} {sound()} {X264} -bf 3 -g 30 {AAC} -output_ts_offset 5 a.mkv", 125
    ),
    "late audio": Ugly(f"{N()} -itsoffset 0.7 {sound(4)} {X264} -bf 2 -g 30 {AAC} a.mp4", 125),
    "late video": Ugly(f"-itsoffset 0.7 {N()} {sound(6)} {X264} -bf 2 -g 30 {AAC} a.mkv", 125),
    "late video in TS": Ugly(f"-itsoffset 0.7 {N()} {sound(6)} {X264} -bf 2 -g 60 {AAC} a.ts", 125),
    "10 bit HEVC": Ugly(
        f"{N()} -c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -tag:v hvc1"
        " -x265-params log-level=error:keyint=30:bframes=2 a.mp4",
        125,
    ),
    "rotated": Ugly(f"{N(size='180x320')} -vf transpose=1 {X264} -bf 2 -g 30 a.mp4", 125, 0, turn),
    "odd size in 4:4:4": Ugly(
        f"{N(size='321x241')} -c:v libx264 -preset superfast -pix_fmt yuv444p -g 30 a.mp4", 125
    ),
    "29.97 fps in Matroska": Ugly(
        f"{N(rate='30000/1001')} {sound()} {X264} -bf 2 -g 40 -c:a libopus a.mkv", 150
    ),
    "interlaced": Ugly(
        f"{N(size='320x240', rate='50', before='interlace=scan=tff')} -vf setfield=tff"
        f" {X264} {WEAVE} a.mp4",
        125,
    ),
    "AVI without times": Ugly(f"{N()} {sound()} -c:v mpeg4 -bf 2 -g 30 -c:a mp3 a.avi", 125),
    "one key frame": Ugly(f"{N()} {X264} -bf 2 -g 999 a.mp4", 125),
    "fragmented": Ugly(
        f"{N()} {sound()} {X264} -bf 2 -g 30 {AAC} -movflags +frag_keyframe+empty_moov a.mp4", 125
    ),
    "VP9 in WebM": Ugly(
        f"{N()} -c:v libvpx-vp9 -b:v 300k -deadline realtime -cpu-used 8 -g 30 a.webm", 125
    ),
    "five frames a second in TS": Ugly(
        f"{N(rate='5')} {sound()} {X264} -bf 3 -g 6 {AAC} -output_ts_offset 3 a.ts", 25
    ),
    "gap in TS": Ugly(
        f"{N(before=HOLE)} {sound()} -fps_mode vfr {X264} -bf 2 -g 25 {AAC} a.ts", 94
    ),
    "TS that changes on the way": Ugly(f"{N()} {X264} -bf 2 -g 30 a.ts", 125, 0, change_on_the_way),
    "FLV": Ugly(f"{N()} {sound()} {X264} -bf 2 -g 30 {AAC} -ar 44100 a.flv", 125),
}


ALIKE = (
    "25 fps",
    "variable rate in Matroska",
    "open GOP",
    "open GOP of HEVC",
    "open GOP of MPEG-2 in TS",
    "TS",
    "start offset",
    "start offset in Matroska",
    "late audio",
    "late video",
    "10 bit HEVC",
    "59.94 fps",
    "29.97 fps",
    "odd size in 4:4:4",
    "rotated",
    "fragmented",
    "VP9 in WebM",
    "five frames a second in TS",
    "FLV",
)
"""Kinds whose troubles are those of others too."""


@dataclass(frozen=True)
class Made:
    """A source in chunks: how it was planned and where its files are."""

    ugly: Ugly
    clip: Path
    folder: Path
    source: Source
    timeline: Timeline
    chunks: tuple[Chunk, ...]
    files: tuple[tuple[Path, ...], ...]
    """Of each chunk, one for each rendition."""


def plan(
    ugly: Ugly,
    folder: Path,
    renditions: tuple[Rendition, ...] = RENDITIONS,
    max_frame_rate: float = 240,
) -> Made:
    """Cut a source into four chunks, whose bounds do not care for its key frames."""
    clip = ugly.then(clips.ffmpeg(folder, ugly.command))
    inspection = Inspection()
    source, timeline = ffmpeg.inspect(clip, clips.tools(), inspection)
    timeline = timeline.limited(max_frame_rate)
    starts = keyframes(timeline, SEGMENT_SECONDS)
    bounds = [starts[len(starts) * number // CHUNKS] for number in range(CHUNKS)]
    exact = is_indexed(source.format_name)
    chunks = cut_chunks(timeline, inspection.seek_points(), starts, bounds, is_indexed=exact)
    names = [[folder / f"{c.number}_{r.name}.mp4" for r in renditions] for c in chunks]
    return Made(ugly, clip, folder, source, timeline, chunks, tuple(map(tuple, names)))


def fast(codec: str) -> VideoCoding:
    """The fastest way to encode a codec with all that makes chunks hard: B-frames."""
    presets = {"h264": "superfast", "hevc": "ultrafast", "av1": "12"}
    return replace(usual_coding(codec), preset=presets[codec])


def encode(
    made: Made,
    chunk: Chunk,
    files: tuple[Path, ...],
    renditions: tuple[Rendition, ...] = RENDITIONS,
    coding: VideoCoding | None = None,
) -> None:
    video = made.source.video
    assert video is not None
    rungs = [
        Rung(
            rendition,
            target_size(video.width, video.height, rendition.height),
            file,
            coding or fast(rendition.codec),
        )
        for rendition, file in zip(renditions, files, strict=True)
    ]
    command = chunk_command(made.source, made.timeline, chunk, rungs, made.clip)
    ffmpeg.encode(command, clips.tools(), expected_seconds=1)


def init_segment(file: Path) -> bytes:
    """What comes before the first fragment."""
    content = file.read_bytes()
    return content[: content.index(b"moof") - 4]


@pytest.fixture(scope="module", params=kinds(UGLY, seldom=ALIKE))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """All chunks of each ugly source in turn."""
    made = plan(UGLY[request.param], tmp_path_factory.mktemp("ugly"))
    for chunk, files in zip(made.chunks, made.files, strict=True):
        encode(made, chunk, files)
    return made


def test_every_frame_is_there_once_and_in_order(made: Made) -> None:
    expected = range(made.ugly.first, made.ugly.first + made.ugly.frames)
    assert len(made.timeline) == made.ugly.frames
    found = bar_codes.read([file for files in made.files for file in files], made.folder)
    for rendition in range(len(RENDITIONS)):
        numbers = found[rendition :: len(RENDITIONS)]
        assert [n for chunk in numbers for n in chunk] == list(expected)
        assert [len(chunk) for chunk in numbers] == [len(chunk) for chunk in made.chunks]


def test_frames_have_their_times_and_key_frames_their_places(made: Made) -> None:
    for chunk, files in zip(made.chunks, made.files, strict=True):
        for file in files:
            packets.check_chunk(file, made.timeline, chunk)


def test_all_chunks_of_a_rendition_have_the_same_init_segment(made: Made) -> None:
    for files in zip(*made.files, strict=True):
        assert len({init_segment(file) for file in files}) == 1


def test_a_chunk_made_again_has_the_same_bytes_wherever_reading_began(made: Made) -> None:
    again = tuple(file.with_suffix(".again.mp4") for file in made.files[2])
    encode(made, replace(made.chunks[2], seek_seconds=None), again)
    for first, second in zip(made.files[2], again, strict=True):
        assert first.read_bytes() == second.read_bytes()


@pytest.mark.parametrize(
    ("codec", "name"),
    [
        ("hevc", "TS at its wrap"),
        ("av1", "variable rate"),
        pytest.param("hevc", "open GOP", marks=pytest.mark.long),
        pytest.param("hevc", "variable rate", marks=pytest.mark.long),
        pytest.param("av1", "open GOP", marks=pytest.mark.long),
        pytest.param("av1", "TS at its wrap", marks=pytest.mark.long),
    ],
)
def test_chunks_of_another_codec_are_as_exact_beside_h264(
    codec: str, name: str, tmp_path: Path
) -> None:
    ugly = UGLY[name]
    renditions = (RENDITIONS[1], Rendition("other", 90, 300_000, codec))
    made = plan(ugly, tmp_path, renditions)
    for chunk, files in zip(made.chunks, made.files, strict=True):
        encode(made, chunk, files, renditions)
        for file in files:
            packets.check_chunk(file, made.timeline, chunk)
    other = [files[1] for files in made.files]
    found = [n for numbers in bar_codes.read(other, tmp_path) for n in numbers]
    assert found == list(range(ugly.first, ugly.first + ugly.frames))
    assert len({init_segment(file) for file in other}) == 1
    again = tuple(file.with_suffix(".again.mp4") for file in made.files[2])
    encode(made, replace(made.chunks[2], seek_seconds=None), again, renditions)
    assert other[2].read_bytes() == again[1].read_bytes()


@pytest.mark.parametrize("codec", kinds(["hevc", "av1"], seldom=["av1"]))
def test_an_average_of_another_codec_is_exact_and_repeatable_too(
    codec: str, tmp_path: Path
) -> None:
    renditions = (Rendition("other", 90, 200_000, codec),)
    made = plan(UGLY["25 fps"], tmp_path, renditions)
    coding = replace(fast(codec), rate_control="abr")
    again = tuple(file.with_suffix(".again.mp4") for file in made.files[1])
    for chunk, files in zip(made.chunks, made.files, strict=True):
        encode(made, chunk, files, renditions, coding)
        packets.check_chunk(files[0], made.timeline, chunk)
    encode(made, made.chunks[1], again, renditions, coding)
    assert made.files[1][0].read_bytes() == again[0].read_bytes()
    assert len({init_segment(files[0]) for files in made.files}) == 1


@pytest.fixture(scope="module")
def asset(made: Made) -> Path:
    """The chunks of each source cut into segments, with its sound, in both formats."""
    folder = made.folder / "asset"
    starts = keyframes(made.timeline, SEGMENT_SECONDS)
    whole = plan_pictures(
        made.timeline, starts, reorder_depth(fast("h264"), may_reorder=may_reorder(made.timeline))
    )
    for chunk, files in zip(made.chunks, made.files, strict=True):
        for rendition, file in zip(RENDITIONS, files, strict=True):
            segmenter = PictureSegmenter(whole.part(chunk.first_frame, chunk.end_frame))
            segment_file(file, folder / rendition.name, segmenter)
    points = [made.timeline.since_start(frame) for frame in starts]
    for sound in made.source.audio[:1]:
        encoded = made.folder / "sound.mp4"
        command = audio_command(sound, made.timeline, input_path=made.clip, output_path=encoded)
        ffmpeg.encode(command, clips.tools(), expected_seconds=1)
        segment_file(encoded, folder / "audio_und", SoundSegmenter(points, SEGMENT_SECONDS))
    tracks = [index_folder(path) for path in sorted(folder.iterdir(), reverse=True)]
    for track in tracks:
        (folder / track.folder / hls.PLAYLIST_NAME).write_text(hls.media_playlist(track))
    (folder / hls.MASTER_NAME).write_text(hls.master_playlist(tracks))
    (folder / dash.MANIFEST_NAME).write_text(dash.manifest(tracks))
    return folder


@pytest.mark.parametrize("manifest", [hls.MASTER_NAME, dash.MANIFEST_NAME])
def test_players_see_every_frame_once_at_its_time(manifest: str, made: Made, asset: Path) -> None:
    expected = list(range(made.ugly.first, made.ugly.first + made.ugly.frames))
    times = [float(made.timeline.since_start(frame)) for frame in range(len(made.timeline))]
    for rendition in range(len(RENDITIONS)):
        stream = f"0:v:{rendition}"
        assert bar_codes.read_stream(asset / manifest, stream, made.folder) == expected
        assert watching.shown_at(asset / manifest, stream) == pytest.approx(times, abs=0.001)


def test_sound_stays_with_the_picture_over_all_joins(made: Made, asset: Path) -> None:
    if not made.source.audio:
        return
    start = float(made.timeline.start_seconds)
    wanted = [beep - start for beep in watching.beeps(made.clip)]
    # DASH names the same files; FFmpeg's reader of it loses the beginning of short segments.
    heard = watching.beeps(asset / hls.MASTER_NAME)
    expected = [beep for beep in wanted if beep > SAFE_SECONDS]
    assert len(expected) >= 3
    assert [beep for beep in heard if beep > SAFE_SECONDS] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    "name", kinds(["25 fps", "TS", "late video", "FLV"], seldom=["late video", "FLV"])
)
def test_frames_lost_by_reading_too_late_do_not_pass(name: str, tmp_path: Path) -> None:
    made = plan(UGLY[name], tmp_path)
    chunk = made.chunks[2]
    cut = made.timeline.start_seconds + made.timeline.since_start(chunk.first_frame)
    encode(made, replace(chunk, seek_seconds=cut + 2), made.files[2])
    whole = plan_pictures(made.timeline, keyframes(made.timeline, SEGMENT_SECONDS), 1)
    segmenter = PictureSegmenter(whole.part(chunk.first_frame, chunk.end_frame))
    with pytest.raises(ToolError) as caught:
        segment_file(made.files[2][0], tmp_path / "low", segmenter)
    assert caught.value.code == "output_mismatch"


THINNED = {
    "59.94 fps": 29.97,
    "120 fps": 50,
    "variable rate": 12,
    "open GOP of MPEG-2 in TS": 10,
    "TS at its wrap": 12.5,
    "late video": 20,
    "gap in TS": 10,
    "interlaced": 12.5,
}
"""Kinds of sources with the frame rate that they are brought down to."""
FAST = Ugly(f"{N(rate='120', seconds=2)} {X264} -bf 2 -g 50 a.mp4", 240)


@pytest.mark.parametrize("name", kinds(THINNED, seldom=(*ALIKE, "interlaced")))
def test_frames_are_left_out_evenly_over_the_joins(name: str, tmp_path: Path) -> None:
    ugly = UGLY.get(name, FAST)
    made = plan(ugly, tmp_path, RENDITIONS[1:], THINNED[name])
    factor = made.timeline.thinning
    assert factor > 1
    found = []
    for chunk, files in zip(made.chunks, made.files, strict=True):
        encode(made, chunk, files, RENDITIONS[1:])
        packets.check_chunk(files[0], made.timeline, chunk)
        found += bar_codes.read(files, tmp_path)[0]
    assert found == list(range(ugly.first, ugly.first + ugly.frames, factor))
