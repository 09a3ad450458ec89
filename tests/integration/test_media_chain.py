"""From a source to playlists on real clips, judged by FFmpeg, ffprobe and readers of others."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import m3u8  # type: ignore[import-untyped]
import pytest
from lxml import etree

import clips
import judges
import packets
from adaptation.adapters import ffmpeg, follower
from adaptation.adapters.progress import Progress
from adaptation.errors import SourceError, ToolError, Transient
from adaptation.media import dash, hls, verify
from adaptation.media.asset_record import Origin, asset_text
from adaptation.media.cascade import Rung, chunk_command
from adaptation.media.chunk import cut_chunks
from adaptation.media.coding import usual_coding
from adaptation.media.encode import keyframes
from adaptation.media.index import Track
from adaptation.media.inspection import Inspection
from adaptation.media.probe import Source
from adaptation.media.rendition import Rendition, target_size
from adaptation.media.segment import (
    PictureSegmenter,
    SoundSegmenter,
    plan_pictures,
    reorder_depth,
)
from adaptation.media.sound import Sound, audio_command, plan_sounds
from adaptation.media.timeline import Timeline
from kinds import kinds
from segments import index_folder

SEGMENT_SECONDS = Fraction(1, 2)
TOLERANCE_SECONDS = 0.05
MPD = f"{{{dash.NAMESPACE}}}"
RUNGS = (Rendition("high", 180, 600_000), Rendition("low", 90, 200_000))


@dataclass(frozen=True)
class Made:
    """An asset in a folder, with all that was known on the way."""

    clip: Path
    folder: Path
    source: Source
    timeline: Timeline
    tracks: list[Track]

    @property
    def pictures(self) -> list[Track]:
        return [track for track in self.tracks if track.kind == "video"]

    @property
    def sounds(self) -> list[Track]:
        return [track for track in self.tracks if track.kind == "audio"]


def make_asset(
    clip: Path, folder: Path, rungs: tuple[Rendition, ...] = RUNGS, *, surround: bool = False
) -> Made:
    """The whole chain, as the workflow's tasks do it one by one."""
    source, timeline = ffmpeg.inspect(clip, clips.tools(), Inspection())
    made = Made(clip, folder, source, timeline, [])
    for rung in rungs:
        made.tracks.append(make_picture(made, rung))
    for sound in plan_sounds(source.audio, surround=surround):
        made.tracks.append(make_sound(made, sound))
    for track in made.tracks:
        playlist = folder / track.folder / hls.PLAYLIST_NAME
        playlist.write_text(hls.media_playlist(track))
    (folder / hls.MASTER_NAME).write_text(hls.master_playlist(made.tracks))
    (folder / dash.MANIFEST_NAME).write_text(dash.manifest(made.tracks))
    return made


def make_picture(made: Made, rung: Rendition) -> Track:
    assert made.source.video is not None
    encoded = made.folder / f"{rung.name}.mp4"
    made.folder.mkdir(parents=True, exist_ok=True)
    starts = keyframes(made.timeline, SEGMENT_SECONDS)
    (chunk,) = cut_chunks(made.timeline, (), starts, [0])
    size = target_size(made.source.video.width, made.source.video.height, rung.height)
    rungs = [Rung(rung, size, encoded, usual_coding(rung.codec))]
    command = chunk_command(made.source, made.timeline, chunk, rungs, made.clip)
    seen: list[Progress] = []
    ffmpeg.encode(command, clips.tools(), expected_seconds=1.0, on_progress=seen.append)
    assert seen[-1].fraction == 1.0
    packets.check_chunk(encoded, made.timeline, chunk)
    plan = plan_pictures(made.timeline, starts, reorder_depth(packets.read(encoded).pts))
    track = segment(made, encoded, PictureSegmenter(plan), rung.name)
    verify.check_track(track, made.timeline, starts)
    return track


def make_sound(made: Made, sound: Sound) -> Track:
    encoded = made.folder / f"{sound.name}.mp4"
    (source,) = (track for track in made.source.audio if track.index == sound.stream_index)
    command = audio_command(
        source, made.timeline, input_path=made.clip, output_path=encoded, layout=sound.layout
    )
    ffmpeg.encode(command, clips.tools(), expected_seconds=1.0)
    expected = source.end_seconds - float(made.timeline.start_seconds)
    packets.check_sound(encoded, expected)
    starts = keyframes(made.timeline, SEGMENT_SECONDS)
    points = [made.timeline.since_start(frame) for frame in starts]
    track = segment(made, encoded, SoundSegmenter(points, SEGMENT_SECONDS), sound.name)
    return replace(track, language=sound.language, title=sound.title, stereo_name=sound.stereo_name)


def segment(made: Made, encoded: Path, segmenter: follower.Segmenter, name: str) -> Track:
    follower.segment_file(encoded, made.folder / name, segmenter)
    encoded.unlink()
    return index_folder(made.folder / name)


def frame_times(path: Path, *options: str, stream: str = "0:v:0") -> list[float]:
    """When FFmpeg shows each decoded picture, in seconds."""
    command = [str(clips.tools().ffmpeg), "-v", "error", *options, "-i", str(path)]
    command += ["-map", stream, "-fps_mode", "passthrough", "-enc_time_base", "1/90000"]
    printed = subprocess.run(
        [*command, "-f", "framecrc", "-"], check=True, capture_output=True, text=True, timeout=60
    )
    assert printed.stderr == ""
    rows = [line.split(",") for line in printed.stdout.splitlines() if not line.startswith("#")]
    return [int(row[2]) / 90_000 for row in rows]


def key_times(playlist: Path) -> list[float]:
    """When ffprobe finds key frames."""
    command = [str(clips.tools().ffprobe), "-v", "error", "-of", "csv=p=0", "-show_entries"]
    printed = subprocess.run(
        [*command, "packet=pts_time,flags", str(playlist)], check=True, capture_output=True
    )
    rows = [line.split(",") for line in printed.stdout.decode().split()]
    return [round(float(row[0]), 4) for row in rows if "K" in row[1]]


def duration(path: Path) -> float:
    """How long ffprobe says that an MP4 lasts."""
    command = [str(clips.tools().ffprobe), "-v", "error", "-of", "csv=p=0", "-show_entries"]
    printed = subprocess.run(
        [*command, "stream=duration", str(path)], check=True, capture_output=True
    )
    return float(printed.stdout)


def joined(made: Made, track: Track) -> Path:
    """All segments of a track in one file."""
    folder = made.folder / track.folder
    files = [folder / track.init_name, *(folder / segment.name for segment in track.segments)]
    whole = made.folder / f"joined_{track.name}.mp4"
    whole.write_bytes(b"".join(file.read_bytes() for file in files))
    return whole


CLIPS: dict[str, Callable[[Path], Path]] = {
    "plain": clips.make_plain,
    "silent": clips.make_silent,
    "odd size": clips.make_odd_size,
    "rotated": clips.make_rotated,
    "wide pixels": clips.make_wide_pixels,
    "B-frames with offset": clips.make_b_frames_with_offset,
    "B-frames in MP4 with offset": clips.make_b_frames_mp4_with_offset,
    "edited": clips.make_edited,
    "29.97 fps": clips.make_ntsc,
    "variable rate": clips.make_variable_rate,
    "two languages": clips.make_two_languages,
    "late audio": clips.make_late_audio,
    "early audio": clips.make_early_audio,
    "transport stream": clips.make_transport_stream,
    "Matroska": clips.make_matroska,
    "fragmented": clips.make_fragmented,
    "AVI": clips.make_avi,
    "interlaced": clips.make_interlaced,
    "cover and time codes": clips.make_cluttered,
}


ALIKE = (
    "plain",
    "rotated",
    "B-frames in MP4 with offset",
    "29.97 fps",
    "early audio",
    "Matroska",
    "AVI",
    "interlaced",
)
"""Kinds whose troubles are those of others too, or of `test_exact_chunks`."""


@pytest.fixture(scope="module", params=kinds(CLIPS, seldom=ALIKE))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """The asset of each clip in turn."""
    folder = tmp_path_factory.mktemp("asset")
    return make_asset(CLIPS[request.param](folder / "clip"), folder / "asset")


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """A clip without any trouble."""
    return clips.make_plain(tmp_path / "clip")


def test_every_frame_of_the_source_is_shown_at_its_time(made: Made) -> None:
    expected = frame_times(made.clip, "-copyts")
    for track in made.pictures:
        found = frame_times(made.folder / track.folder / hls.PLAYLIST_NAME)
        assert len(found) == len(expected)
        off = [a - expected[0] - b + found[0] for a, b in zip(expected, found, strict=True)]
        assert max(map(abs, off)) < 0.001


def test_tracks_last_as_long_as_the_source(made: Made) -> None:
    start = float(made.timeline.start_seconds)
    for track in made.pictures:
        expected = float(made.timeline.duration_seconds)
        assert duration(joined(made, track)) == pytest.approx(expected, abs=TOLERANCE_SECONDS)
        assert float(track.duration_seconds) == pytest.approx(expected, abs=TOLERANCE_SECONDS)
    for sound, track in zip(made.source.audio, made.sounds, strict=True):
        expected = sound.end_seconds - start
        assert duration(joined(made, track)) == pytest.approx(expected, abs=TOLERANCE_SECONDS)
        assert float(track.duration_seconds) == pytest.approx(expected, abs=TOLERANCE_SECONDS)


def test_key_frames_of_all_renditions_fall_together(made: Made) -> None:
    times = [key_times(made.folder / track.folder / hls.PLAYLIST_NAME) for track in made.pictures]
    assert times[0] == times[1]
    assert len(times[0]) == len(made.pictures[0].segments) > 1


def test_both_manifests_decode_without_a_word(made: Made) -> None:
    ffmpeg.decode(made.folder / hls.MASTER_NAME, clips.tools(), full=True)
    ffmpeg.decode(made.folder / dash.MANIFEST_NAME, clips.tools(), full=True)


def test_both_manifests_name_the_same_files_and_no_other_exists(made: Made) -> None:
    playlists = set(made.folder.glob("*/*.m3u8"))
    from_hls = set[Path]()
    for playlist in playlists:
        read = m3u8.loads(playlist.read_text())
        names = [*read.files, *(part.uri for part in read.segment_map if part is not None)]
        from_hls |= {playlist.parent / str(name) for name in names}
    from_dash = files_of_manifest(made.folder / dash.MANIFEST_NAME)
    assert from_hls == from_dash
    assert from_hls | playlists == {p for p in made.folder.glob("*/*") if p.is_file()}


def files_of_manifest(path: Path) -> set[Path]:
    """All files that a DASH manifest asks for."""
    found = set[Path]()
    for template in etree.parse(path).iter(f"{MPD}SegmentTemplate"):
        count = sum(1 + int(entry.get("r", "0")) for entry in template.iter(f"{MPD}S"))
        numbers = range(int(template.attrib["startNumber"]), count + 1)
        media = str(template.attrib["media"])
        names = [media.replace("$Number%05d$", f"{number:05d}") for number in numbers]
        found |= {path.parent / name for name in [*names, str(template.attrib["initialization"])]}
    return found


def test_the_index_tells_the_truth_about_the_files(made: Made) -> None:
    for track in made.tracks:
        folder = made.folder / track.folder
        for segment in track.segments:
            content = (folder / segment.name).read_bytes()
            assert segment.size_bytes == len(content)
            assert segment.sha256 == hashlib.sha256(content).hexdigest()
            assert segment.independent
        for early, late in pairwise(track.segments):
            assert early.start + early.duration == late.start
        assert track.segments[0].start == 0 or track.kind == "audio"
        assert Track.from_json(json.loads(json.dumps(track.to_json()))) == track


def test_readers_of_others_find_the_same_values(made: Made) -> None:
    master = m3u8.load(str(made.folder / hls.MASTER_NAME))
    assert len(master.playlists) == len(made.pictures)
    for listed, track in zip(master.playlists, made.pictures, strict=True):
        facts = listed.stream_info
        assert facts.resolution == (track.width, track.height)
        assert facts.bandwidth >= facts.average_bandwidth >= track.average_bandwidth
        assert facts.frame_rate == pytest.approx(float(track.frame_rate), abs=0.001)
        assert facts.codecs.split(",")[0] == track.codec
        media = m3u8.load(str(made.folder / listed.uri))
        assert media.is_endlist
        assert media.playlist_type == "vod"
        total = sum(segment.duration for segment in media.segments)
        assert total == pytest.approx(float(track.duration_seconds), abs=1e-6)
        longest = max(segment.duration for segment in media.segments)
        assert round(longest) <= media.target_duration
    assert [m.language for m in master.media] == [
        {"eng": "en", "fra": "fr"}.get(sound.language) for sound in made.source.audio
    ]


def test_the_record_is_the_same_each_time(made: Made) -> None:
    origin = Origin("id", {"segment_seconds": 0.5}, {"ffmpeg": "9"}, "2026-01-01T00:00:00Z")
    text = asset_text(origin, made.source, made.tracks)
    assert text == asset_text(origin, made.source, made.tracks)
    assert [track["name"] for track in json.loads(text)["tracks"]] == [t.name for t in made.tracks]


FLASHES = {
    "mp4": ("flash.mp4", ""),
    "mp4_with_offset": ("flash.mp4", "-output_ts_offset 3"),
    "matroska_with_offset": ("flash.mkv", "-output_ts_offset 5"),
    "transport_stream": ("flash.ts", ""),
    "fragmented": ("flash.mp4", "-movflags +frag_keyframe+empty_moov+delay_moov"),
    "late_audio": ("flash.mkv", "-af atrim=start=0.5"),
    "late_video": ("flash.mkv", "-vf drawbox=c=white:t=fill:enable='gte(n\\,20)',trim=start=0.4"),
}


@pytest.mark.parametrize(
    "kind", kinds(FLASHES, seldom=("mp4", "transport_stream", "fragmented", "late_audio"))
)
def test_picture_and_sound_stay_in_sync(kind: str, tmp_path: Path) -> None:
    clip = clips.make_flash(tmp_path, *FLASHES[kind])
    made = make_asset(clip, tmp_path / "asset", (Rendition("low", 90, 300_000),))
    for manifest in (hls.MASTER_NAME, dash.MANIFEST_NAME):
        flash, beep = flash_time(made.folder / manifest), beep_time(made.folder / manifest)
        # A millisecond of codec ringing, and the rounding of Matroska's clock.
        assert beep == pytest.approx(flash, abs=0.005)


def flash_time(path: Path) -> float:
    """When the picture turns white, on FFmpeg's clock."""
    shown = "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-"
    text = filtered(path, "-vf", shown)
    found = re.findall(r"pts_time:(\S+)\n\S+YAVG=(\S+)", text)
    return next(float(time) for time, luma in found if float(luma) > 128)


def beep_time(path: Path) -> float:
    """When the sound turns loud, on FFmpeg's clock."""
    loud = "asetnsamples=48,astats=metadata=1:reset=1"
    loud += ",ametadata=print:key=lavfi.astats.Overall.Peak_level:file=-"
    text = filtered(path, "-af", loud)
    found = re.findall(r"pts_time:(\S+)\n\S+Peak_level=(\S+)", text)
    return next(float(time) for time, level in found if float(level) > -12)


def filtered(path: Path, *options: str) -> str:
    command = [str(clips.tools().ffmpeg), "-v", "error", "-copyts", "-i", str(path), *options]
    done = subprocess.run([*command, "-f", "null", "-"], check=True, capture_output=True)
    return done.stdout.decode()


def test_hevc_is_made_for_apple_players(plain: Path, tmp_path: Path) -> None:
    made = make_asset(plain, tmp_path / "asset", (Rendition("small", 90, 200_000, "hevc"),))
    assert made.tracks[0].codec.startswith("hvc1.1.6.L")
    ffmpeg.decode(made.folder / hls.MASTER_NAME, clips.tools(), full=True)


def test_the_same_source_gives_the_same_init_segments(plain: Path, tmp_path: Path) -> None:
    first, second = (make_asset(plain, tmp_path / name, RUNGS[1:]) for name in ("a", "b"))
    assert [t.init_sha256 for t in first.tracks] == [t.init_sha256 for t in second.tracks]


BAD_SOURCES: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty": (clips.make_empty, "source_empty"),
    "text": (clips.make_text, "source_not_media"),
    "web_page": (clips.make_html, "source_not_media"),
    "noise": (clips.make_noise, "source_unreadable"),
    "sound_only": (clips.make_sound_only, "source_no_video"),
    "cover_only": (clips.make_cover_only, "source_no_video"),
    "half_an_mp4": (lambda d: clips.cut(clips.make_plain(d)), "source_truncated"),
    "half_a_matroska": (lambda d: clips.cut(clips.make_matroska(d)), "source_truncated"),
    "half_a_fragmented": (lambda d: clips.cut(clips.make_fragmented(d)), "source_truncated"),
    "half_an_avi": (lambda d: clips.cut(clips.make_avi(d)), "source_truncated"),
    "no_file": (lambda d: d / "missing.mp4", "source_missing"),
}


@pytest.mark.parametrize(("make", "code"), BAD_SOURCES.values(), ids=list(BAD_SOURCES))
def test_a_bad_source_is_refused_with_a_reason_and_a_remedy(
    make: Callable[[Path], Path], code: str, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        ffmpeg.inspect(make(tmp_path), clips.tools(), Inspection())
    assert caught.value.code == code
    assert caught.value.hint
    assert not caught.value.retryable


@pytest.mark.parametrize("keep", [0.05, 0.3, 0.9, 0.999])
@pytest.mark.parametrize("make", [clips.make_plain, clips.make_matroska, clips.make_fragmented])
def test_any_missing_end_is_noticed(
    make: Callable[[Path], Path], keep: float, tmp_path: Path
) -> None:
    with pytest.raises(SourceError) as caught:
        ffmpeg.inspect(clips.cut(make(tmp_path), keep), clips.tools(), Inspection())
    assert caught.value.code == "source_truncated"


def test_a_playlist_under_another_name_cannot_read_other_files(plain: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.mp4"
    trap.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:1,\n{plain}\n#EXT-X-ENDLIST\n")
    with pytest.raises(SourceError) as caught:
        ffmpeg.inspect(trap, clips.tools(), Inspection())
    assert caught.value.code == "source_not_media"
    command = ["-i", f"file:{trap}", "-c", "copy", f"file:{tmp_path / 'out.mp4'}"]
    with pytest.raises(SourceError):
        ffmpeg.encode(command, clips.tools(), expected_seconds=1)


def test_a_damaged_segment_does_not_pass(plain: Path, tmp_path: Path) -> None:
    made = make_asset(plain, tmp_path / "asset", RUNGS[1:])
    segment = made.folder / "low" / "00002.m4s"
    whole = segment.read_bytes()
    segment.write_bytes(whole[:-400] + bytes(400))
    with pytest.raises(ToolError) as caught:
        ffmpeg.decode(made.folder / "low" / hls.PLAYLIST_NAME, clips.tools(), full=True)
    assert caught.value.code == "output_broken"
    segment.write_bytes(whole[:-1])
    with pytest.raises(ToolError, match="broken"):
        index_folder(made.folder / "low")
    segment.unlink()
    with pytest.raises(ToolError, match=r"ticks between segments 1 and 2"):
        index_folder(made.folder / "low")


def test_samples_are_decoded_at_the_start_the_middle_and_the_end(
    tmp_path: Path,
) -> None:
    picture = clips.picture(seconds=8)
    whole = clips.ffmpeg(tmp_path, f"{picture} {clips.X264} -g 25 long.mp4")
    ffmpeg.decode(whole, clips.tools(), duration_seconds=8)
    content = bytearray(whole.read_bytes())
    content[-60_000:-58_000] = bytes(2000)
    whole.write_bytes(content)
    with pytest.raises(ToolError):
        ffmpeg.decode(whole, clips.tools(), duration_seconds=8)


def test_a_full_disk_is_reported_as_such(plain: Path) -> None:
    command = ["-i", f"file:{plain}", "-c", "copy", "-f", "mpegts", "file:/dev/full"]
    with pytest.raises(Transient) as caught:
        ffmpeg.encode(command, clips.tools(), expected_seconds=1)
    assert caught.value.code == "disk_full"


def test_a_path_with_odd_characters_is_only_a_path(plain: Path, tmp_path: Path) -> None:
    odd = tmp_path / "a,b=c 'd' %05d -x.mp4"
    odd.write_bytes(plain.read_bytes())
    made = make_asset(odd, tmp_path / "e,f" / "asset", RUNGS[1:])
    assert {track.name for track in made.tracks} == {"low", "audio_und"}


def test_surround_sound_stands_beside_the_stereo_in_both_manifests(tmp_path: Path) -> None:
    tones = "|".join(f"0.2*sin({pitch}*PI*t)" for pitch in (400, 500, 600, 80, 700, 800))
    sound = f"-f lavfi -i \"aevalsrc='{tones}':c=5.1:s=48000:d=1.2\" {clips.beep()}"
    languages = "-metadata:s:a:0 language=eng -metadata:s:a:1 language=fra"
    code = f"-map 0 -map 1 -map 2 {clips.X264} -c:a aac {languages} surround.mp4"
    clip = clips.ffmpeg(tmp_path / "clip", f"{clips.picture()} {sound} {code}")
    made = make_asset(clip, tmp_path / "asset", RUNGS[1:], surround=True)
    assert [(track.name, track.channels) for track in made.sounds] == [
        ("audio_en", 2),
        ("audio_fr", 2),
        ("audio_en_51", 6),
    ]
    for track in made.sounds:
        (facts,) = judges.streams(joined(made, track))
        assert facts["channels"] == track.channels
        assert facts["channel_layout"] == {2: "stereo", 6: "5.1"}[track.channels]
        assert facts["tags"]["language"] == track.language
        assert float(facts["duration"]) == pytest.approx(1.2, abs=TOLERANCE_SECONDS)
    test_both_manifests_decode_without_a_word(made)
    test_both_manifests_name_the_same_files_and_no_other_exists(made)
    sounds = [s for s in judges.streams(made.folder / hls.MASTER_NAME) if "channels" in s]
    assert {sound["channels"] for sound in sounds} == {2, 6}
    dashed = etree.parse(made.folder / dash.MANIFEST_NAME)
    configured = [entry.get("value") for entry in dashed.iter(f"{MPD}AudioChannelConfiguration")]
    assert configured == ["2", "2", "6"]
