"""Our segments of real encodes: exact, alike whenever they are cut, and as Packager cuts them."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

import pytest

import clips
from adaptation.adapters import ffmpeg, packager
from adaptation.adapters.follower import INIT_NAME, Follower, Following, segment_file
from adaptation.errors import OutputError, ToolError
from adaptation.media import dash, hls, index
from adaptation.media.boxes import boxes, need, read_init
from adaptation.media.index import Track
from adaptation.media.package import package_command
from adaptation.media.segment import (
    PicturePlan,
    PictureSegmenter,
    SoundSegmenter,
    plan_pictures,
)
from adaptation.media.timeline import Timeline
from segments import index_folder

RATE, FRAMES = 25, 40
STARTS = (0, 13, 26)
STEP_SECONDS = Fraction(13, 25)
DEPTH = 2
"""How far x264 reorders with its usual B-frames."""
TIMELINE = Timeline(Fraction(1, RATE), tuple(range(FRAMES)), 1)
PLAN = plan_pictures(TIMELINE, STARTS, DEPTH)
X264 = (
    "-c:v libx264 -preset fast -bf 3 -pix_fmt yuv420p -threads 1"
    " -x264-params scenecut=0:open-gop=0:keyint=infinite:stitchable=1"
    " -force_key_frames 0,0.5,1.02 -enc_time_base 1/90000 -video_track_timescale 90000"
)
MP4 = "-movflags +frag_keyframe+empty_moov+default_base_moof+delay_moov -flush_packets 1 -f mp4"
SOUND_MP4 = "-movflags +empty_moov+default_base_moof+delay_moov -frag_duration 200000 -f mp4"
AAC = "-c:a aac -b:a 96k -metadata:s:a:0 language=eng"


@dataclass(frozen=True)
class Encoded:
    """A picture and a sound track as FFmpeg wrote them."""

    picture: Path
    sound: Path


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Encoded:
    """`make_flash` encoded again: 40 frames at 25 a second in three fragments, and its sound."""
    folder = tmp_path_factory.mktemp("encoded")
    clips.make_flash(folder)
    picture = clips.ffmpeg(folder, f"-i flash.mp4 -map 0:v {X264} {MP4} picture.mp4")
    sound = clips.ffmpeg(folder, f"-i flash.mp4 -map 0:a {AAC} {SOUND_MP4} sound.mp4")
    return Encoded(picture, sound)


def sound_segmenter() -> SoundSegmenter:
    return SoundSegmenter([Fraction(start, RATE) for start in STARTS], STEP_SECONDS)


def make_asset(encoded: Encoded, folder: Path) -> list[Track]:
    """Segments, playlists and the manifest, without Packager."""
    segment_file(encoded.picture, folder / "low", PictureSegmenter(PLAN))
    segment_file(encoded.sound, folder / "audio", sound_segmenter())
    tracks = [index_folder(folder / "low"), replace(index_folder(folder / "audio"), language="eng")]
    for track in tracks:
        (folder / track.folder / hls.PLAYLIST_NAME).write_text(hls.media_playlist(track))
    (folder / hls.MASTER_NAME).write_text(hls.master_playlist(tracks))
    (folder / dash.MANIFEST_NAME).write_text(dash.manifest(tracks))
    return tracks


def files(folder: Path) -> dict[str, bytes]:
    """Names and contents."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def test_the_asset_decodes_without_a_word_and_shows_every_frame(
    encoded: Encoded, tmp_path: Path
) -> None:
    picture, sound = make_asset(encoded, tmp_path)
    assert picture.sample_count == FRAMES
    assert [segment.start for segment in picture.segments] == [3600 * n for n in STARTS]
    assert len(sound.segments) == len(STARTS)
    assert picture.duration_seconds == Fraction(FRAMES, RATE)
    for name in (hls.MASTER_NAME, dash.MANIFEST_NAME):
        ffmpeg.decode(tmp_path / name, clips.tools(), full=True)
        found = shown(tmp_path / name)
        assert found == pytest.approx([n / RATE for n in range(FRAMES)], abs=0.001)


def shown(path: Path) -> list[float]:
    """When each frame is shown, as FFmpeg sees it."""
    printed = filtered(path, "-vf", "showinfo", "-an", verbosity="info")
    return [float(time) for time in re.findall(r"n: *\d+ .*?pts_time:(\S+)", printed)]


def filtered(path: Path, *options: str, verbosity: str = "error") -> str:
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", verbosity, "-copyts"]
    command += ["-i", f"file:{path}", *options, "-f", "null", "-"]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return done.stdout + done.stderr


@pytest.mark.parametrize("name", [hls.MASTER_NAME, dash.MANIFEST_NAME])
def test_picture_and_sound_are_in_sync_to_a_millisecond(
    name: str, encoded: Encoded, tmp_path: Path
) -> None:
    make_asset(encoded, tmp_path)
    luma = "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-"
    lit = re.findall(r"pts_time:(\S+)\n\S+YAVG=(\S+)", filtered(tmp_path / name, "-vf", luma))
    flash = next(float(time) for time, value in lit if float(value) > 128)
    level = "asetnsamples=48,astats=metadata=1:reset=1"
    level += ",ametadata=print:key=lavfi.astats.Overall.Peak_level:file=-"
    loud = re.findall(r"pts_time:(\S+)\n\S+level=(\S+)", filtered(tmp_path / name, "-af", level))
    beep = next(float(time) for time, value in loud if float(value) > -12)
    assert flash == pytest.approx(clips.FLASH_SECONDS, abs=0.001)
    # The meter looks at windows of a millisecond.
    assert beep == pytest.approx(flash, abs=0.002)


@pytest.mark.parametrize("kind", ["picture", "sound"])
def test_packager_makes_the_same_of_the_same_encode(
    kind: str, encoded: Encoded, tmp_path: Path
) -> None:
    plan = plan_pictures(TIMELINE, STARTS, DEPTH)
    ours = tmp_path / "ours"
    source = encoded.picture if kind == "picture" else encoded.sound
    segment_file(source, ours, PictureSegmenter(plan) if kind == "picture" else sound_segmenter())
    command = package_command(
        "video" if kind == "picture" else "audio", packager.INPUT_NAME, STEP_SECONDS
    )
    packager.package(command, source, tmp_path / "theirs", clips.tools())
    found, expected = files(ours), files(tmp_path / "theirs")
    assert read_init(found[INIT_NAME]).media_time == read_init(expected[INIT_NAME]).media_time
    theirs, mine = (
        sorted(name for name in made if name.endswith(".m4s")) for made in (expected, found)
    )
    assert joined_media(expected, theirs) == joined_media(found, mine)
    # Packager gives the sound's last 40 ms a segment of their own, we do not.
    same = mine if kind == "picture" else mine[:-1]
    for name in same:
        assert need(found[name], b"mdat") == need(expected[name], b"mdat")
        assert decode_time(found[name]) == decode_time(expected[name])
        assert index_times(found[name]) == index_times(expected[name])


def joined_media(made: dict[str, bytes], names: Sequence[str]) -> bytes:
    """All of a track's media."""
    return b"".join(need(made[name], b"mdat") for name in names)


def decode_time(segment: bytes) -> int:
    tfdt = need(need(need(segment, b"moof"), b"traf"), b"tfdt")
    return int.from_bytes(tfdt[4:], "big")


def index_times(segment: bytes) -> tuple[int, int]:
    """First time and duration of a `sidx` with one reference."""
    sidx = need(segment, b"sidx")
    length = 8 if sidx[0] == 1 else 4
    return int.from_bytes(sidx[12 : 12 + length], "big"), int.from_bytes(sidx[-8:-4], "big")


CHUNKS = ((0, 13), (13, 26), (26, 40))


def test_chunks_join_without_a_seam(encoded: Encoded, tmp_path: Path) -> None:
    folder = tmp_path / "low"
    for first, end in CHUNKS:
        name = f"chunk{first}.mp4"
        frames = f"trim=start_frame={first}:end_frame={end},setpts=PTS-STARTPTS"
        source = f"-i {encoded.picture.with_name('flash.mp4')} -map 0:v -vf {frames}"
        chunk = clips.ffmpeg(tmp_path, f"{source} {X264} -force_key_frames 0 {MP4} {name}")
        init = folder / INIT_NAME
        before = init.read_bytes() if init.exists() else None
        segment_file(chunk, folder, PictureSegmenter(PLAN.part(first, end)))
        assert before in (None, init.read_bytes())
    track = index_folder(folder)
    assert [segment.start for segment in track.segments] == [3600 * n for n in STARTS]
    playlist = folder / hls.PLAYLIST_NAME
    playlist.write_text(hls.media_playlist(track))
    ffmpeg.decode(playlist, clips.tools(), full=True)
    assert shown(playlist) == pytest.approx([n / RATE for n in range(FRAMES)], abs=0.001)


@contextmanager
def slow_encode(folder: Path) -> Iterator[Encoded]:
    """FFmpeg that writes a picture and its sound in real time: `-re`."""
    inputs = f"-re {clips.picture(seconds=1.6)} -re {clips.beep(seconds=1.6)}"
    outputs = f"-map 0 {X264} {MP4} picture.mp4 -map 1 {AAC} {SOUND_MP4} sound.mp4"
    command = [str(clips.tools().ffmpeg), "-nostdin", "-v", "error", "-y"]
    with subprocess.Popen([*command, *f"{inputs} {outputs}".split()], cwd=folder) as process:
        try:
            yield Encoded(folder / "picture.mp4", folder / "sound.mp4")
            assert process.wait(30) == 0
        finally:
            process.kill()


def test_files_that_grow_give_the_segments_of_finished_ones(tmp_path: Path) -> None:
    written: list[Path] = []
    growing = threading.Event()

    def note(path: Path) -> None:
        written.append(path)
        if path.name == "00001.m4s" and path.parent.name == "picture":
            growing.set()

    grown = tmp_path / "grown"
    with slow_encode(tmp_path) as made:
        followers = [
            Follower(made.picture, grown / "picture", PictureSegmenter(PLAN)),
            Follower(made.sound, grown / "sound", sound_segmenter()),
        ]
        with Following(followers, on_written=note) as _, waiting_for(made):
            assert growing.wait(20)
            assert not (grown / "picture" / "00003.m4s").exists()
    assert len(written) == len(set(written)) == 2 * (1 + len(STARTS))
    segment_file(made.picture, tmp_path / "whole" / "picture", PictureSegmenter(PLAN))
    segment_file(made.sound, tmp_path / "whole" / "sound", sound_segmenter())
    for kind in ("picture", "sound"):
        assert files(grown / kind) == files(tmp_path / "whole" / kind)


@contextmanager
def waiting_for(made: Encoded) -> Iterator[None]:
    """Leave only when FFmpeg has written the index that ends each file."""
    yield
    ended = threading.Event()
    while not all(
        path.exists() and b"mfra" in [kind for kind, _ in whole_boxes(path.read_bytes())]
        for path in (made.picture, made.sound)
    ):
        ended.wait(0.05)


def whole_boxes(content: bytes) -> list[tuple[bytes, bytes]]:
    try:
        return list(boxes(content))
    except ToolError:
        return []


FOLLOW = """
import sys, threading
from pathlib import Path
from fractions import Fraction
sys.path[:0] = sys.argv[2:]
import test_segmenter as given
from adaptation.adapters.follower import Follower
from adaptation.media.segment import PictureSegmenter

folder = Path(sys.argv[1])
follower = Follower(folder / "picture.mp4", folder / "grown", PictureSegmenter(given.PLAN))
while True:
    for path in follower.poll():
        print(path.name, flush=True)
    threading.Event().wait(0.05)
"""


def test_a_follower_killed_in_the_middle_is_begun_again_without_a_trace(tmp_path: Path) -> None:
    here = Path(__file__).parent
    paths = [str(here), str(here.parent), str(here.parent.parent / "src")]
    command = [sys.executable, "-c", FOLLOW, str(tmp_path), *paths]
    with (
        slow_encode(tmp_path) as made,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child,
    ):
        assert child.stdout is not None
        assert next(line for line in child.stdout if line.strip() == "00001.m4s")
        child.send_signal(signal.SIGKILL)
    first = tmp_path / "grown" / "00001.m4s"
    before = first.stat().st_mtime_ns
    (tmp_path / "grown" / "00003.m4s").unlink(missing_ok=True)
    (tmp_path / "grown" / "00003.m4s.part").write_bytes(b"half of it")
    segment_file(made.picture, tmp_path / "grown", PictureSegmenter(PLAN))
    segment_file(made.picture, tmp_path / "whole", PictureSegmenter(PLAN))
    assert files(tmp_path / "grown") == files(tmp_path / "whole")
    assert first.stat().st_mtime_ns == before


def test_any_cut_through_the_file_gives_whole_segments_first_and_the_same_at_the_end(
    encoded: Encoded, tmp_path: Path
) -> None:
    content = encoded.picture.read_bytes()
    segment_file(encoded.picture, tmp_path / "whole", PictureSegmenter(PLAN))
    whole = files(tmp_path / "whole")
    source = tmp_path / "growing.mp4"
    follower = Follower(source, tmp_path / "grown", PictureSegmenter(PLAN))
    assert list(follower.poll()) == []
    for size in [*range(0, len(content), 997), len(content)]:
        # What FFmpeg has not filled in yet is 0.
        source.write_bytes(content[:size])
        for path in follower.poll():
            assert path.read_bytes() == whole[path.name]
    list(follower.finish())
    assert files(tmp_path / "grown") == whole


def test_half_a_file_is_a_broken_output(encoded: Encoded, tmp_path: Path) -> None:
    half = clips.cut(encoded.picture, 0.95)
    with pytest.raises(ToolError) as caught:
        segment_file(half, tmp_path / "low", PictureSegmenter(PLAN))
    assert caught.value.code == "output_broken"
    assert (tmp_path / "low" / "00001.m4s").exists()


@pytest.mark.parametrize("starts", [(0,), (0, 12, 26), (0, 13), (0, 13, 26, 39)])
def test_another_plan_is_noticed(starts: Sequence[int], encoded: Encoded, tmp_path: Path) -> None:
    plan = PicturePlan(PLAN.clock, tuple(starts), PLAN.delay)
    with pytest.raises(ToolError) as caught:
        segment_file(encoded.picture, tmp_path / "low", PictureSegmenter(plan))
    assert caught.value.code == "output_mismatch"


def test_a_mismatch_stops_the_encoder_at_once(tmp_path: Path) -> None:
    stopped = threading.Event()
    wrong = PicturePlan(PLAN.clock, (0, 12), PLAN.delay)
    with slow_encode(tmp_path) as made:
        follower = Follower(made.picture, tmp_path / "low", PictureSegmenter(wrong))
        with (
            pytest.raises(ToolError) as caught,
            Following([follower], on_failure=stopped.set),
        ):
            assert stopped.wait(20)
    assert caught.value.code == "output_mismatch"


def test_when_the_encoder_fails_its_error_is_the_one_that_is_told(tmp_path: Path) -> None:
    follower = Follower(tmp_path / "none.mp4", tmp_path / "low", PictureSegmenter(PLAN))
    with pytest.raises(OutputError, match="full"), Following([follower]):
        raise OutputError("the disk is full")


def test_the_names_are_those_the_manifests_use() -> None:
    assert INIT_NAME == index.INIT_NAME
    assert index.SEGMENT_TEMPLATE == "$Number%05d$.m4s"


CODECS = {
    "hevc": ("libx265 -tag:v hvc1 -x265-params keyint=-1:scenecut=0:log-level=error", "hvc1.1."),
    "av1": ("libsvtav1 -svtav1-params keyint=-1:scd=0", "av01.0."),
}


@pytest.mark.parametrize(("options", "codec"), CODECS.values(), ids=list(CODECS))
def test_other_codecs_keep_their_configuration(options: str, codec: str, tmp_path: Path) -> None:
    code = f"{clips.picture(seconds=1.6)} -pix_fmt yuv420p -c:v {options} -preset 8"
    code = code.replace("-preset 8", "-preset ultrafast") if "x265" in code else code
    code += f" -enc_time_base 1/90000 -video_track_timescale 90000 {MP4}"
    made = clips.ffmpeg(tmp_path, f"{code} made.mp4")
    plan = plan_pictures(TIMELINE, (0,), 3)
    segment_file(made, tmp_path / "low", PictureSegmenter(plan))
    track = index_folder(tmp_path / "low")
    assert track.codec.startswith(codec)
    playlist = tmp_path / "low" / hls.PLAYLIST_NAME
    playlist.write_text(hls.media_playlist(track))
    ffmpeg.decode(playlist, clips.tools(), full=True)
    assert len(shown(playlist)) == FRAMES
